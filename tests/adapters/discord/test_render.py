"""Card → message, with no event loop and no Discord."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord import render
from bot.cards import Action, Card, Field, Form, Line, Shown, Style, Tone

ULID = "01JDXQ7R8S9TABCDEFGHJKMNPQ"


def texts(message: dict[str, Any]) -> list[str]:
    return [part["content"] for part in message["components"][0]["components"] if part["type"] == 10]


def parts(message: dict[str, Any], kind: int) -> list[dict[str, Any]]:
    return [part for part in message["components"][0]["components"] if part["type"] == kind]


def shown(index: int, *, hidden: bool = False, alt: str = "a fox") -> Shown:
    return Shown(Path(f"{index}.png"), index, hidden, alt)


@pytest.mark.parametrize(
    "text",
    [
        "**bold** _it_ ~~gone~~ `code` ||spoiler||",
        "<@123> <@&5> <#9> <:emoji:1> <t:0:R> </imagine:5>",
        "[click](https://evil.example)",
        "# heading",
        "> quote",
    ],
)
def test_markup_in_a_text_is_shown_as_it_stands(text: str) -> None:
    escaped = render.plain(text)
    for place, sign in enumerate(escaped):
        if sign in "*_~`|<>[]()#":
            assert escaped[place - 1] == "\\"


def test_no_mention_and_no_link_survives() -> None:
    escaped = render.plain("@everyone look at https://evil.example and @here")
    assert "@everyone" not in escaped
    assert "@here" not in escaped
    assert "://" not in escaped


@pytest.mark.parametrize("line", ["- item", "1. item", "+ item", "  - deep"])
def test_a_line_does_not_become_a_list(line: str) -> None:
    assert render.plain(line).lstrip()[0] == "\\" or "\\." in render.plain(line)


@given(st.text(max_size=200))
def test_an_escaped_text_reads_as_the_text(text: str) -> None:
    escaped = iter(render.plain(text).replace("\u200b", ""))
    unescaped = [next(escaped, "") if sign == "\\" else sign for sign in escaped]
    assert "".join(unescaped) == text.replace("\u200b", "")


def test_a_message_pings_nobody() -> None:
    assert render.body(Card("Hello"))["allowed_mentions"] == {"parse": []}


def test_a_message_is_of_the_second_kind_and_says_title_and_lines() -> None:
    card = Card("Done", (Line("a fox", Style.QUOTE), Line("28 steps", Style.SMALL), Line("seed=7", Style.CODE)))
    message = render.body(card)
    assert message["flags"] == 1 << 15
    assert texts(message) == ["### Done\n> a fox\n```\nseed=7\n```", "-# 28 steps"]


@pytest.mark.parametrize("tone", list(Tone))
def test_every_tone_has_a_colour(tone: Tone) -> None:
    assert 0 <= render.body(Card("x", tone=tone))["components"][0]["accent_color"] <= 0xFFFFFF


def test_every_line_of_a_prompt_is_quoted() -> None:
    assert texts(render.body(Card("", (Line("one\ntwo", Style.QUOTE),)))) == ["> one\n> two"]


def test_a_code_block_cannot_be_left() -> None:
    (text,) = texts(render.body(Card("", (Line("``` @x ```", Style.CODE),))))
    assert text.count("```") == 2


def test_a_flagged_picture_is_spoilered_in_the_gallery_and_as_a_file() -> None:
    picture = shown(1, hidden=True)
    name = render.file_name("abc123", picture, ".png")
    message = render.body(Card("Done", pictures=(picture,)), [name])
    assert name == "SPOILER_abc123-1.png"
    assert parts(message, 12)[0]["items"] == [
        {"media": {"url": f"attachment://{name}"}, "description": "a fox", "spoiler": True}
    ]
    assert message["attachments"] == [{"id": 0, "filename": name, "description": "a fox", "is_spoiler": True}]


def test_only_the_flagged_one_of_several_is_spoilered() -> None:
    pictures = (shown(1), shown(2, hidden=True), shown(3))
    names = [render.file_name("abc123", picture, ".png") for picture in pictures]
    items = parts(render.body(Card("Done", pictures=pictures), names), 12)[0]["items"]
    assert [item.get("spoiler", False) for item in items] == [False, True, False]
    assert [name.startswith("SPOILER_") for name in names] == [False, True, False]


def test_an_alt_text_is_cut_to_what_discord_takes() -> None:
    message = render.body(Card("x", pictures=(shown(1, alt="a" * 3000),)), ["a.png"])
    assert len(parts(message, 12)[0]["items"][0]["description"]) == 1024
    assert len(message["attachments"][0]["description"]) == 1024


def test_a_picture_without_an_alt_text_has_no_empty_one() -> None:
    message = render.body(Card("x", pictures=(shown(1, alt=""),)), ["a.png"])
    assert "description" not in parts(message, 12)[0]["items"][0]
    assert "description" not in message["attachments"][0]


def test_a_long_prompt_is_shortened_and_the_rest_is_not() -> None:
    card = Card("Done", (Line("*" * 3900, Style.QUOTE), Line("seed 7, 28 steps", Style.SMALL)))
    above, below = texts(render.body(card))
    assert len(above) + len(below) <= 4000
    assert above.endswith("…")
    assert below == "-# seed 7, 28 steps"


def test_a_prompt_that_fits_is_whole() -> None:
    prompt = "a fox in the snow, " * 100
    (above,) = texts(render.body(Card("Done", (Line(prompt, Style.QUOTE),))))
    assert "…" not in above


styles = st.sampled_from(list(Style))
lines = st.lists(st.builds(Line, st.text(max_size=60) | st.text("*@\n#🦊-`", max_size=5000), styles), max_size=8)


@given(st.text(max_size=300), lines)
def test_any_card_fits_into_a_message(title: str, given_lines: list[Line]) -> None:
    message = render.body(Card(title, tuple(given_lines)))
    shown_texts = texts(message)
    assert sum(len(text.encode("utf-16-le", "replace")) // 2 for text in shown_texts) <= 4000
    assert all(shown_texts)
    assert parts(message, 10)


def test_buttons_stand_five_in_a_row_and_carry_all_they_know() -> None:
    actions = tuple(Action("vary", ULID, str(number), argument=number) for number in range(1, 8))
    rows = parts(render.body(Card("Done", actions=actions)), 1)
    assert [len(row["components"]) for row in rows] == [5, 2]
    assert rows[0]["components"][0]["custom_id"] == f"easel:vary:{ULID}:1"


def test_a_dangerous_button_is_red_and_emoji_stand_before_labels() -> None:
    actions = (Action("delete", ULID, "Delete", "🗑️", danger=True), Action("again", ULID, "Re-roll"))
    red, grey = parts(render.body(Card("Done", actions=actions)), 1)[0]["components"]
    assert (red["style"], red["emoji"]) == (4, {"name": "🗑️"})
    assert grey["style"] == 2
    assert "emoji" not in grey


def test_a_button_that_would_not_fit_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="100 characters"):
        render.custom_id(Action("x" * 90, ULID, "X"))


def test_the_largest_card_stays_under_forty_components() -> None:
    actions = tuple(Action("vary", ULID, str(n), argument=n) for n in range(40))
    pictures = tuple(shown(n) for n in range(1, 5))
    card = Card("t", (Line("a"), Line("b", Style.SMALL)), pictures=pictures, actions=actions)
    message = render.body(card, [f"{n}.png" for n in range(4)])
    assert json.dumps(message).count('"type":') <= 40


def test_a_form_is_a_modal_with_its_values_filled_in() -> None:
    form = Form(
        "edit", "Edit the prompt", ULID, (Field("prompt", "Prompt", "a fox", long=True, required=True, hint="h"),)
    )
    made = render.modal(form)
    assert made["custom_id"] == f"easel-form:edit:{ULID}"
    assert made["components"] == [
        {
            "type": 18,
            "label": "Prompt",
            "description": "h",
            "component": {
                "type": 4,
                "custom_id": "prompt",
                "style": 2,
                "required": True,
                "max_length": 4000,
                "value": "a fox",
            },
        }
    ]


def test_a_form_keeps_to_discords_lengths() -> None:
    field = Field("prompt", "l" * 80, "v" * 5000, hint="h" * 300)
    made = render.modal(Form("edit", "t" * 90, ULID, (field,)))
    (label,) = made["components"]
    assert (len(made["title"]), len(label["label"]), len(label["description"])) == (45, 45, 100)
    assert len(label["component"]["value"]) == 4000


def test_a_form_of_six_fields_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="more than 5"):
        render.modal(Form("edit", "t", ULID, tuple(Field(str(n), "l") for n in range(6))))
