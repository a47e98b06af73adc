"""A picture to start from, and the mask that is painted on it: by pointer, by touch, by keyboard."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.playground import Playground
from tests.browser.visitor import WAIT, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHITE, BLACK = 255, 0


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.png"
    Image.new("RGB", (800, 600), "teal").save(path)
    return path


def sent_mask(easel: Playground) -> Image.Image:
    """As it arrived at the image API, last of all uploads."""
    data = easel.simulator.uploads[-1].data
    assert data is not None
    with Image.open(io.BytesIO(data)) as found:
        return found.convert("L")


def at(mask: Image.Image, x: float, y: float) -> int:
    """The mask's value at a place in shares of its sides."""
    value = mask.getpixel((int(x * mask.width), int(y * mask.height)))
    assert isinstance(value, int)
    return value


async def add(person: Visitor, photo: Path) -> None:
    await person.page.locator("#file").set_input_files(photo)
    await expect(person.page.get_by_role("group", name="Picture to start from: harbour.png")).to_contain_text("800×600")


async def stroke(person: Visitor, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place of the picture to another, both in shares of its sides."""
    box = await person.page.locator(".paint").bounding_box()
    assert box is not None
    mouse = person.page.mouse
    await mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    await mouse.down()
    await mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=6)
    await mouse.up()


async def lined(person: Visitor, photo: Path) -> None:
    """The picture and a mask with one line on it are added."""
    await add(person, photo)
    await person.button("Paint a mask").click()
    await stroke(person, (0.1, 0.2), (0.9, 0.2))
    await person.button("Use this mask").click()
    await expect(person.page.get_by_role("group", name="Mask")).to_be_visible()


async def edited(person: Visitor, prompt: str) -> None:
    """Draws from the picture and the mask that were added, once they are."""
    await expect(person.dialog).to_have_count(0)
    await expect(person.page.get_by_role("group", name="Mask")).to_be_visible()
    await person.drawn(f"/edit {prompt}", prompt)


async def test_what_was_painted_arrives_white_and_the_rest_black_in_the_picture_s_size(
    visit: Visit, shared: Playground, photo: Path
) -> None:
    ana = await visit()
    await add(ana, photo)
    await ana.button("Paint a mask").click()
    await expect(ana.button("Use this mask")).to_be_disabled()
    await stroke(ana, (0.2, 0.5), (0.8, 0.5))
    await ana.button("Use this mask").click()
    await expect(ana.page.get_by_role("group", name="Mask")).to_be_visible()
    await edited(ana, "a ship in the harbour")
    mask = sent_mask(shared)
    assert mask.size == (800, 600)
    assert set(mask.tobytes()) == {WHITE, BLACK}
    assert [at(mask, x, 0.5) for x in (0.2, 0.5, 0.8)] == [WHITE] * 3
    assert [at(mask, x, y) for x, y in ((0.5, 0.1), (0.5, 0.9), (0.02, 0.5), (0.98, 0.5))] == [BLACK] * 4
    await expect(ana.page.locator("#attached")).to_be_hidden()


async def test_erase_undo_redo_invert_and_clear(visit: Visit, shared: Playground, photo: Path) -> None:
    ana = await visit()
    await add(ana, photo)
    await ana.button("Paint a mask").click()
    await stroke(ana, (0.1, 0.3), (0.9, 0.3))
    await ana.button("Erase").click()
    await stroke(ana, (0.6, 0.1), (0.6, 0.9))
    await ana.button("Brush").click()
    await stroke(ana, (0.1, 0.8), (0.9, 0.8))
    await ana.page.keyboard.press("Control+z")
    await ana.button("Undo").click()
    await ana.button("Redo").click()
    await ana.button("Invert").click()
    await ana.button("Use this mask").click()
    await edited(ana, "all but the line")
    mask = sent_mask(shared)
    assert at(mask, 0.3, 0.3) == BLACK
    assert at(mask, 0.6, 0.3) == WHITE
    assert at(mask, 0.3, 0.8) == WHITE
    await add(ana, photo)
    await ana.button("Paint a mask").click()
    await stroke(ana, (0.1, 0.3), (0.9, 0.3))
    await ana.button("Clear").click()
    await expect(ana.button("Use this mask")).to_be_disabled()


async def test_a_mask_is_painted_by_keyboard_alone(visit: Visit, shared: Playground, photo: Path) -> None:
    ana = await visit()
    await add(ana, photo)
    await ana.button("Paint a mask").focus()
    keyboard = ana.page.keyboard
    await keyboard.press("Enter")
    await expect(ana.page.locator(".paint")).to_be_focused()
    for key in ("Shift+ArrowLeft", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "Space", "ArrowDown"):
        await keyboard.press(key)
    await expect(ana.page.locator("#live")).to_have_text(re.compile("Brush up, 60 % from left, 50 % from top"))
    for _ in range(6):
        if await ana.button("Use this mask").evaluate("it => it === document.activeElement"):
            break
        await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(ana.page.get_by_role("group", name="Mask")).to_be_visible()
    await edited(ana, "painted with keys")
    mask = sent_mask(shared)
    assert [at(mask, x, 0.5) for x in (0.42, 0.5, 0.58)] == [WHITE] * 3
    assert [at(mask, x, 0.5) for x in (0.1, 0.9)] == [BLACK] * 2


async def test_a_mask_is_painted_by_finger(visit: Visit, shared: Playground, photo: Path) -> None:
    ana = await visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    await add(ana, photo)
    await ana.button("Paint a mask").tap()
    box = await ana.page.locator(".paint").bounding_box()
    assert box is not None
    await ana.page.touchscreen.tap(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    await ana.button("Use this mask").tap()
    await edited(ana, "one dot")
    mask = sent_mask(shared)
    assert at(mask, 0.25, 0.25) == WHITE
    assert at(mask, 0.75, 0.75) == BLACK


async def test_a_mask_is_changed_later_and_a_reload_keeps_both(visit: Visit, shared: Playground, photo: Path) -> None:
    ana = await visit()
    await lined(ana, photo)
    await ana.field.fill("/edit two lines")
    await ana.reload()
    await expect(ana.field).to_have_value("/edit two lines")
    await ana.button("Change the mask").click()
    await stroke(ana, (0.1, 0.7), (0.9, 0.7))
    await ana.button("Use this mask").click()
    await edited(ana, "two lines")
    mask = sent_mask(shared)
    assert [at(mask, 0.5, y) for y in (0.2, 0.45, 0.7)] == [WHITE, BLACK, WHITE]


async def test_what_is_sent_as_the_editor_closes_takes_the_new_mask(
    visit: Visit, shared: Playground, photo: Path
) -> None:
    ana = await visit()
    await lined(ana, photo)
    await ana.field.fill("/edit a second line")
    await ana.button("Change the mask").click()
    await stroke(ana, (0.1, 0.7), (0.9, 0.7))
    await ana.as_windows_close(
        """const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
           document.getElementById("say").dispatchEvent(enter);"""
    )
    await ana.button("Use this mask").click()
    await expect(ana.message("a second line").locator(".picture.here")).to_be_visible(timeout=WAIT)
    mask = sent_mask(shared)
    assert [at(mask, 0.5, y) for y in (0.2, 0.45, 0.7)] == [WHITE, BLACK, WHITE]


async def test_a_picture_of_the_channel_is_edited_with_a_mask(visit: Visit, shared: Playground) -> None:
    ana = await visit()
    message = await ana.drawn("a green hill --size 832x640", "a green hill")
    await message.locator(".open").click()
    await ana.button("Paint a mask", ana.dialog).click()
    await expect(ana.page.locator(".paint")).to_be_visible()
    await stroke(ana, (0.5, 0.5), (0.6, 0.5))
    await ana.button("Use this mask").click()
    await edited(ana, "a tree on the hill")
    assert sent_mask(shared).size == (832, 640)


async def test_a_picture_is_dropped_and_pasted(visit: Visit, photo: Path) -> None:
    ana = await visit()
    drop = """async ([kind, target]) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 512 });
      canvas.getContext("2d").fillRect(0, 0, 640, 512);
      const blob = await new Promise(done => canvas.toBlob(done));
      const data = new DataTransfer();
      data.items.add(new File([blob], `${kind}.png`, { type: "image/png" }));
      const made = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true, cancelable: true })
                                    : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
      document.querySelector(target).dispatchEvent(made);
    }"""
    for kind in ("drop", "paste"):
        await ana.page.evaluate(drop, [kind, "#scroll"])
        chip = ana.page.get_by_role("group", name=f"Picture to start from: {kind}.png")
        await expect(chip).to_contain_text("640×512")
        await ana.button(f"Remove {kind}.png").click()
        await expect(chip).to_have_count(0)


async def test_what_is_no_picture_is_refused_at_once(visit: Visit, tmp_path: Path) -> None:
    ana = await visit()
    (tmp_path / "letter.txt").write_text("no picture")
    await ana.field.fill("keep me")
    await ana.page.locator("#file").set_input_files(tmp_path / "letter.txt")
    await expect(ana.trouble).to_contain_text("no picture")
    await expect(ana.field).to_have_value("keep me")


async def test_the_form_takes_a_picture_and_a_mask(visit: Visit, shared: Playground, photo: Path) -> None:
    ana = await visit()
    await ana.button("Draw with a form").click()
    form = ana.page.get_by_role("dialog", name="Draw")
    await ana.button("/edit", form).click()
    await form.locator("input[type=file]").set_input_files(photo)
    await ana.button("Paint a mask", form).click()
    await stroke(ana, (0.5, 0.2), (0.5, 0.8))
    await ana.button("Use this mask").click()
    await form.get_by_label("Prompt").fill("a mast")
    await form.get_by_text("Everything else").click()
    await form.get_by_label("Strength, exactly").fill("0.9")
    await ana.button("Draw", form).click()
    await expect(form).to_have_count(0)
    await expect(ana.message("a mast").locator(".picture.here")).to_be_visible(timeout=WAIT)
    assert shared.simulator.submits[-1].inputs["strength"] == 0.9
    assert at(sent_mask(shared), 0.5, 0.5) == WHITE
