"""What we send, held against Discord's own description and its further rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.discord import options, render
from adapters.discord.turn import hidden
from bot.cards import Action, Card, Field, Form, Line, Shown, Style, Tone
from bot.easel import Easel
from commands import CATALOGUE
from tests.adapters.discord.test_turn import RESULT
from tests.servers import discord_rules as rules
from tests.servers import discord_spec

ULID = "01JDXQ7R8S9TABCDEFGHJKMNPQ"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
MESSAGES = "/channels/{channel_id}/messages"
ONE = "/channels/{channel_id}/messages/{message_id}"
ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
FOLLOW_UP = "/webhooks/{webhook_id}/{webhook_token}"


@pytest.fixture(scope="module")
def spec() -> discord_spec.Spec:
    found = discord_spec.load()
    if found is None:
        pytest.skip("Discord's description is not here")
    return found


def full_card() -> Card:
    pictures = tuple(Shown(Path(f"{n}.png"), n, n == 2, "a fox" if n < 4 else "") for n in range(1, 5))
    verbs = [
        ("again", "Re-roll", "🔄"),
        ("edit", "Edit prompt", "✏️"),
        ("delete", "Delete", "🗑️"),
        ("details", "Details", "ℹ️"),
    ]
    actions = [Action(verb, ULID, label, emoji, danger=verb == "delete") for verb, label, emoji in verbs]
    actions += [Action("vary", ULID, str(n), argument=n) for n in range(1, 5)]
    lines = (Line("a *fox* @everyone" * 200, Style.QUOTE), Line("28 steps", Style.SMALL), Line("x", Style.CODE))
    return Card("Done", lines, Tone.GOOD, pictures, tuple(actions))


def names() -> list[str]:
    return [render.file_name("abc123", picture, ".png") for picture in full_card().pictures]


def full() -> dict[str, Any]:
    return render.body(full_card(), names())


def test_a_full_message_is_well_formed_wherever_it_is_sent(spec: discord_spec.Spec) -> None:
    nonce = {"nonce": "1234567890123456789", "enforce_nonce": True}
    assert spec.problems("PATCH", ORIGINAL, full()) == []
    assert spec.problems("PATCH", ONE, full()) == []
    assert spec.problems("POST", MESSAGES, full() | nonce) == []
    assert spec.problems("POST", FOLLOW_UP, render.private(full())) == []


def test_a_full_message_keeps_to_the_further_rules() -> None:
    uploads = {place: (name, 1000) for place, name in enumerate(names())}
    assert rules.message(rules.Sending(full(), uploads, {}, editing=True)) == []


def test_an_empty_card_is_still_a_message(spec: discord_spec.Spec) -> None:
    message = render.body(Card(""))
    assert spec.problems("POST", MESSAGES, message) == []
    assert rules.message(rules.Sending(message, {}, {})) == []


def test_every_first_answer_is_well_formed(spec: discord_spec.Spec) -> None:
    form = Form("edit", "Edit", ULID, tuple(Field(str(n), "Label", "value", hint="hint") for n in range(5)))
    word = {key: value for key, value in render.private(render.body(Card("No"))).items() if key != "attachments"}
    suggested = {"choices": [{"name": "yarn", "value": "yarn:0.8"}]}
    for kind, data in ((4, word), (5, {"flags": 64}), (5, {}), (6, {}), (8, suggested), (9, render.modal(form))):
        assert spec.problems("POST", CALLBACK, {"type": kind, "data": data}) == []
    assert rules.defer({"flags": 64}) == []
    assert rules.modal(render.modal(form)) == []


def test_the_whole_catalogue_can_be_registered(spec: discord_spec.Spec, easel: Easel) -> None:
    made = options.definitions(CATALOGUE, easel)
    assert spec.problems("PUT", "/applications/{application_id}/commands", made) == []
    guild = [options.for_guild(one) for one in made]
    assert spec.problems("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", guild) == []
    assert rules.commands(made) == []


def test_a_covered_message_is_well_formed(spec: discord_spec.Spec) -> None:
    edit = hidden(RESULT)
    assert spec.problems("PATCH", ONE, edit) == []
    kept = {5: "abc123-1.png"}
    assert rules.message(rules.Sending(edit, {}, kept, was_v2=True, editing=True)) == []
