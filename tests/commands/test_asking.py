"""Facts about what options become."""

from __future__ import annotations

import pytest

from bot.errors import BadRequest
from bot.images import MAX_SEED, ImageRequest, Size
from bot.pictures import Source
from commands.asking import Asked, ask, draw_seed, flags_of, once_more
from commands.grammar import parse, render
from commands.spec import Attachment
from tests.commands.house import YARN, House
from tests.doubles.backend import V2

PHOTO = Attachment("photo", "photo.png", 1000)


def want(home: House, prompt: str = "a fox", /, **options: object) -> Asked:
    return ask(home.easel, {"prompt": prompt, **options}, dice=lambda: 42)


def refusal(home: House, prompt: str = "a fox", /, **options: object) -> str:
    with pytest.raises(BadRequest) as caught:
        want(home, prompt, **options)
    return str(caught.value)


async def test_a_prompt_alone_has_the_models_own_settings(home: House) -> None:
    assert want(home).request == ImageRequest("a fox", Size(1024, 1024), 42)


async def test_options_and_flags_together(home: House) -> None:
    asked = want(
        home, "a fox --lora koda:0.5 --private --n 2", lora1="yarn:0.8", loras="owner/name", seed=7, size="832x1216"
    )
    request = asked.request
    assert [str(lora) for lora in request.loras] == ["yarn:0.8", "owner/name:1", "koda:0.5"]
    assert (request.seed, request.count, request.size) == (7, 2, Size(832, 1216))
    assert request.prompt == "a fox, yarn art style, flmft style"
    assert asked.private
    assert not asked.spoiler
    assert len(asked.notes) == 2


async def test_the_same_said_twice_has_to_agree(home: House) -> None:
    assert want(home, "a fox --seed 7", seed=7).request.seed == 7
    assert "You say seed twice: 8 as an option and 7 in the prompt" in refusal(home, "a fox --seed 7", seed=8)
    assert "no as an option and yes in the prompt" in refusal(home, "a fox --private", private=False)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 832, "height": 1216}, "832×1216"),
        ({"width": 832}, "832×1024"),
        ({"height": 640}, "1024×640"),
        ({"size": "1344x768"}, "1344×768"),
    ],
)
async def test_the_size(home: House, options: dict[str, object], size: str) -> None:
    assert str(want(home, **options).request.size) == size


async def test_size_and_width_exclude_each_other(home: House) -> None:
    assert "either size, or width and height" in refusal(home, size="832x1216", width=512)
    assert "either size, or width and height" in refusal(home, "a fox --ar 16:9", height=512)


@pytest.mark.parametrize(
    ("options", "tip"),
    [
        ({"width": 100}, "width is 100; it goes from 512 to 1536"),
        ({"count": 9}, "count is 9; it goes from 1 to 4"),
        ({"seed": -1}, "seed is -1; it goes from 0 to 9999999999"),
        ({"seed": 10**10}, "it goes from 0 to 9999999999"),
        ({"steps": 0}, "steps is 0"),
        ({"guidance": 11.0}, "guidance is 11"),
        ({"strength": 2.0}, "strength is 2"),
        ({"steps": "many"}, "steps is a number"),
        ({"mask": PHOTO}, "add the picture as `image`"),
        ({"image": Attachment("x", "x", 21 * 1024 * 1024)}, "The image has 21 MB; 20 MB is the most"),
    ],
)
async def test_what_is_out_of_range_is_said(home: House, options: dict[str, object], tip: str) -> None:
    assert tip in refusal(home, **options)


async def test_an_empty_or_too_long_prompt_is_said(home: House) -> None:
    assert "the prompt is empty" in refusal(home, "--seed 7")
    assert "2,001 characters; 2,000 is the most" in refusal(home, "x" * 2001)


async def test_seeds_are_drawn_within_what_both_versions_take(home: House) -> None:
    assert len({draw_seed() for _ in range(50)}) == 50
    assert all(0 <= draw_seed() <= MAX_SEED for _ in range(50))


@pytest.mark.parametrize(
    ("source", "options", "size"),
    [
        (Size(832, 1216), {}, "832×1216"),
        (Size(1001, 700), {}, "1008×704"),
        (Size(300, 300), {}, "1024×1024"),
        (Size(1536, 400), {}, "1536×512"),
        (Size(400, 1536), {}, "512×1536"),
        (Size(1200, 800), {"width": 768}, "768×512"),
        (Size(800, 1200), {"height": 1200}, "800×1200"),
        (Size(1200, 800), {"size": "1024x1024"}, "1024×1024"),
        (Size(1200, 800), {"width": 600, "height": 600}, "600×600"),
    ],
)
async def test_a_source_gives_its_shape_unless_a_size_is_said(
    home: House, source: Size, options: dict[str, object], size: str
) -> None:
    asked = want(home, image=PHOTO, **options)
    request = asked.drawn_from(Source("name", source, source), None, home.easel)
    assert str(request.size) == size
    assert request.image == "name"


async def test_once_more_is_the_same_with_a_new_seed(home: House) -> None:
    before = ImageRequest("a fox", Size(832, 1216), 1, (YARN,), steps=20, image="kept.png")
    after = once_more(home.easel, before, dice=lambda: 9)
    assert (after.seed, after.prompt, after.loras, after.image) == (9, "a fox", (YARN,), "kept.png")


async def test_once_more_obeys_rules_that_became_stricter(home: House) -> None:
    from bot.images import Lora

    before = ImageRequest("a fox", Size(832, 1216), 1, (Lora("owner/name"),))
    assert once_more(home.easel, before).loras
    home.set(lora_paths="library")
    with pytest.raises(BadRequest, match="/lora list"):
        once_more(home.easel, before)


async def test_the_checker_is_the_operators_choice(home: House) -> None:
    home.set(safety_checker=False)
    assert not want(home).request.safety


async def test_the_flags_of_a_request_ask_for_it_again(home: House) -> None:
    request = want(home, "a fox, yarn art style", lora1="yarn:0.8", size="832x1216", steps=20, guidance=4.5).request
    text = render(request.prompt, flags_of(home.easel, request))
    assert text.endswith("--size 832x1216 --n 1 --seed 42 --steps 20 --guidance 4.5 --lora yarn:0.8")
    typed = parse(text, V2)
    assert ask(home.easel, {"prompt": text}).request == request
    assert typed.prompt == request.prompt
