"""Facts about LoRAs as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadRequest
from bot.images import Lora
from bot.library import Library
from commands.lora_names import Paths, resolve, split, with_triggers, written
from tests.doubles.backend import V2

LIBRARY = Library.load()


def read(*texts: str, paths: Paths = "huggingface") -> tuple[Lora, ...]:
    return resolve(texts, LIBRARY, paths, V2)


def refusal(*texts: str, paths: Paths = "huggingface") -> str:
    with pytest.raises(BadRequest) as caught:
        read(*texts, paths=paths)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("yarn", ["yarn"]),
        ("yarn:0.8, koda ; owner/name:1\nlogo", ["yarn:0.8", "koda", "owner/name:1", "logo"]),
        ("yarn:0,8", ["yarn:0.8"]),
        ("yarn:0,8,koda:1,koda2", ["yarn:0.8", "koda:1", "koda2"]),
        (" , ,", []),
    ],
)
def test_a_list_is_split(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_a_name_brings_its_path_and_usual_weight() -> None:
    assert read("Realism", "yarn:0.5") == (
        Lora("XLabs-AI/flux-RealismLora", 0.8, "realism"),
        Lora("linoyts/yarn_art_Flux_LoRA", 0.5, "yarn"),
    )


def test_a_path_of_the_library_is_its_entry() -> None:
    assert read("linoyts/yarn_art_Flux_LoRA:2", paths="library")[0].name == "yarn"


@pytest.mark.parametrize(
    "text",
    ["owner/name:0.7", "https://huggingface.co/owner/name:0.7", "huggingface.co/owner/name/:.7",
     "https://hf.co/owner/name/tree/main:0.7"],
)  # fmt: skip
def test_a_repository_is_taken_where_it_may(text: str) -> None:
    assert read(text) == (Lora("owner/name", 0.7),)
    assert "/lora list" in refusal(text, paths="library")


def test_an_address_is_taken_only_where_any_is_allowed() -> None:
    address = "https://example.com/files/ink.safetensors"
    assert read(f"{address}:0.6", paths="any") == (Lora(address, 0.6, "ink"),)
    assert "by address" in refusal(address)
    assert "by address" in refusal(address, paths="library")
    assert "begins with https" in refusal("http://example.com/ink.safetensors", paths="any")


@pytest.mark.parametrize("paths", ["library", "huggingface", "any"])
@pytest.mark.parametrize(
    "text",
    ["/etc/passwd", "../x", "./x/y", "~/x", "C:\\loras\\x", "a/b/c", "a/../b", "owner/..", "file:///x", "x.safetensors",
     "..", "a b", "s3://bucket/x", "javascript:alert(1)", "data:text/plain,x", "//host/share", "\\\\host\\share"],
)  # fmt: skip
def test_files_and_other_schemes_are_never_taken(text: str, paths: Paths) -> None:
    refusal(text, paths=paths)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert "Did you mean yarn?" in refusal("yran")
    assert "/lora list shows all" in refusal("qqqq")


@pytest.mark.parametrize(
    ("text", "tip"),
    [
        ("yarn:9", "weight of yarn is 9; it goes from 0 to 4"),
        ("owner/name:4.5", "from 0 to 4"),
        ("yarn:high", "e.g. yarn:0.8, not “high”"),
        ("yarn:-1", "not “-1”"),
        ("yarn:nan", "not “nan”"),
    ],
)
def test_a_bad_weight_is_said(text: str, tip: str) -> None:
    assert tip in refusal(text)


def test_the_same_lora_twice_is_one_and_two_weights_are_refused() -> None:
    assert len(read("yarn:0.8", "linoyts/yarn_art_Flux_LoRA:0.8", "YARN:0.80")) == 1
    assert "different weights" in refusal("yarn:0.8", "yarn:0.9")


def test_too_many_are_refused() -> None:
    assert "6 LoRAs are too many; this model takes up to 5" in refusal(*(f"owner/name{n}" for n in range(6)))
    assert len(read(*(f"owner/name{n}" for n in range(5)))) == 5


@given(st.text(max_size=80))
def test_no_text_crashes_it_or_gets_a_path_through_unchecked(text: str) -> None:
    for paths in ("library", "huggingface", "any"):
        try:
            loras = read(*split(text), paths=paths)
        except BadRequest:
            continue
        for lora in loras:
            known = LIBRARY.find(lora.path) is not None
            assert known or (paths != "library" and "/" in lora.path and not lora.path.startswith(("/", ".")))


@given(st.sampled_from([*(entry.name for entry in LIBRARY.entries), "owner/name"]), st.integers(0, 400))
def test_what_is_written_is_read_back(name: str, hundredths: int) -> None:
    lora = read(f"{name}:{hundredths / 100:g}")[0]
    assert read(written(lora, LIBRARY)) == (lora,)


# ---- trigger words ----


def test_missing_trigger_words_are_added_and_said() -> None:
    prompt, notes = with_triggers("a red fox, ", read("yarn", "logo"), LIBRARY)
    assert prompt == "a red fox, yarn art style, wablogo, logo, Minimalist"
    assert notes == ("Added for yarn: yarn art style", "Added for logo: wablogo, logo, Minimalist")


@pytest.mark.parametrize("prompt", ["Yarn Art Style fox", "a fox, yarn  art\nstyle.", "(yarn art style)"])
def test_trigger_words_that_are_there_are_left_alone(prompt: str) -> None:
    assert with_triggers(prompt, read("yarn"), LIBRARY) == (prompt, ())


def test_only_whole_words_count() -> None:
    prompt, _ = with_triggers("a logomotive", read("logo"), LIBRARY)
    assert prompt == "a logomotive, wablogo, logo, Minimalist"


def test_a_lora_of_weight_zero_and_one_without_triggers_add_nothing() -> None:
    assert with_triggers("a fox", read("yarn:0", "realism", "owner/name"), LIBRARY) == ("a fox", ())


def test_a_prompt_that_grows_too_long_is_refused_with_how_much() -> None:
    with pytest.raises(BadRequest, match=r"2,012 characters; 2,000 is the most. Please shorten it by 12\."):
        with_triggers("x" * 1996, read("yarn"), LIBRARY)
