"""One channel in many windows, and through reloads and restarts: nothing is lost, and all see the same."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from adapters.wavespeed.faults import Script
from tests.browser.conftest import Visit
from tests.browser.playground import Playground
from tests.browser.visitor import WAIT

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_two_people_see_the_same_channel_live(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    await ana.say("a windmill")
    await expect(ben.message("a windmill")).to_be_visible()
    await expect(ben.message("a windmill").locator(".picture.here")).to_be_visible(timeout=WAIT)
    await expect(ana.message("a windmill").locator(".picture.here")).to_be_visible()
    seen = [await it.message("a windmill").locator("img").get_attribute("src") for it in (ana, ben)]
    assert seen[0] == seen[1]


async def test_a_private_picture_is_seen_by_the_one_who_asked_alone(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    await ana.drawn("a secret garden --private", "a secret garden")
    await expect(ana.message("a secret garden")).to_contain_text("Only you see this")
    await ben.drawn("an open field")
    await expect(ben.message("a secret garden")).to_have_count(0)
    await ben.page.get_by_role("link", name="Gallery").click()
    await expect(ben.page.locator(".grid li", has_text="an open field")).to_have_count(1)
    await expect(ben.page.locator(".grid li", has_text="a secret garden")).to_have_count(0)
    source = await ana.message("a secret garden").locator("img").get_attribute("src")
    answer = await ben.page.request.get(f"{ben.easel.url}{source}")
    assert answer.status == 404


async def test_a_new_name_is_seen_in_all_windows_of_that_person_and_by_the_others(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    other = await ana.page.context.new_page()
    await other.goto(ana.easel.url)
    await expect(other.locator(".me-name")).not_to_be_empty()
    await ana.page.locator("#me").click()
    await ana.dialog.get_by_label("Your name").fill("Ana Lindqvist")
    await ana.button("Take it").click()
    await expect(ana.page.locator(".me-name")).to_have_text("Ana Lindqvist")
    await expect(other.locator(".me-name")).to_have_text("Ana Lindqvist")
    await expect(ana.dialog).to_have_count(0)
    await ana.say("a name tag")
    await expect(ben.message("a name tag").locator(".who")).to_have_text("Ana Lindqvist")
    await ana.reload()
    await expect(ana.page.locator(".me-name")).to_have_text("Ana Lindqvist")


async def test_a_reload_in_the_middle_keeps_the_job_and_what_was_being_typed(visit: Visit, shared: Playground) -> None:
    shared.simulator.script(Script(seconds=2.5), prompt="a patient turtle")
    ana = await visit()
    await ana.say("a patient turtle")
    await expect(ana.message("a patient turtle").locator(".card-title")).to_have_text(re.compile("Generating"))
    await ana.field.fill("the next thing --steps 1")
    await ana.reload()
    await expect(ana.field).to_have_value("the next thing --steps 1")
    await expect(ana.message("a patient turtle")).to_have_count(1)
    await expect(ana.message("a patient turtle").locator(".picture.here")).to_be_visible(timeout=WAIT)


async def test_who_comes_back_later_finds_everything_and_what_was_typed(visit: Visit) -> None:
    ana = await visit()
    await ana.drawn("a door left open")
    await ana.field.fill("half a sentence")
    await ana.page.close()
    ana.page = await ana.page.context.new_page()
    await ana.come()
    await expect(ana.message("a door left open").locator(".picture.here")).to_be_visible()
    await expect(ana.field).to_have_value("half a sentence")


async def test_a_reload_stays_where_one_was_reading(visit: Visit) -> None:
    ana = await visit(viewport={"width": 900, "height": 500})
    first = await ana.drawn("the first of several")
    for text in ("the second of several", "the third of several"):
        await ana.drawn(text)
    await expect(ana.messages.last).to_be_in_viewport()
    await first.scroll_into_view_if_needed()
    before = await first.bounding_box()
    await expect(ana.button("Newest")).to_be_visible()
    await ana.reload()
    await expect(first).to_be_in_viewport()
    after = await first.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 3
    await ana.button("Newest").click()
    await expect(ana.message("the third of several").locator(".action").first).to_be_in_viewport()


async def test_without_a_connection_it_says_so_and_catches_up_by_itself(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    ana.offline = True
    await ana.page.context.set_offline(True)
    await ana.say("sent from a tunnel")
    await expect(ana.trouble).to_contain_text("can’t be reached")
    await expect(ana.field).to_have_value("sent from a tunnel")
    await ben.drawn("meanwhile elsewhere")
    await ana.page.context.set_offline(False)
    await ana.field.press("Enter")
    await expect(ana.message("sent from a tunnel")).to_have_count(1)
    await expect(ana.message("meanwhile elsewhere").locator(".picture.here")).to_be_visible(timeout=WAIT)
    await expect(ana.message("sent from a tunnel")).to_have_count(1)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_restart_in_the_middle_loses_nothing(visit: Visit, shared: Playground, how: str) -> None:
    prompt = f"a phoenix ({how})"
    shared.simulator.script(Script(seconds=3.0), prompt=prompt)
    ana = await visit()
    await ana.say(prompt)
    await expect(ana.message(prompt).locator(".card-title")).to_have_text(re.compile("Generating"))
    ana.offline = True
    await (shared.stop() if how == "stop" else shared.kill())
    await expect(ana.page.locator("#offline")).to_be_visible()
    await ana.field.fill("typed while it was away")
    await shared.start()
    await expect(ana.page.locator("#offline")).to_be_hidden(timeout=WAIT)
    await expect(ana.message(prompt).locator(".picture.here")).to_be_visible(timeout=WAIT)
    await expect(ana.message(prompt)).to_have_count(1)
    await expect(ana.field).to_have_value("typed while it was away")
    assert len([it for it in shared.simulator.submits if it.inputs["prompt"] == prompt]) == 1


async def test_a_window_opened_in_the_background_gives_its_connection_back(visit: Visit) -> None:
    ana = await visit()
    page = await ana.page.context.new_page()
    await page.clock.install()
    await page.add_init_script(
        """Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
           window.streams = [];
           window.EventSource = class extends EventSource {
             constructor(address) { super(address); window.streams.push(this); }
           };"""
    )
    await page.goto(ana.easel.url)
    await expect(page.locator(".me-name")).not_to_be_empty()
    assert await page.evaluate("window.streams.map((it) => it.readyState)") == [1]
    await page.clock.fast_forward(11_000)
    assert await page.evaluate("window.streams.map((it) => it.readyState)") == [2]
