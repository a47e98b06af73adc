"""From a typed line to the picture, and everything that can be pressed under it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Route, expect

from adapters.wavespeed.faults import Script
from tests.browser.conftest import Visit
from tests.browser.playground import Playground
from tests.browser.visitor import WAIT

pytestmark = pytest.mark.asyncio(loop_scope="module")


CLOCKS = """texts => {
  const seen = window.clocks ??= new Set();
  for (const it of document.querySelectorAll("#messages .clock")) seen.add(it.textContent);
  return texts.every(it => seen.has(it));
}"""
"""Whether clocks have shown all of these by now. Asked in each frame, since none of them stays for long."""


def inputs(easel: Playground, prompt: str) -> list[dict[str, Any]]:
    """All that was asked of the image API with exactly this prompt."""
    return [dict(submit.inputs) for submit in easel.simulator.submits if submit.inputs["prompt"] == prompt]


async def test_a_lora_and_a_size_are_chosen_from_the_lists_and_the_picture_has_that_size(
    visit: Visit, shared: Playground
) -> None:
    ana = await visit()
    await ana.field.press_sequentially("/im")
    option = ana.page.get_by_role("option", selected=True)
    await expect(option).to_contain_text("/imagine")
    await ana.field.press("Enter")
    await expect(ana.field).to_have_value("/imagine ")
    await ana.field.press_sequentially("a red fox --lora yar")
    await expect(ana.page.get_by_role("option", name=re.compile("^yarn"))).to_be_visible()
    await ana.field.press("Tab")
    await ana.field.press_sequentially("--size 1216x832")
    await ana.field.press("Enter")
    message = ana.message("a red fox, yarn art style")
    await expect(message).to_be_visible()
    await expect(ana.field).to_have_value("")
    await expect(message.locator(".picture.here")).to_be_visible(timeout=WAIT)
    assert await ana.natural_size(message) == (1216, 832)
    await expect(message.locator("img")).to_have_attribute(
        "alt", re.compile("Picture 1 of “a red fox, yarn art style”")
    )
    await expect(message).to_contain_text("yarn:1")
    (sent,) = inputs(shared, "a red fox, yarn art style")
    assert sent["loras"]


async def test_tab_takes_what_is_offered_for_what_was_typed_even_if_that_comes_late(visit: Visit) -> None:
    ana = await visit()
    held: list[Route] = []
    await ana.field.press_sequentially("/imagine a lark --lora ")
    await expect(ana.page.get_by_role("option", name=re.compile("^yarn"))).to_be_visible()
    await ana.page.route("**/api/suggest*", lambda route: held.append(route))
    await ana.field.press_sequentially("koda")
    await ana.field.press("Tab")
    await expect(ana.field).to_have_value("/imagine a lark --lora koda")
    for route in held:
        await route.continue_()
    await expect(ana.page.get_by_role("option")).to_have_count(0)
    await expect(ana.field).to_have_value("/imagine a lark --lora koda ")
    await ana.page.route("**/api/suggest*", lambda route: held.append(route))
    await ana.field.press_sequentially("--lora y")
    await ana.field.press("Tab")
    await ana.field.press("Enter")
    await expect(ana.field).to_have_value("/imagine a lark --lora koda --lora y")
    await ana.field.press("Tab")  # nobody is held in a field whose list does not come
    await expect(ana.field).not_to_be_focused()


async def test_a_picture_that_nobody_answers_for_is_asked_for_again(visit: Visit) -> None:
    ana = await visit()
    ana.offline = True  # what it asks for in vain stands in the console
    cut: list[Route] = []

    async def cut_twice(route: Route) -> None:
        cut.append(route)
        await (route.abort() if len(cut) <= 2 else route.continue_())

    await ana.page.route("**/pictures/**", cut_twice)
    message = await ana.drawn("a patient heron")
    await expect(message.locator(".picture.gone")).to_have_count(0)
    assert len(cut) > 2


async def test_it_shows_how_far_it_is_with_a_clock_that_runs(visit: Visit, shared: Playground) -> None:
    shared.simulator.script(Script(seconds=3.0), prompt="a slow snail")
    ana = await visit()
    message = ana.message("a slow snail")
    async with asyncio.TaskGroup() as beside:
        beside.create_task(ana.page.wait_for_function(CLOCKS, arg=["0:01", "0:02"]))
        await ana.say("a slow snail")
        await expect(message.locator(".card-title")).to_have_text(re.compile("^Generating…"))
        await expect(ana.page.locator("#live")).to_have_text(re.compile("Generating"))
    await expect(message.locator(".picture.here")).to_be_visible(timeout=WAIT)
    await expect(message.locator(".clock")).to_be_hidden()
    await expect(ana.page.locator("#live")).to_have_text(re.compile("^Done. Picture 1 of"))


async def test_cancel(visit: Visit, shared: Playground) -> None:
    shared.simulator.script(Script(seconds=30.0), prompt="never seen")
    ana = await visit()
    await ana.say("never seen")
    message = ana.message("never seen")
    await ana.button("Cancel", message).click()
    await expect(message.locator(".card-title")).to_have_text("Cancelled")
    await expect(ana.notes.last).to_contain_text("Only you see this")
    await ana.notes.last.get_by_role("button", name="Dismiss").click()
    await expect(ana.notes).to_have_count(0)


async def test_reroll_draws_the_same_with_another_seed(visit: Visit, shared: Playground) -> None:
    ana = await visit()
    message = await ana.drawn("two swans --seed 7", "two swans")
    await ana.button("Re-roll", message).click()
    await expect(ana.message("two swans")).to_have_count(2)
    await expect(ana.message("two swans").last.locator(".picture.here")).to_be_visible(timeout=WAIT)
    first, second = inputs(shared, "two swans")
    assert first["seed"] == 7
    assert second["seed"] != 7


async def test_edit_asks_in_a_form_and_says_what_is_wrong_at_its_field(visit: Visit, shared: Playground) -> None:
    ana = await visit()
    message = await ana.drawn("a grey cat")
    await ana.button("Edit prompt", message).click()
    await expect(ana.dialog).to_be_visible()
    await expect(ana.dialog.get_by_label("Prompt")).to_have_value("a grey cat")
    await expect(ana.dialog.get_by_label("Prompt")).to_be_focused()
    await ana.dialog.get_by_label("Prompt").fill("a blue cat")
    await ana.dialog.get_by_label("Seed").fill("many")
    await ana.button("Draw", ana.dialog).click()
    await expect(ana.dialog.locator("[data-field=seed] .trouble")).to_contain_text("seed is a number")
    await expect(ana.dialog.get_by_label("Seed")).to_be_focused()
    await expect(ana.dialog.get_by_label("Prompt")).to_have_value("a blue cat")
    await ana.dialog.get_by_label("Seed").fill("11")
    await ana.button("Draw", ana.dialog).click()
    await expect(ana.dialog).to_have_count(0)
    await expect(ana.message("a blue cat").locator(".picture.here")).to_be_visible(timeout=WAIT)
    assert inputs(shared, "a blue cat")[0]["seed"] == 11


async def test_vary_goes_on_from_the_chosen_one_of_several(visit: Visit, shared: Playground) -> None:
    ana = await visit()
    message = await ana.drawn("four doors --n 4", "four doors")
    await expect(message.locator(".picture.here")).to_have_count(4, timeout=WAIT)
    await ana.button("Vary picture 3", message).click()
    await expect(ana.message("four doors")).to_have_count(2)
    await expect(ana.message("four doors").last.locator(".picture.here").first).to_be_visible(timeout=WAIT)
    assert inputs(shared, "four doors")[-1]["image"]


async def test_delete_takes_the_message_away(visit: Visit) -> None:
    ana = await visit()
    message = await ana.drawn("a mistake")
    await ana.button("Delete", message).click()
    await expect(ana.message("a mistake")).to_have_count(0)
    await ana.reload()
    await expect(ana.message("a mistake")).to_have_count(0)


async def test_details_are_told_to_the_one_who_asked_alone(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    await ana.drawn("a private matter of taste --seed 3", "a private matter of taste")
    await ben.button("Details", ben.message("a private matter of taste")).click()
    await expect(ben.notes).to_contain_text("seed 3")
    await expect(ana.notes).to_have_count(0)


async def test_what_can_be_done_with_any_message_stands_in_its_menu(visit: Visit) -> None:
    ana = await visit()
    message = await ana.drawn("a quiet lake")
    await message.hover()
    await message.get_by_role("button", name=re.compile("^More")).click()
    await expect(ana.page.get_by_role("menuitem", name="Image details")).to_be_visible()
    await ana.page.get_by_role("menuitem", name="Mark as spoiler").click()
    await expect(message.locator(".picture")).to_have_class(re.compile("covered"))


async def test_a_bad_value_is_said_at_the_field_and_nothing_typed_is_lost(visit: Visit) -> None:
    ana = await visit()
    await ana.say("a fox --steps 99 in the snow")
    await expect(ana.trouble).to_have_text(re.compile("from 1 to 50"))
    await expect(ana.field).to_have_value("a fox --steps 99 in the snow")
    await expect(ana.field).to_have_attribute("aria-invalid", "true")
    chosen = await ana.field.evaluate("it => it.value.slice(it.selectionStart, it.selectionEnd)")
    assert chosen == "--steps 99"
    await ana.page.keyboard.type("--steps 9")
    await expect(ana.trouble).to_be_hidden()
    await expect(ana.field).to_have_value("a fox --steps 9 in the snow")


async def test_what_people_write_is_text_and_never_markup(visit: Visit) -> None:
    ana = await visit()
    hostile = "<img src=x onerror=alert(1)> <b>bold</b> & <script>alert(2)</script>"
    message = await ana.drawn(hostile)
    assert await message.locator("blockquote").inner_text() == hostile
    await expect(message.locator("blockquote *")).to_have_count(0)
    await ana.page.get_by_role("link", name="Gallery").click()
    await expect(ana.page.locator(".tile-prompt").first).to_have_text(hostile)


async def test_the_form_asks_the_same_as_the_line_it_shows(visit: Visit, shared: Playground) -> None:
    ana = await visit()
    await ana.field.fill("a paper boat")
    await ana.button("Draw with a form").click()
    form = ana.dialog
    await expect(form.get_by_label("Prompt")).to_have_value("a paper boat")
    await form.get_by_text("Portrait").click()
    await form.get_by_label("LoRA 1", exact=True).fill("koda")
    await form.get_by_role("option", name=re.compile("^koda")).click()
    await form.get_by_label("Weight of LoRA 1").fill("0.8")
    await form.get_by_text("Everything else").click()
    await form.get_by_label("Steps, exactly").fill("12")
    await form.get_by_label("Seed", exact=True).fill("99999999999")
    await expect(form.locator(".preview code")).to_have_text(
        "/imagine a paper boat --lora koda:0.8 --size 832x1216 --seed 99999999999 --steps 12"
    )
    await ana.button("Draw", form).click()
    await expect(form.locator("[data-field=seed] .trouble")).to_contain_text("it goes from 0 to")
    await form.get_by_label("Seed", exact=True).fill("5")
    await ana.button("Draw", form).click()
    await expect(form).to_have_count(0)
    message = ana.message("a paper boat, flmft style")
    await expect(message.locator(".picture.here")).to_be_visible(timeout=WAIT)
    assert await ana.natural_size(message) == (832, 1216)
    (sent,) = inputs(shared, "a paper boat, flmft style")
    assert (sent["seed"], sent["num_inference_steps"]) == (5, 12)
    assert [lora["scale"] for lora in sent["loras"]] == [0.8]
