from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import BadRequest
from commands import CATALOGUE
from commands.spec import Attachment
from commands.typed import Line, read
from tests.commands.house import House

FOX, MASK = Attachment("1", "fox.png", 10), Attachment("2", "mask.png", 10)


def typed(home: House, text: str, *pictures: Attachment) -> Line:
    return read(text, home.easel, CATALOGUE, pictures)


@pytest.mark.parametrize(
    ("text", "command", "options"),
    [
        ("a red fox --ar 16:9", "imagine", {"prompt": "a red fox --ar 16:9"}),
        ("imagine a red fox", "imagine", {"prompt": "a red fox"}),
        ("/imagine a red fox", "imagine", {"prompt": "a red fox"}),
        ("", "imagine", {}),
        ("  ", "imagine", {}),
        ("imagine", "imagine", {}),
        ("help", "help", {}),
        ("HELP", "help", {}),
        ("/help", "help", {}),
        ("help me find a fox", "imagine", {"prompt": "help me find a fox"}),
        ("queue", "queue", {}),
        ("queue of penguins", "imagine", {"prompt": "queue of penguins"}),
        ("cancel", "cancel", {}),
        ("cancel k3f9ab", "cancel", {"id": "k3f9ab"}),
        ("cancel culture, a painting", "imagine", {"prompt": "cancel culture, a painting"}),
        ("show k3f9ab", "show", {"id": "k3f9ab"}),
        ("show #k3f9ab", "show", {"id": "k3f9ab"}),
        ("show", "show", {}),
        ("show me a dragon", "imagine", {"prompt": "show me a dragon"}),
        ("history", "history", {}),
        ("history k3f9ab", "history", {"before": "k3f9ab"}),
        ("history before: k3f9ab", "history", {"before": "k3f9ab"}),
        ("history --before k3f9ab", "history", {"before": "k3f9ab"}),
        ("history of Rome as a comic", "imagine", {"prompt": "history of Rome as a comic"}),
        ("lora", "lora list", {}),
        ("lora list", "lora list", {}),
        ("lora list soft wool", "lora list", {"search": "soft wool"}),
        ("lora list soft wool page: 2", "lora list", {"search": "soft wool", "page": 2}),
        ("lora info yarn", "lora info", {"name": "yarn"}),
        ("edit", "edit", {}),
        ("edit of a photo of a fox", "imagine", {"prompt": "edit of a photo of a fox"}),
        ("/etc/passwd as a still life", "imagine", {"prompt": "/etc/passwd as a still life"}),
        ("a sign: “show k3f9ab”", "imagine", {"prompt": "a sign: “show k3f9ab”"}),
    ],
)
def test_what_a_line_means(home: House, text: str, command: str, options: dict[str, object]) -> None:
    line = typed(home, text)
    assert (line.command.name, dict(line.options)) == (command, options)


def test_pictures_that_came_along_are_drawn_from(home: House) -> None:
    line = typed(home, "as a watercolour", FOX, MASK)
    assert (line.command.name, line.options) == ("imagine", {"prompt": "as a watercolour", "image": FOX, "mask": MASK})
    line = typed(home, "edit as a watercolour", FOX)
    assert (line.command.name, line.options) == ("edit", {"prompt": "as a watercolour", "image": FOX})


def test_it_says_what_is_lacking(home: House) -> None:
    assert typed(home, "").lacks == ("prompt",)
    assert typed(home, "show").lacks == ("id",)
    assert typed(home, "edit").lacks == ("image", "prompt")
    assert typed(home, "help").lacks == ()


def test_a_wrong_value_is_refused_at_its_option(home: House) -> None:
    with pytest.raises(BadRequest) as refused:
        typed(home, "lora list page: two")
    assert refused.value.field == "page"


@pytest.mark.parametrize("text", ["histroy", "cancle", "/histroy", "quueue", "lora lst"])
def test_a_misspelt_command_is_not_drawn(home: House, text: str) -> None:
    with pytest.raises(BadRequest, match="Did you mean"):
        typed(home, text)


@pytest.mark.parametrize("text", ["fox", "imagine histroy", "horses", "histroy of Rome"])
def test_other_words_are(home: House, text: str) -> None:
    assert typed(home, text).command.name == "imagine"


def test_a_novel_is_refused(home: House) -> None:
    with pytest.raises(BadRequest):
        typed(home, "fox " * 5000)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_whatever_is_typed_means_something(home: House, text: str) -> None:
    try:
        line = typed(home, text)
    except BadRequest:
        return
    assert line.command in CATALOGUE
