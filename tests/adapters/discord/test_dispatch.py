"""From an interaction to its command, and from whatever that raises to a kind word."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.discord.asked import Asked
from adapters.discord.dispatch import Dispatch
from adapters.discord.reply import Wires
from adapters.discord.turn import DiscordTurn
from bot.cards import Card
from bot.easel import Easel
from bot.errors import BadRequest, LimitReached
from bot.images import Range
from commands.spec import Choice, Command, Kind, Option, Options, Turn, Where
from tests.adapters.discord.desk import Desk, error

Make = Callable[..., dict[str, Any]]
Ask = Callable[..., Any]


class Seen:
    """A catalogue whose commands keep what they were given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.raising: Exception | None = None
        self.opening = False
        suggest = Option("lora", "l", suggest=self.suggest)
        count = Option("count", "c", Kind.INTEGER, range=lambda _: Range(1, 4))
        self.catalogue = (
            Command("imagine", "Draw", self.run("typed"), (Option("prompt", "p"), count, suggest)),
            Command("lora info", "Tell", self.run("lora info"), (Option("name", "n"),)),
            Command("details", "Tell", self.run("on a message"), where=Where.MESSAGE, title="Image details"),
            Command("vary", "Vary", self.run("pressed"), where=Where.BUTTON),
            Command("edit", "Edit", self.run("filled"), (count,), where=Where.FORM),
        )

    def run(self, name: str) -> Callable[[Easel, Turn, Options], Any]:
        async def run(_easel: Easel, turn: Turn, options: Options) -> None:
            self.calls.append((name, dict(options)))
            if self.opening:
                await turn.open(private=False)
            if self.raising is not None:
                raise self.raising
            await turn.tell(Card("Well"))

        return run

    def suggest(self, _easel: Easel, text: str) -> list[Choice]:
        return [Choice(f"{text}!", text)]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def ask(seen: Seen, easel: Easel, wires: Wires, interaction: Make) -> Ask:
    async def ask(**changes: Any) -> None:
        asked = Asked(interaction(**changes))
        turn = DiscordTurn(wires, asked, restricted=lambda _: False)
        await Dispatch(seen.catalogue, easel).run(asked, turn)

    return ask


def typed(*options: dict[str, Any], name: str = "imagine") -> dict[str, Any]:
    return {"type": 2, "data": {"type": 1, "name": name, "options": list(options)}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (typed({"name": "prompt", "type": 3, "value": "a fox"}), ("typed", {"prompt": "a fox"})),
        (
            typed({"type": 1, "name": "info", "options": [{"name": "name", "value": "yarn"}]}, name="lora"),
            ("lora info", {"name": "yarn"}),
        ),
        (
            {"data": {"type": 3, "name": "Image details", "target_id": "77", "resolved": {"messages": {"77": {}}}}},
            ("on a message", {"message": "discord:500:77"}),
        ),
        (
            {"type": 3, "data": {"custom_id": "easel:vary:01JDX:2", "component_type": 2}, "message": {"id": "9"}},
            ("pressed", {"job": "01JDX", "argument": 2}),
        ),
        (
            {
                "type": 5,
                "data": {
                    "custom_id": "easel-form:edit:01JDX",
                    "components": [{"type": 18, "component": {"custom_id": "count", "value": "3"}}],
                },
            },
            ("filled", {"job": "01JDX", "count": 3}),
        ),
    ],
)
async def test_every_way_of_asking_finds_its_command(
    ask: Ask, seen: Seen, desk: Desk, changes: dict[str, Any], expected: object
) -> None:
    await ask(**changes)
    assert seen.calls == [expected]
    assert len(desk.got) == 1


@pytest.mark.parametrize(
    "changes",
    [
        typed(name="forgotten"),
        {"type": 3, "data": {"custom_id": "easel:forgotten:01JDX:0"}},
        {"type": 3, "data": {"custom_id": "another bot's"}},
        {"type": 5, "data": {"custom_id": "easel-form:forgotten:01JDX", "components": []}},
        {"data": {"type": 3, "name": "Forgotten", "target_id": "1"}},
    ],
)
async def test_what_an_older_version_offered_is_told_kindly(ask: Ask, desk: Desk, changes: dict[str, Any]) -> None:
    await ask(**changes)
    assert "no longer know" in json.dumps(desk.got[0].body)
    assert desk.got[0].body["data"]["flags"] & 64


@pytest.mark.parametrize("raised", [BadRequest("Size looks like 1024x1024."), LimitReached("Three at a time.")])
async def test_an_error_is_told_in_private_in_its_own_words(
    ask: Ask, seen: Seen, desk: Desk, raised: Exception
) -> None:
    seen.raising = raised
    await ask()
    (got,) = desk.got
    assert got.body["data"]["flags"] & 64
    assert str(raised).rstrip(".").split()[0] in json.dumps(got.body)


async def test_a_bad_value_never_reaches_the_command(ask: Ask, seen: Seen, desk: Desk) -> None:
    await ask(**typed({"name": "count", "type": 4, "value": 9}))
    assert seen.calls == []
    assert "from 1 to 4" in json.dumps(desk.got[0].body)


async def test_an_error_after_the_answer_takes_the_place_of_thinking(ask: Ask, seen: Seen, desk: Desk) -> None:
    seen.opening, seen.raising = True, LimitReached("Three at a time.")
    await ask()
    assert [got.method for got in desk.got] == ["POST", "PATCH"]
    assert "Three at a time" in json.dumps(desk.got[1].body)


async def test_a_fault_of_ours_is_told_with_a_reference_and_logged_without_its_words(
    ask: Ask, seen: Seen, desk: Desk
) -> None:
    seen.raising = RuntimeError("secret prompt and interaction-token")
    with capture_logs() as logs:
        await ask()
    told = json.dumps(desk.got[0].body)
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["reference"] in told
    assert line["error"] == "RuntimeError"
    assert line["command"] == "imagine"
    assert any("test_dispatch.py" in place for place in line["at"])
    for secret in ("secret prompt", "interaction-token"):
        assert secret not in told
        assert secret not in str(logs)


async def test_an_interaction_that_another_process_answered_is_left_alone(ask: Ask, seen: Seen, desk: Desk) -> None:
    desk.on("POST", "/callback", error(400, 40060))
    seen.opening = True
    await ask()
    assert len(desk.got) == 1


async def test_an_error_that_can_no_longer_be_told_ends_quietly(ask: Ask, seen: Seen, desk: Desk) -> None:
    desk.on("POST", "/callback", error(404, 10062))
    seen.raising = BadRequest("x")
    await ask()
    assert len(desk.got) == 1


def suggesting(seen: Seen, easel: Easel, interaction: Make, *options: dict[str, Any]) -> list[dict[str, Any]]:
    asked = Asked(interaction(**typed(*options) | {"type": 4}))
    return Dispatch(seen.catalogue, easel).suggest(asked)


def test_suggestions_come_from_the_option_that_is_being_typed(seen: Seen, easel: Easel, interaction: Make) -> None:
    focused = {"name": "lora", "type": 3, "value": "ya", "focused": True}
    assert suggesting(seen, easel, interaction, focused) == [{"name": "ya!", "value": "ya"}]


def test_an_option_without_suggestions_has_none(seen: Seen, easel: Easel, interaction: Make) -> None:
    focused = {"name": "prompt", "type": 3, "value": "ya", "focused": True}
    assert suggesting(seen, easel, interaction, focused) == []
    assert suggesting(seen, easel, interaction) == []
