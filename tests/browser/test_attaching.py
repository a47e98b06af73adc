"""The picture to start from while it is still being handed in: what comes back late, and what fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.playground import Playground
from tests.browser.test_drawing import inputs
from tests.browser.visitor import WAIT, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Uploads:
    """Holds back what a page asks for: each of these goes on, or fails, when it is told so."""

    def __init__(self) -> None:
        self.held: list[Route] = []

    async def hold(self, person: Visitor) -> None:
        await person.page.route("**/api/uploads", self.hold_back)

    async def hold_back(self, route: Route) -> None:
        self.held.append(route)

    async def come(self, count: int) -> None:
        async with asyncio.timeout(8):
            while len(self.held) < count:
                await asyncio.sleep(0.01)


def picture(folder: Path, name: str, width: int, height: int) -> Path:
    Image.new("RGB", (width, height), "teal").save(folder / name)
    return folder / name


async def choose(person: Visitor, file: Path) -> None:
    await person.page.locator("#file").set_input_files(file)


async def test_of_two_pictures_the_later_one_stays_whichever_is_handed_in_first(visit: Visit, tmp_path: Path) -> None:
    ana, uploads = await visit(), Uploads()
    await uploads.hold(ana)
    await choose(ana, picture(tmp_path, "first.png", 640, 480))
    await uploads.come(1)
    await choose(ana, picture(tmp_path, "second.png", 800, 600))
    await uploads.come(2)
    for route in reversed(uploads.held):
        async with ana.page.expect_response("**/api/uploads"):
            await route.continue_()
    await expect(ana.page.locator("#attached")).to_contain_text("800×600")
    await expect(ana.page.locator("#attached")).not_to_contain_text("first.png")


async def test_what_was_removed_while_it_was_handed_in_stays_away(visit: Visit, tmp_path: Path) -> None:
    ana, uploads = await visit(), Uploads()
    await uploads.hold(ana)
    await choose(ana, picture(tmp_path, "harbour.png", 640, 480))
    await uploads.come(1)
    await ana.button("Remove harbour.png").click()
    async with ana.page.expect_response("**/api/uploads"):
        await uploads.held[0].continue_()
    await ana.reload()
    await expect(ana.page.locator("#attached")).to_be_hidden()


async def test_a_mask_whose_picture_was_removed_meanwhile_is_not_sent(
    visit: Visit, shared: Playground, tmp_path: Path
) -> None:
    ana, uploads = await visit(), Uploads()
    await choose(ana, picture(tmp_path, "harbour.png", 640, 480))
    await ana.button("Paint a mask").click()
    await ana.page.locator(".paint").click()
    await uploads.hold(ana)
    await ana.button("Use this mask").click()
    await uploads.come(1)
    await ana.button("Remove harbour.png").click()
    async with ana.page.expect_response("**/api/uploads"):
        await uploads.held[0].continue_()
    await ana.drawn("a harbour without a mask")
    (sent,) = inputs(shared, "a harbour without a mask")
    assert not sent.get("mask_image")


async def test_a_picture_that_easel_cant_read_is_told_and_what_was_there_before_stays(
    visit: Visit, tmp_path: Path
) -> None:
    ana = await visit()
    attached = ana.page.locator("#attached")
    await choose(ana, picture(tmp_path, "before.png", 640, 480))
    await expect(attached).to_contain_text("640×480")
    await choose(ana, picture(tmp_path, "harbour.bmp", 800, 600))
    await expect(ana.trouble).to_contain_text("PNG")
    await expect(attached).to_contain_text("before.png")
    (tmp_path / "notes.txt").write_text("none")
    await choose(ana, tmp_path / "notes.txt")
    await expect(ana.trouble).to_contain_text("That is no picture that I can read")
    await expect(attached).to_contain_text("before.png")


async def test_a_line_that_waits_for_a_picture_is_not_sent_when_a_later_one_fails(
    visit: Visit, shared: Playground, tmp_path: Path
) -> None:
    ana, uploads = await visit(), Uploads()
    await uploads.hold(ana)
    await choose(ana, picture(tmp_path, "first.png", 640, 480))
    await uploads.come(1)
    await ana.say("a harbour in a hurry")
    await choose(ana, picture(tmp_path, "second.png", 800, 600))
    await uploads.come(2)
    ana.offline = True
    await uploads.held[1].abort()
    await expect(ana.page.locator("#attached")).to_be_hidden()
    async with ana.page.expect_response("**/api/uploads"):
        await uploads.held[0].continue_()
    await expect(ana.trouble).to_contain_text("Nothing was sent.")
    await expect(ana.field).to_be_editable()
    assert inputs(shared, "a harbour in a hurry") == []


async def test_what_is_added_while_a_line_is_sent_is_for_the_next_one(visit: Visit, tmp_path: Path) -> None:
    ana, sent = await visit(), Uploads()
    await choose(ana, picture(tmp_path, "first.png", 640, 480))
    await expect(ana.page.locator("#attached")).to_contain_text("640×480")
    await ana.page.route("**/api/say", sent.hold_back)
    await ana.say("/edit a first harbour")
    await sent.come(1)
    await choose(ana, picture(tmp_path, "second.png", 800, 600))
    await expect(ana.page.locator("#attached")).to_contain_text("800×600")
    await sent.held[0].continue_()
    await expect(ana.field).to_have_value("")
    await expect(ana.page.locator("#attached")).to_contain_text("second.png")


async def test_a_mask_that_could_not_be_added_leaves_the_one_of_before(visit: Visit, tmp_path: Path) -> None:
    ana, uploads = await visit(), Uploads()
    await choose(ana, picture(tmp_path, "harbour.png", 640, 480))
    mask = ana.page.get_by_role("group", name="Mask")
    for name in ("Paint a mask", "Change the mask"):
        await ana.button(name).dblclick()
        await expect(ana.dialog).to_have_count(1)
        await ana.page.locator(".paint").click()
        await ana.button("Use this mask").click()
        if name == "Change the mask":
            await uploads.come(1)
            ana.offline = True
            await uploads.held[0].abort()
            await expect(ana.trouble).to_be_visible()
        await expect(mask).to_be_visible()
        await uploads.hold(ana)


async def test_a_line_is_not_sent_when_the_picture_that_it_waits_for_fails(
    visit: Visit, shared: Playground, tmp_path: Path
) -> None:
    ana, uploads = await visit(), Uploads()
    await choose(ana, picture(tmp_path, "before.png", 640, 480))
    await expect(ana.page.locator("#attached")).to_contain_text("640×480")
    await uploads.hold(ana)
    await choose(ana, picture(tmp_path, "harbour.png", 800, 600))
    await uploads.come(1)
    await ana.say("a harbour that waits")
    ana.offline = True
    await uploads.held[0].abort()
    await expect(ana.trouble).to_be_visible()
    await expect(ana.trouble).to_contain_text("Nothing was sent.")
    await expect(ana.field).to_have_value("a harbour that waits")
    await expect(ana.page.locator("#attached")).to_contain_text("before.png")
    assert inputs(shared, "a harbour that waits") == []
    await ana.page.unroute("**/api/uploads")
    await ana.field.press("Enter")
    await expect(ana.message("a harbour that waits").locator(".picture.here")).to_be_visible(timeout=WAIT)


async def test_a_picture_that_nobody_answers_for_stays_added_and_one_that_is_gone_does_not(
    visit: Visit, tmp_path: Path
) -> None:
    ana, uploads = await visit(), Uploads()
    await choose(ana, picture(tmp_path, "harbour.png", 640, 480))
    await expect(ana.page.locator("#attached")).to_contain_text("640×480")
    ana.offline = True
    await ana.page.route("**/api/uploads/*", uploads.hold_back)
    await ana.page.reload(wait_until="domcontentloaded")
    for count in (1, 2):  # as a picture, and once more to know why it did not come
        await uploads.come(count)
        await uploads.held[-1].abort()
    await ana.button("Remove harbour.png").focus()
    await expect(ana.page.locator("#attached")).to_contain_text("harbour.png")
    await expect(ana.trouble).to_be_hidden()
    await ana.page.reload(wait_until="domcontentloaded")
    for count in (3, 4):
        await uploads.come(count)
        await uploads.held[-1].fulfill(status=404)
    await expect(ana.trouble).to_contain_text("no longer kept")
    await expect(ana.page.locator("#attached")).to_be_hidden()
