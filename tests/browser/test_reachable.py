"""By keyboard alone, by ear, by those who see little: axe-core looks at every view, and a person goes through them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Page, Route, expect

from adapters.wavespeed.faults import Script
from tests.browser.conftest import Visit
from tests.browser.playground import Playground
from tests.browser.visitor import WAIT, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

AXE = Axe()
WIDE, PHONE = {"width": 1100, "height": 860}, {"width": 360, "height": 740}
LOOKS = [("light", WIDE), ("dark", WIDE), ("light", PHONE), ("dark", PHONE)]


async def violations(page: Page) -> list[str]:
    """What axe-core finds, once nothing moves any more: a colour in the middle of a change is none to be judged."""
    await page.evaluate(
        """Promise.allSettled(document.getAnimations()
             .filter(it => it.effect.getTiming().iterations !== Infinity).map(it => it.finished))"""
    )
    found: Any = (await AXE.run(page)).response["violations"]
    return [f"{it['id']}: {node['target']} {node['failureSummary']}" for it in found for node in it["nodes"]]


async def clean(person: Visitor, view: str) -> None:
    assert not (found := await violations(person.page)), f"{view}: {found}"


@pytest.mark.parametrize(("scheme", "screen"), LOOKS, ids=[f"{scheme}-{screen['width']}" for scheme, screen in LOOKS])
async def test_axe_finds_no_violation_in_any_view(
    visit: Visit, shared: Playground, tmp_path: Path, scheme: str, screen: dict[str, int]
) -> None:
    ana = await visit(color_scheme=scheme, viewport=screen, reduced_motion="reduce")
    await clean(ana, "first visit")
    shared.simulator.script(Script(nsfw=[True, False]), prompt="two trees")
    await ana.drawn("two trees --n 2", "two trees")
    shared.simulator.script(Script(seconds=60), prompt="under way")
    await ana.say("under way")
    await expect(ana.message("under way").last.locator(".progress")).to_be_visible()
    await ana.say("/help")
    await expect(ana.notes.first).to_be_visible()
    await ana.field.fill("a fox --steps 99")
    await ana.field.press("Enter")
    await expect(ana.trouble).to_be_visible()
    await clean(ana, "channel with a covered picture, progress, a note and a mistake")
    await ana.button("Cancel", ana.message("under way").last).click()
    await ana.field.fill("/")
    await expect(ana.page.get_by_role("option").first).to_be_visible()
    await clean(ana, "commands to choose from")
    await ana.field.fill("")
    await ana.message("two trees").last.get_by_role("button", name=re.compile("^More")).click()
    await clean(ana, "menu of a message")
    await ana.page.keyboard.press("Escape")
    await ana.button("Edit prompt", ana.message("two trees").last).click()
    await clean(ana, "form that Easel asks")
    await ana.page.keyboard.press("Escape")
    await ana.page.locator("#me").click()
    await clean(ana, "name")
    await ana.page.keyboard.press("Escape")
    await ana.button("Draw with a form").click()
    await ana.dialog.get_by_text("Everything else").click()
    await clean(ana, "form to draw")
    await ana.page.keyboard.press("Escape")
    Image.new("RGB", (640, 512), "navy").save(tmp_path / "sea.png")
    await ana.page.locator("#file").set_input_files(tmp_path / "sea.png")
    await ana.button("Paint a mask").click()
    await clean(ana, "mask editor")
    await ana.page.keyboard.press("Escape")
    await clean(ana, "picture added")
    await ana.page.get_by_role("link", name="Gallery").click()
    await expect(ana.page.locator(".grid .picture").first).to_be_visible()
    await clean(ana, "gallery")
    await ana.page.locator(".grid .picture:not(.covered) .open").first.click()
    await clean(ana, "picture in full")


async def focused(page: Page) -> str:
    return str(
        await page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
        )
    )


async def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Goes on by Tab until something of this name has the focus."""
    seen = []
    for _ in range(60):
        if (await focused(page)).startswith(name):
            return
        seen.append(await focused(page))
        await page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{name} is not reached; only {seen}")


async def test_what_is_focused_as_a_window_closes_keeps_the_focus(visit: Visit) -> None:
    ana = await visit()
    message = await ana.drawn("a clay jug")
    await message.locator(".open").click()
    await ana.button("Use command", ana.dialog).click()
    await expect(ana.dialog).to_have_count(0)
    await expect(ana.field).to_be_focused()
    await ana.field.fill("")
    await ana.button("Edit prompt", message).click()
    await ana.as_windows_close('document.getElementById("say").focus();')
    await ana.button("Close", ana.dialog).click()
    await expect(ana.dialog).to_have_count(0)
    await expect(ana.field).to_be_focused()


async def test_from_the_first_word_to_the_last_button_by_keyboard_alone(visit: Visit) -> None:
    ana = await visit()
    keyboard = ana.page.keyboard
    await expect(ana.field).to_be_focused()
    await keyboard.type("/im")
    await keyboard.press("Tab")
    await keyboard.type("a wooden horse --st")
    await expect(ana.page.get_by_role("option", name=re.compile("^--steps"))).to_be_visible()
    await keyboard.press("Enter")
    await keyboard.type("4 --si")
    await keyboard.press("Enter")
    await expect(ana.page.get_by_role("option", name=re.compile("832x1216"))).to_be_visible()
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowDown")
    await expect(ana.page.get_by_role("option", selected=True)).to_contain_text("832x1216")
    await expect(ana.field).to_have_attribute("aria-activedescendant", re.compile("offers-1"))
    await keyboard.press("Enter")
    await expect(ana.field).to_have_value("/imagine a wooden horse --steps 4 --size 832x1216 ")
    await keyboard.press("Enter")
    message = ana.message("a wooden horse")
    await expect(message.locator(".picture.here")).to_be_visible(timeout=WAIT)
    assert await ana.natural_size(message) == (832, 1216)
    await tab_to(ana.page, "Details", back=True)
    await keyboard.press("Enter")
    await expect(ana.notes).to_have_count(1)
    await expect(ana.page.locator("#live")).to_have_text(re.compile("^Only you see this: Details"))
    await tab_to(ana.page, "Dismiss")
    await keyboard.press("Enter")
    await expect(ana.notes).to_have_count(0)
    # The focus stays near what went away, never at the top of the page.
    assert "a wooden horse" in str(await ana.page.evaluate("document.activeElement.textContent"))
    await tab_to(ana.page, "Edit prompt")
    await keyboard.press("Enter")
    await expect(ana.dialog).to_be_visible()
    await keyboard.press("Escape")
    await expect(ana.dialog).to_have_count(0)
    assert await focused(ana.page) == "Edit prompt"
    await keyboard.press("/")
    await expect(ana.field).to_be_focused()
    await expect(ana.page.get_by_role("option", selected=True)).to_contain_text("/imagine")
    await keyboard.press("Escape")
    await expect(ana.page.locator("#palette")).to_be_hidden()


async def test_a_completion_that_is_slow_never_takes_the_enter_that_sends(visit: Visit) -> None:
    ana = await visit()
    held = asyncio.Event()

    async def slow(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await ana.page.route("**/api/suggest**", slow)
    await ana.field.press_sequentially("a kettle --lora koda:0.8", delay=0)
    await ana.field.press("Enter")
    await expect(ana.message("a kettle, flmft style")).to_be_visible()
    held.set()
    await ana.page.unroute_all(behavior="wait")


async def test_every_picture_and_button_has_a_name(visit: Visit) -> None:
    ana = await visit()
    await ana.drawn("three bells --n 3", "three bells")
    nameless = await ana.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, textarea, img")]
          .filter(it => it.checkVisibility() && !it.closest('[inert]') && !(it.getAttribute("aria-label") || it.textContent.trim() || it.alt
            || it.labels?.length || it.querySelector?.("img[alt]:not([alt=''])")))
          .map(it => it.outerHTML)"""
    )
    assert nameless == []
