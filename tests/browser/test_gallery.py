"""What was made, to look through, and to make more from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from bot.pictures import parameters_of
from tests.browser.conftest import Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_is_filtered_by_words_by_lora_and_by_who_asked(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    await ana.drawn("a red kite --lora koda", "a red kite, flmft style")
    await ben.drawn("a red barn")
    await ana.page.get_by_role("link", name="Gallery").click()
    await expect(ana.page).to_have_url(re.compile("/gallery$"))
    prompts = ana.page.locator(".tile-prompt", has_text="a red ")  # others may have drawn here before
    await expect(prompts).to_have_text(["a red barn", "a red kite, flmft style"])
    await ana.page.get_by_label("Words in the prompt").fill("barn")
    await expect(prompts).to_have_text(["a red barn"])
    await ana.page.get_by_label("Words in the prompt").fill("")
    await expect(prompts).to_have_count(2)
    await ana.page.get_by_label("LoRA", exact=True).fill("kod")
    await ana.page.get_by_role("option", name=re.compile("^koda")).click()
    await expect(prompts).to_have_text(["a red kite, flmft style"])
    await ana.page.get_by_label("LoRA", exact=True).fill("")
    await expect(prompts).to_have_count(2)
    await ana.page.get_by_label("Mine only").check()
    await expect(prompts).to_have_text(["a red kite, flmft style"])
    await ana.page.get_by_label("Words in the prompt").fill("barn")
    await expect(ana.page.locator("#nothing")).to_have_text("No picture fits that.")


async def test_the_command_of_a_picture_is_copied_and_used(visit: Visit) -> None:
    ana = await visit(permissions=["clipboard-read", "clipboard-write"])
    await ana.drawn("a lone pine --seed 21", "a lone pine")
    await ana.page.get_by_role("link", name="Gallery").click()
    await ana.page.locator(".grid li", has_text="a lone pine").locator(".open").click()
    await ana.button("Copy command", ana.dialog).click()
    await expect(ana.button("Copied", ana.dialog)).to_be_visible()
    copied = await ana.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("/imagine a lone pine --size 1024x1024")
    assert "--seed 21" in copied
    await ana.button("Use command", ana.dialog).click()
    await expect(ana.field).to_have_value(copied)
    await expect(ana.field).to_be_focused()


async def test_a_downloaded_png_gives_its_command_back(visit: Visit, tmp_path: Path) -> None:
    ana = await visit()
    await ana.drawn("a stone bridge --seed 17 --size 832x640 --lora koda:0.7", "a stone bridge, flmft style")
    await ana.page.get_by_role("link", name="Gallery").click()
    await ana.page.locator(".grid li", has_text="a stone bridge").locator(".open").click()
    async with ana.page.expect_download() as started:
        await ana.dialog.get_by_role("link", name="Download").click()
    download = await started.value
    assert re.fullmatch(r"easel-[0-9a-z]+-1\.png", download.suggested_filename)
    kept = tmp_path / download.suggested_filename
    await download.save_as(kept)
    assert "Seed: 17" in (parameters_of(kept.read_bytes()) or "")
    await ana.page.keyboard.press("Escape")
    await ana.page.locator("#readfile").set_input_files(kept)
    await expect(ana.field).to_be_focused()
    line = await ana.field.input_value()
    assert line.startswith("/imagine a stone bridge")
    assert "--size 832x640" in line
    assert "--seed 17" in line
    assert "--lora koda:0.7" in line
    # In the channel it may be a source as well; its command is one press away there.
    await ana.field.fill("")
    await ana.page.locator("#file").set_input_files(kept)
    await ana.button("Take its command").click()
    await expect(ana.field).to_have_value(line)


async def test_a_picture_without_parameters_says_so(visit: Visit, tmp_path: Path) -> None:
    ana = await visit("/gallery")
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    await ana.page.locator("#readfile").set_input_files(tmp_path / "plain.png")
    await expect(ana.page.locator("#gallerytrouble")).to_be_visible()
    await expect(ana.page.locator("#gallerytrouble")).not_to_be_empty()


async def test_a_new_picture_appears_by_itself_and_the_browser_s_back_leads_to_the_channel(visit: Visit) -> None:
    ana, ben = await visit(), await visit()
    await ana.page.get_by_role("link", name="Gallery").click()
    await ben.drawn("fresh paint")
    await expect(ana.page.locator(".grid li", has_text="fresh paint")).to_be_visible()
    await ana.page.go_back()
    await expect(ana.message("fresh paint")).to_be_visible()


async def test_what_is_wrong_with_a_png_stays_said(visit: Visit, tmp_path: Path) -> None:
    ana, ben = await visit("/gallery"), await visit()
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    await ana.page.locator("#readfile").set_input_files(tmp_path / "plain.png")
    trouble = ana.page.locator("#gallerytrouble")
    await expect(trouble).to_contain_text("carries no parameters")
    await ben.drawn("a kettle on the hob")
    await expect(ana.page.locator(".tile-prompt", has_text="a kettle on the hob")).to_be_visible()
    await expect(trouble).to_contain_text("carries no parameters")


async def test_a_file_dropped_beside_its_place_does_not_replace_the_page(visit: Visit) -> None:
    ana = await visit()
    prevented = await ana.page.locator("header.top").evaluate(
        """(header) => ["dragover", "drop"].map((name) => {
             const dataTransfer = new DataTransfer();
             dataTransfer.items.add(new File(["x"], "a.png", { type: "image/png" }));
             return !header.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true }));
           })"""
    )
    assert prevented == [True, True]
