from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from adapters.slack import files
from adapters.slack.files import GRAIN, MAX_PICTURES, title, uploads
from bot.cards import Card, Shown
from bot.room import Room, on_disk

JOB = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def shown(tmp_path: Path, suffix: str = ".png", *, hidden: bool = False, size: tuple[int, int] = (200, 100)) -> Shown:
    path = tmp_path / f"{JOB}-1{suffix}"
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((10, 10), "secret", fill="black")
    image.save(path)
    return Shown(path, 1, hidden, "a fox", private=False)


async def test_png_and_jpeg_stay_as_they_are(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg"):
        it = shown(tmp_path, suffix)
        (made,) = await uploads(Card("x", pictures=(it,)))
        assert made.data == it.path.read_bytes()
        assert made.name == f"{JOB[10:16].lower()}-1{suffix}"


async def test_webp_becomes_png(tmp_path: Path) -> None:
    (made,) = await uploads(Card("x", pictures=(shown(tmp_path, ".webp"),)))
    assert made.name.endswith(".png")
    with Image.open(BytesIO(made.data)) as image:
        assert image.format == "PNG"


async def test_a_preview_holds_a_dozen_points_and_nothing_else(tmp_path: Path) -> None:
    (made,) = await uploads(Card("x", pictures=(shown(tmp_path, hidden=True, size=(800, 400)),)))
    with Image.open(BytesIO(made.data)) as image:
        assert (image.format, image.size) == ("JPEG", (512, 256))
        assert not image.getexif()
        small = image.convert("L").resize((GRAIN * 8, GRAIN * 4))
        back = small.resize((GRAIN, GRAIN // 2), Image.Resampling.BOX).resize(small.size, Image.Resampling.BICUBIC)
        pairs = zip(small.tobytes(), back.tobytes(), strict=True)
        assert max(abs(one - other) for one, other in pairs) < 40
    assert b"parameters" not in made.data


async def test_what_is_too_large_is_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST", 1500)
    it = shown(tmp_path, size=(300, 300))
    Image.effect_noise((300, 300), 80).save(it.path)
    (made,) = await uploads(Card("x", pictures=(it,)))
    assert made.name.endswith(".jpg")


def test_swept_pictures_are_left_out(tmp_path: Path) -> None:
    there = shown(tmp_path)
    gone = Shown(tmp_path / "gone.png", 2, False, "")
    assert on_disk(Card("x", pictures=(there, gone)), MAX_PICTURES).pictures == (there,)


def test_a_title_says_what_a_reader_needs(tmp_path: Path) -> None:
    assert title(shown(tmp_path)) == "a fox"
    assert title(shown(tmp_path, hidden=True)) == "a fox (covered)"
    assert title(Shown(tmp_path, 3, False, "")) == "Picture 3"
    assert len(title(Shown(tmp_path, 3, False, "x" * 900))) <= 150


async def test_memory_is_bounded_and_a_giant_goes_alone() -> None:
    room = Room(10)
    order: list[str] = []

    async def hold(name: str, size: int, until: asyncio.Event) -> None:
        async with room.hold(size):
            order.append(name)
            await until.wait()

    first, rest = asyncio.Event(), asyncio.Event()
    rest.set()
    one = asyncio.create_task(hold("one", 8, first))
    await asyncio.sleep(0)
    others = [asyncio.create_task(hold(name, size, rest)) for name, size in (("giant", 99), ("small", 1))]
    await asyncio.sleep(0.01)
    assert order == ["one", "small"]
    first.set()
    await asyncio.gather(one, *others)
    assert order == ["one", "small", "giant"]
