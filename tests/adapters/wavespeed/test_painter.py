"""The simulator's pictures."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageStat

from adapters.wavespeed.painter import MARK, Scene, encode, paint
from adapters.wavespeed.sim_media import padded

FOX = Scene("a red fox", 256, 192, seed=7)
YARN = "linoyts/yarn_art_Flux_LoRA"


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference per channel, 0..255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def source(colour: tuple[int, int, int], size: tuple[int, int] = (256, 192)) -> bytes:
    return encode(Image.new("RGB", size, colour), "png")


@pytest.mark.parametrize("size", [(512, 512), (513, 1536), (1536, 640), (257, 256)])
def test_a_picture_has_exactly_the_asked_size(size: tuple[int, int]) -> None:
    assert paint(replace(FOX, width=size[0], height=size[1])).size == size


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_a_picture_is_a_real_file_of_its_format(form: str) -> None:
    with Image.open(io.BytesIO(encode(paint(FOX), form))) as picture:
        picture.load()
        assert picture.format == form.upper()


def test_the_same_scene_gives_the_same_bytes() -> None:
    assert encode(paint(FOX), "png") == encode(paint(replace(FOX)), "png")


@pytest.mark.parametrize(
    "other",
    [
        replace(FOX, seed=8),
        replace(FOX, index=2),
        replace(FOX, prompt="a blue cat"),
        replace(FOX, loras=((YARN, 1.0),)),
    ],
    ids=["seed", "index", "prompt", "lora"],
)
def test_another_seed_index_prompt_or_lora_gives_another_picture(other: Scene) -> None:
    assert distance(paint(FOX), paint(other)) > 2


def test_a_lora_at_scale_zero_changes_nothing() -> None:
    assert distance(paint(FOX), paint(replace(FOX, loras=((YARN, 0.0),)))) == 0


def test_a_lora_shows_more_the_higher_its_scale() -> None:
    plain = paint(FOX)
    shown = [distance(plain, paint(replace(FOX, loras=((YARN, scale),)))) for scale in (0.2, 0.6, 1.5)]
    assert shown == sorted(shown)
    assert shown[0] > 0.5


def test_two_loras_leave_two_different_textures() -> None:
    yarn, ink = (paint(replace(FOX, loras=((path, 1.0),))) for path in (YARN, "someone/ink-sketch"))
    assert distance(yarn, ink) > 2


def test_every_picture_says_that_it_is_simulated() -> None:
    jpeg, png = (Image.open(io.BytesIO(encode(paint(FOX), form))) for form in ("jpeg", "png"))
    with jpeg, png:
        assert MARK in str(jpeg.info["comment"])
        assert png.info["Comment"] == MARK


def test_the_caption_darkens_the_lower_edge_and_writes_on_it() -> None:
    strip = paint(FOX).crop((0, 180, 256, 192)).convert("L")
    assert ImageStat.Stat(strip).mean[0] < 110
    assert max(strip.tobytes()) > 180


def test_black_in_the_mask_is_kept_to_the_pixel_and_white_is_repainted() -> None:
    mask = Image.new("L", (256, 192), 0)
    mask.paste(255, (128, 0, 256, 192))
    blue = source((10, 20, 200))
    picture = paint(replace(FOX, image=blue, mask=encode(mask, "png"), strength=1.0))
    assert picture.crop((0, 0, 128, 192)).getcolors() == [(128 * 192, (10, 20, 200))]
    repainted = picture.crop((128, 0, 256, 160))
    assert distance(repainted, paint(FOX).crop((128, 0, 256, 160))) == 0


def test_strength_is_how_far_the_source_is_left_behind() -> None:
    blue = source((10, 20, 200))
    plain = Image.new("RGB", (256, 160), (10, 20, 200))
    left = [
        distance(plain, paint(replace(FOX, image=blue, strength=strength)).crop((0, 0, 256, 160)))
        for strength in (0.0, 0.3, 0.8, 1.0)
    ]
    assert left[0] == 0
    assert left == sorted(left)
    assert left[1] > 5


def test_a_source_of_another_size_is_brought_to_the_asked_one() -> None:
    assert paint(replace(FOX, image=source((1, 2, 3), (90, 40)))).size == (256, 192)


@pytest.mark.parametrize("form", ["jpeg", "png"])
@pytest.mark.parametrize("least", [90_000, 3_000_000])
def test_padding_keeps_the_picture_and_reaches_the_size(form: str, least: int) -> None:
    data = encode(paint(FOX), form)
    heavy = padded(data, least)
    assert least <= len(heavy) < least + 100
    with Image.open(io.BytesIO(heavy)) as picture, Image.open(io.BytesIO(data)) as before:
        assert picture.tobytes() == before.tobytes()


def test_a_picture_that_is_heavy_enough_is_left_alone() -> None:
    data = encode(paint(FOX), "jpeg")
    assert padded(data, 10) == data


def test_a_very_long_prompt_fits_into_the_caption() -> None:
    assert paint(replace(FOX, prompt="word " * 400)).size == (256, 192)
