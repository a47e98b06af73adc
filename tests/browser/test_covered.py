"""Pictures that the safety check flagged: covered everywhere, until somebody asks for them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from adapters.wavespeed.faults import Script
from tests.browser.conftest import Visit
from tests.browser.playground import Playground

pytestmark = pytest.mark.asyncio(loop_scope="module")

COVERED = re.compile(r"\bcovered\b")


async def blurred(picture: Locator) -> bool:
    return "blur" in str(await picture.locator("img").evaluate("it => getComputedStyle(it).filter"))


async def test_a_flagged_picture_is_covered_until_it_is_asked_for(visit: Visit, shared: Playground) -> None:
    shared.simulator.script(Script(nsfw=[True]), prompt="a statue")
    ana = await visit()
    message = await ana.drawn("a statue")
    picture = message.locator(".picture")
    await expect(picture).to_have_class(COVERED)
    assert await blurred(picture)
    await expect(picture.locator("img")).to_have_attribute("alt", "")
    await expect(message).to_contain_text("the safety check flagged it")
    await message.get_by_role("button", name="Show covered picture 1").click()
    await expect(picture).not_to_have_class(COVERED)
    await expect(picture.locator("img")).to_have_css("filter", "none")
    await expect(picture.locator("img")).not_to_have_attribute("alt", "")


async def test_it_is_covered_in_the_gallery_too_and_shown_by_keyboard(visit: Visit, shared: Playground) -> None:
    shared.simulator.script(Script(nsfw=[True, False]), prompt="two statues")
    ana = await visit()
    await ana.drawn("two statues --n 2", "two statues")
    await ana.page.get_by_role("link", name="Gallery").click()
    tiles = ana.page.locator(".grid li", has_text="two statues")
    await expect(tiles).to_have_count(2)
    covered = tiles.filter(has=ana.page.locator(".covered"))
    await expect(covered).to_have_count(1)
    # The picture under the cover can't be reached, only the button that shows it.
    await expect(covered.locator(".open")).to_have_attribute("inert", "")
    await covered.get_by_role("button", name=re.compile("Show")).focus()
    await ana.page.keyboard.press("Enter")
    await expect(covered).to_have_count(0)
    await expect(tiles.locator(".open:focus")).to_have_count(1)


async def test_going_through_the_gallery_uncovers_nothing(visit: Visit, shared: Playground) -> None:
    shared.simulator.script(Script(nsfw=[True, False]), prompt="two gates")
    ana = await visit()
    await ana.drawn("two gates --n 2", "two gates")
    await ana.page.get_by_role("link", name="Gallery").click()
    tiles = ana.page.locator(".grid li", has_text="two gates")
    await tiles.locator(".picture:not(.covered) .open").click()
    await expect(ana.dialog.locator(".picture")).not_to_have_class(COVERED)
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):
        await ana.page.keyboard.press(key)
    seen = ana.dialog.locator(".picture")
    while "covered" not in str(await seen.get_attribute("class")):
        await ana.page.keyboard.press("ArrowRight")
    assert await blurred(seen)
    paint = ana.button("Paint a mask", ana.dialog)
    await expect(paint).to_be_hidden()  # it would be painted on the picture without its cover
    await ana.button("Show covered picture 1", ana.dialog).click()
    await expect(seen).not_to_have_class(COVERED)
    await expect(paint).to_be_visible()
