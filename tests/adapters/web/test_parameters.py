from __future__ import annotations

import pytest

from adapters.web.parameters import command_line
from bot.cards import infotext
from bot.images import ImageRequest, Lora, Size
from commands.grammar import parse
from tests.doubles.backend import CAPABILITIES


def test_our_own_text_comes_back_whole() -> None:
    loras = (Lora("owner/yarn", 0.8, "yarn"), Lora("owner/other", 1.5))
    asked = ImageRequest("a red fox,\nin the snow", Size(128, 64), 7, loras, steps=20, guidance=4.5)
    line = command_line(infotext(asked, "painted"), CAPABILITIES)
    typed = parse(line.removeprefix("/imagine "), CAPABILITIES)
    assert typed.prompt == "a red fox, in the snow"
    assert typed.options == {
        "size": "128x64",
        "seed": 7,
        "steps": 20,
        "guidance": 4.5,
        "loras": "yarn:0.8, owner/other:1.5",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a fox", "/imagine a fox"),
        ("", ""),
        ("<lora:yarn:1>", ""),
        (
            "a fox\nNegative prompt: a dog\nSteps: 20, Sampler: Euler, Seed: 5, Size: 64x64",
            "/imagine a fox --size 64x64 --seed 5 --steps 20",
        ),
        ("a fox <lora:yarn:0.7:0.3> runs\nSteps: 20", "/imagine a fox runs --steps 20 --lora yarn:0.7"),
        ("a fox\nSteps: 999, Seed: -1, Size: 9x9, CFG scale: nan", "/imagine a fox"),
        ('a fox\nSteps: 20, Lora hashes: "a: 1, Seed: 9", Seed: 8', "/imagine a fox --seed 8 --steps 20"),
    ],
)
def test_others_texts_give_what_the_model_takes(text: str, line: str) -> None:
    assert command_line(text, CAPABILITIES) == line
