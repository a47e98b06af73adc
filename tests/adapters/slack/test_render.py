from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.names import ORIGINAL
from adapters.slack.render import MAX_ALL, blocks, fallback, job_of, message, own
from bot.cards import Action, Card, Line, Shown, Style, Tone
from tests.servers.slack_blocks import block_problems
from tests.servers.slack_elements import MESSAGE
from tests.servers.slack_seen import block_texts

JOB = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TEXT = st.text(max_size=4000)
LINES = st.lists(st.builds(Line, TEXT, st.sampled_from(Style)), max_size=60)
ACTIONS = st.lists(
    st.builds(
        Action,
        st.sampled_from(["again", "delete", "vary"]),
        st.just(JOB),
        st.text(min_size=1, max_size=100),
        st.sampled_from(["", "🔄"]),
        st.integers(0, 9),
        st.booleans(),
    ),
    max_size=30,
)
CARDS = st.builds(Card, st.text(max_size=300), LINES.map(tuple), st.sampled_from(Tone), st.just(()), ACTIONS.map(tuple))


@given(CARDS)
def test_any_card_is_within_slacks_limits(card: Card) -> None:
    made = message(card)
    assert block_problems(made["blocks"], MESSAGE) == []
    assert made["text"].strip()
    assert len("".join(block_texts(made["blocks"]))) <= MAX_ALL + 500
    json.dumps(made)


@given(st.text(min_size=1, max_size=2000).filter(lambda text: text.strip()))
def test_a_prompt_is_shown_as_it_stands(prompt: str) -> None:
    (_, quote) = blocks(Card("Done", (Line(prompt, Style.QUOTE),)))
    assert quote["elements"] == [{"type": "rich_text_quote", "elements": [{"type": "text", "text": prompt.strip()}]}]


def test_nothing_people_write_is_markup() -> None:
    nasty = "<!channel> <@U1> *bold* :smile: https://example.org & <https://x|y>"
    made = message(Card("Done", (Line(nasty, Style.QUOTE), Line(nasty), Line(nasty, Style.SMALL))))
    assert "mrkdwn" not in json.dumps(made["blocks"])
    assert '"emoji": true' not in json.dumps(made["blocks"])
    assert "<" not in made["text"]


def test_the_notification_says_what_it_is_about() -> None:
    card = Card("Done", (Line("a fox & a cub", Style.QUOTE), Line("seed 7", Style.SMALL)))
    assert fallback(card) == "Done · a fox &amp; a cub"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/history lists yours", "/imagine history lists yours"),
        ("Draw with /imagine.", "Draw with /imagine."),
        ("/lora list and /show k3f9ab", "/imagine lora list and /imagine show k3f9ab"),
        ("owner/show is a LoRA, 1/2 is a half", "owner/show is a LoRA, 1/2 is a half"),
        ("https://example.org/history", "https://example.org/history"),
        ("/nonsense stays", "/nonsense stays"),
    ],
)
def test_its_own_lines_name_commands_as_they_are_typed_here(text: str, shown: str) -> None:
    assert own(text) == shown
    assert own(shown) == shown


def test_prompts_keep_their_slashes() -> None:
    assert "/history of art" in json.dumps(blocks(Card("x", (Line("/history of art", Style.QUOTE),))))


def test_delete_asks_first() -> None:
    (_, row) = blocks(Card("Done", actions=(Action("delete", JOB, "Delete", danger=True),)))
    (button,) = row["elements"]
    assert button["style"] == "danger"
    assert button["confirm"]["confirm"]["text"] == "Delete"
    assert (button["action_id"], button["value"]) == ("easel:delete:0", f"{JOB}:0")


def test_covered_pictures_bring_their_own_buttons() -> None:
    shown = tuple(Shown(Path(f"/p/{JOB}-{index}.png"), index, index != 2, "") for index in (1, 2, 3))
    card = Card("Done", pictures=shown)
    assert job_of(card) == JOB
    buttons = [button for block in blocks(card) if block["type"] == "actions" for button in block["elements"]]
    assert [(it["action_id"].split(":")[1], it["value"]) for it in buttons] == [
        (ORIGINAL, f"{JOB}:1"),
        (ORIGINAL, f"{JOB}:3"),
    ]
