"""Facts about flags typed in a prompt."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.errors import BadRequest
from bot.images import MAX_SEED
from commands.grammar import Typed, parse, render
from tests.doubles.backend import V2


def options(text: str) -> dict[str, object]:
    return dict(parse(text, V2).options)


def refusal(text: str) -> str:
    with pytest.raises(BadRequest) as caught:
        parse(text, V2)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "it's a cat",
        "the cat's whiskers aren't long",
        "a cat -- the best one",
        "a fox—quick and red—jumps",
        "a fox – and a hen",
        "a fox —and a hen —with a hat",
        "high-res, 50-50, well--known",
        'a sign that says "--seed 7"',
        "a sign that says “--private”",
        "12\" vinyl and 24' rope, rock'n'roll",
        "  spaces  stay \n and lines ",
        "--",
        "---",
        "",
        "“unclosed and 'odd",
    ],
)
def test_text_without_flags_is_returned_as_it_is(text: str) -> None:
    assert parse(text, V2) == Typed(text, {})


def test_every_flag_is_read() -> None:
    text = (
        "a red fox --size 832x1216 --n 2 --seed 7 --steps 20 --guidance 4.5 --strength 0.5 "
        "--lora yarn:0.8 --lora owner/name --private --spoiler in the snow"
    )
    assert parse(text, V2) == Typed(
        "a red fox in the snow",
        {
            "size": "832x1216",
            "count": 2,
            "seed": 7,
            "steps": 20,
            "guidance": 4.5,
            "strength": 0.5,
            "loras": "yarn:0.8, owner/name",
            "private": True,
            "spoiler": True,
        },
    )


@pytest.mark.parametrize("dash", ["--", "—", "–", "——", "––", "-—"])
def test_typographic_dashes_count_as_two_hyphens(dash: str) -> None:
    assert parse(f"it's a cat {dash}seed 7", V2) == Typed("it's a cat", {"seed": 7})


@pytest.mark.parametrize(
    "sign", ["--seed=7", "--seed:7", "--seed 7", "--SEED 7", "--seed '7'", '--seed="7"', "--seed “7”"]
)
def test_a_value_follows_by_a_space_or_a_sign_and_may_be_quoted(sign: str) -> None:
    assert parse(f"a cat {sign}, asleep", V2) == Typed("a cat asleep", {"seed": 7})


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("16:9", "1360x768"),
        ("9:16", "768x1360"),
        ("1:1", "1024x1024"),
        ("3:2", "1248x832"),
        ("4:3", "1152x864"),
        ("3:1", "1536x512"),
        ("21x9", "1536x656"),
        ("2.39:1", "1536x640"),
    ],
)
def test_an_aspect_ratio_becomes_the_best_size_of_about_a_megapixel(ratio: str, size: str) -> None:
    assert options(f"x --ar {ratio}") == {"size": size}


@given(st.floats(1 / 3, 3))
def test_every_possible_ratio_gives_a_size_in_range_by_sixteen(ratio: float) -> None:
    width, height = map(int, str(options(f"x --ar {ratio:.4f}:1")["size"]).split("x"))
    assert width % 16 == height % 16 == 0
    assert width in V2.side
    assert height in V2.side
    assert abs(width / height / ratio - 1) < 0.04
    assert 0.7 < width * height / 1024**2 < 1.15


@pytest.mark.parametrize("name", ["square", "Portrait", "landscape", "TALL", "wide"])
def test_sizes_have_names(name: str) -> None:
    assert re.fullmatch(r"\d+x\d+", str(options(f"x --size {name}")["size"]))


def test_several_loras_may_follow_one_flag() -> None:
    assert parse("a fox --lora yarn:0.8, koda:0.5, in the snow", V2) == Typed(
        "a fox in the snow", {"loras": "yarn:0.8, koda:0.5"}
    )
    assert options("x --loras yarn,koda:1") == {"loras": "yarn,koda:1"}


def test_a_comma_after_a_lora_is_no_list_when_words_follow() -> None:
    assert parse("a fox --lora yarn, in the snow", V2) == Typed("a fox in the snow", {"loras": "yarn"})


@pytest.mark.parametrize(
    ("text", "tip"),
    [
        ("x --sede 7", "Did you mean --seed?"),
        ("x —sede 7", "Did you mean --seed?"),
        ("x --guidence 4", "Did you mean --guidance?"),
        ("x --zzz", "These work: --ar, --size"),
        ("x --steps 99", "from 1 to 50, not “99”"),
        ("x --steps many", "from 1 to 50, not “many”"),
        ("x --steps 2.5", "whole number from 1 to 50"),
        ("x --n 9", "from 1 to 4"),
        ("x --seed -1", "Leave it out for a random one"),
        ("x --seed random", "Leave it out for a random one"),
        ("x --seed 99999999999", "from 0 to 9999999999"),
        ("x --guidance nan", "from 0 to 10"),
        ("x --strength inf", "from 0 to 1"),
        ("x --ar 4:1", "up to 3:1"),
        ("x --ar wide", "looks like 16:9"),
        ("x --ar 0:1", "looks like 16:9"),
        ("x --size big", "Size looks like 1024x1024"),
        ("x --size 2000x1024", "goes from 512 to 1536"),
        ("x --seed", "needs a value, e.g. --seed 7"),
        ("x --seed --n 2", "needs a value"),
        ("x --lora", "needs a value, e.g. --lora yarn:0.8"),
        ("x --seed 1 --seed 2", "twice"),
        ("x --n 2 --count 3", "twice"),
        ("x --ar 16:9 --size 832x1216", "twice"),
        ("x --private=maybe", "=yes or =no"),
        ("x --no hands", "no negative prompt"),
        ("x --image cat.png", "`image` option"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(text: str, tip: str) -> None:
    assert tip in refusal(text)


def test_a_long_value_is_not_echoed_whole() -> None:
    assert len(refusal(f"x --seed {'9' * 3000}")) < 200
    assert len(refusal(f"x --{'q' * 3000} 1")) < 300


def test_switches_can_be_turned_off() -> None:
    assert options("x --private=no --spoiler=on") == {"private": False, "spoiler": True}


FLAGGY = st.text(st.one_of(st.characters(), st.sampled_from("-–—\"'“”‘’„=:,. \n")), max_size=60) | st.lists(
    st.sampled_from(
        [
            "--seed",
            "7",
            "--ar",
            "16:9",
            "—n",
            "2",
            "--",
            "“",
            "”",
            '"',
            "'",
            "it's",
            "--lora",
            "yarn:0.8,",
            "fox",
            "--private",
            "=",
            "--sede",
            "–seed",
            "--size=",
            "--n=2",
            ",",
            "--steps:5",
            "--no",
            "\t",
        ]
    ),
    max_size=12,
).map(" ".join)


@given(FLAGGY)
def test_no_text_crashes_it(text: str) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(parse(text, V2), Typed)


@given(st.text(st.characters(exclude_characters="-–—"), max_size=200))
def test_a_text_without_dashes_is_never_touched(text: str) -> None:
    assert parse(text, V2) == Typed(text, {})


LORA = st.from_regex(r"[a-z][a-z0-9_]{0,8}(:[0-3]\.[0-9])?|[a-z]{1,5}/[a-z]{1,5}", fullmatch=True)
SAID = st.fixed_dictionaries(
    {},
    optional={
        "size": st.builds(lambda w, h: f"{w}x{h}", st.integers(512, 1536), st.integers(512, 1536)),
        "width": st.integers(512, 1536),
        "count": st.integers(1, 4),
        "seed": st.integers(0, MAX_SEED),
        "steps": st.integers(1, 50),
        "guidance": st.integers(0, 100).map(lambda tenths: tenths / 10),
        "strength": st.floats(0, 1).map(lambda value: round(value, 3)),
        "loras": st.lists(LORA, min_size=1, max_size=4).map(", ".join),
        "private": st.booleans(),
        "spoiler": st.booleans(),
    },
)


@given(st.one_of(st.text(max_size=60), st.sampled_from(["it's a cat", 'a "big', "x -- y", "a —b"])), SAID)
def test_what_is_rendered_is_read_back(prompt: str, said: dict[str, object]) -> None:
    prompt = prompt.strip()
    try:
        assume(parse(prompt, V2) == Typed(prompt))
        assume(parse(f"{prompt} ", V2) == Typed(f"{prompt} "))
    except BadRequest:
        assume(False)
    assert parse(render(prompt, said), V2) == Typed(prompt, said)
