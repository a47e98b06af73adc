"""One interaction and its one answer, against a local server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.discord.asked import Asked
from adapters.discord.reply import Wires
from adapters.discord.turn import DiscordTurn, Lost, hidden
from bot.cards import Card, Field, Form, Shown
from bot.errors import BadRequest, NotAllowed
from commands.spec import Attachment, Turn
from tests.adapters.discord.desk import Desk, Got, error, limited

Make = Callable[..., dict[str, Any]]
Turns = Callable[..., DiscordTurn]

CALLBACK = "/callback"


@pytest.fixture
def turn(wires: Wires, desk: Desk, interaction: Make) -> Turns:
    def make(**changes: Any) -> DiscordTurn:
        return DiscordTurn(wires, Asked(interaction(**changes)), restricted=lambda _: False, files=desk.url)

    return make


def test_it_is_a_turn(turn: Turns) -> None:
    made: Turn = turn()
    assert made.requester.name == "Ada"
    assert made.place.channel == "500"
    assert made.locale == "en-GB"
    assert made.delivery_key.isdecimal()
    assert not made.moderates
    assert made.missing_permissions == ()


# ---- answering ----


async def test_a_private_word_is_seen_by_the_requester_alone(turn: Turns, desk: Desk) -> None:
    await turn().tell(Card("Size looks like 1024x1024"))
    (got,) = desk.got
    assert got.body["type"] == 4
    assert got.body["data"]["flags"] == (1 << 15) | (1 << 6)
    assert got.authorization is None


async def test_a_public_word_is_seen_by_all(turn: Turns, desk: Desk) -> None:
    await turn().tell(Card("Pong"), private=False)
    assert desk.got[0].body["data"]["flags"] == 1 << 15


async def test_a_form_is_a_modal(turn: Turns, desk: Desk) -> None:
    await turn().ask(Form("edit", "Edit", "01JDX", (Field("prompt", "Prompt"),)))
    assert desk.got[0].body["type"] == 9
    assert desk.got[0].body["data"]["custom_id"] == "easel-form:edit:01JDX"


@pytest.mark.parametrize(("private", "data"), [(False, {}), (True, {"flags": 64})])
async def test_opening_defers_with_nothing_but_its_privacy(
    turn: Turns, desk: Desk, private: bool, data: dict[str, Any]
) -> None:
    reply = await turn().open(private=private)
    assert desk.got[0].body == {"type": 5, "data": data}
    assert reply.key == "discord:500:900", "the message is known before anything is paid"
    assert (reply.expires_at is not None) is private


WAYS: dict[str, Callable[[DiscordTurn], Awaitable[object]]] = {
    "tell": lambda turn: turn.tell(Card("x")),
    "ask": lambda turn: turn.ask(Form("edit", "Edit", "01JDX", (Field("prompt", "Prompt"),))),
    "open": lambda turn: turn.open(private=False),
}


@pytest.mark.parametrize("code", [40060, 10062])
@pytest.mark.parametrize("way", list(WAYS))
async def test_whoever_comes_second_does_nothing(turn: Turns, desk: Desk, code: int, way: str) -> None:
    desk.on("POST", CALLBACK, error(400 if code == 40060 else 404, code))
    with pytest.raises(Lost):
        await WAYS[way](turn())
    assert len(desk.got) == 1


async def test_an_answer_that_was_lost_on_its_way_is_given_once_more(turn: Turns, desk: Desk) -> None:
    answers = iter([error(502)])
    desk.on("POST", CALLBACK, lambda _: next(answers, None))
    reply = await turn().open(private=False)
    assert reply.key == "discord:500:900"
    assert len(desk.got) == 2


async def test_already_answered_after_a_lost_answer_means_that_it_was_ours(turn: Turns, desk: Desk) -> None:
    answers = iter([error(502), error(400, 40060)])
    desk.on("POST", CALLBACK, lambda _: next(answers))
    reply = await turn().open(private=False)
    assert [got.method for got in desk.got] == ["POST", "POST", "GET"]
    assert reply.key == "discord:500:900"


async def test_already_answered_after_a_refusal_was_somebody_else(turn: Turns, desk: Desk) -> None:
    answers = iter([limited(0.1), error(400, 40060)])
    desk.on("POST", CALLBACK, lambda _: next(answers))
    with pytest.raises(Lost):
        await turn().open(private=False)


async def test_when_discord_takes_no_answer_nothing_is_done(turn: Turns, desk: Desk) -> None:
    desk.on("POST", CALLBACK, error(502))
    with pytest.raises(Lost):
        await turn().open(private=False)
    assert len(desk.got) == 2


async def test_an_interaction_is_answered_once(turn: Turns) -> None:
    made = turn()
    await made.open(private=False)
    with pytest.raises(RuntimeError, match="before"):
        await made.open(private=False)


async def test_a_further_word_is_a_follow_up(turn: Turns, desk: Desk) -> None:
    made = turn()
    await made.tell(Card("First"))
    await made.tell(Card("Second"))
    assert desk.got[1].path == "/api/v10/webhooks/100/interaction-token"
    assert desk.got[1].body["flags"] & 64


async def test_a_lost_further_word_is_no_error(turn: Turns, desk: Desk) -> None:
    made = turn()
    await made.tell(Card("First"))
    desk.on("POST", "/webhooks/", error(404, 10015))
    await made.tell(Card("Second"))
    assert len(desk.got) == 2


async def test_a_private_word_after_opening_never_becomes_the_public_answer(turn: Turns, desk: Desk) -> None:
    made = turn()
    await made.open(private=False)
    await made.tell(Card("Secret"))
    assert [got.method for got in desk.got] == ["POST", "PATCH", "POST"]
    assert "Secret" not in json.dumps(desk.got[1].body)


async def test_pictures_are_told_after_a_deferral(turn: Turns, desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    await turn().tell(Card("Here", pictures=(Shown(path, 1, False, ""),)))
    assert desk.got[0].body == {"type": 5, "data": {"flags": 64}}
    assert desk.got[1].files == {"picture-1.png": path.read_bytes()}


async def test_giving_up_takes_the_place_of_thinking(turn: Turns, desk: Desk) -> None:
    made = turn()
    await made.open(private=False)
    await made.give_up(Card("That didn't work"))
    assert (desk.got[1].method, len(desk.got)) == ("PATCH", 2)


async def test_giving_up_leaves_a_message_that_others_take_care_of(turn: Turns, desk: Desk) -> None:
    made = turn()
    reply = await made.open(private=False)
    await reply.show(Card("Queued"))
    await made.give_up(Card("Something went wrong"))
    assert [got.method for got in desk.got] == ["POST", "PATCH", "POST"]
    assert desk.got[2].body["flags"] & 64


# ---- reading files ----


async def test_a_file_is_read_whole(turn: Turns, desk: Desk) -> None:
    desk.on("GET", "/attachments/", web.Response(body=b"x" * 200_000))
    got = await turn().read(Attachment(desk.url + "/attachments/1/2/a.png?ex=1", "a.png", 200_000), most=1 << 20)
    assert got == b"x" * 200_000
    assert desk.got[0].authorization is None


async def test_a_file_that_says_it_is_too_large_is_not_fetched(turn: Turns, desk: Desk) -> None:
    with pytest.raises(BadRequest, match="too large; 1 MB"):
        await turn().read(Attachment(desk.url + "/a.png", "a.png", 2 << 20), most=1 << 20)
    assert desk.got == []


async def test_a_file_that_is_larger_than_it_says_is_not_read_to_its_end(turn: Turns, desk: Desk) -> None:
    desk.on("GET", "/a.png", web.Response(body=b"x" * (3 << 20)))
    with pytest.raises(BadRequest, match="too large"):
        await turn().read(Attachment(desk.url + "/a.png", "a.png", 10), most=1 << 20)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.png",
        "http://cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com.evil.example/a.png",
        "https://cdn.discordapp.com@evil.example/a.png",
        "file:///etc/passwd",
        "http://127.0.0.1:1/another-server-beside-ours.png",
        "http:///a.png",
    ],
)
async def test_only_discord_is_asked_for_files(turn: Turns, url: str) -> None:
    with pytest.raises(BadRequest, match="not on Discord"):
        await turn().read(Attachment(url, "a.png", 1), most=1 << 20)


@pytest.mark.parametrize(
    "answer", [web.Response(status=404), web.Response(status=302, headers={"Location": "/elsewhere.png"})]
)
async def test_a_file_that_discord_does_not_hand_out_is_told_kindly(
    turn: Turns, desk: Desk, answer: web.Response
) -> None:
    desk.on("GET", "/a.png", answer)
    with pytest.raises(BadRequest, match="add it again"):
        await turn().read(Attachment(desk.url + "/a.png", "a.png", 1), most=1 << 20)
    assert len(desk.got) == 1


# ---- removing and hiding ----


async def test_a_message_is_removed_by_the_bot(turn: Turns, desk: Desk) -> None:
    await turn().remove("discord:500:900")
    assert [(got.method, got.path) for got in desk.got] == [("DELETE", "/api/v10/channels/500/messages/900")]


async def test_the_message_under_the_button_is_removed_by_its_own_token(turn: Turns, desk: Desk) -> None:
    """That reaches ephemeral messages, and places where the bot itself is not."""
    made = turn(type=3, message={"id": "900"}, data={"custom_id": "easel:delete:01JDX:0", "component_type": 2})
    await made.remove("discord:500:900")
    assert desk.got[0].body["type"] == 6
    assert (desk.got[1].method, desk.got[1].path.rpartition("/")[2]) == ("DELETE", "@original")
    await made.tell(Card("Deleted"))
    assert desk.got[2].body["flags"] & 64


@pytest.mark.parametrize("code", [10008, 10003])
async def test_what_is_gone_needs_no_removal(turn: Turns, desk: Desk, code: int) -> None:
    desk.on("DELETE", "", error(404, code))
    await turn().remove("discord:500:900")
    assert len(desk.got) == 1


async def test_a_message_that_cannot_be_removed_is_told_in_plain_words(turn: Turns, desk: Desk) -> None:
    desk.on("DELETE", "", error(403, 50013))
    with pytest.raises(NotAllowed, match="can't delete") as raised:
        await turn().remove("discord:500:900")
    assert "upstream" not in str(raised.value)


@pytest.mark.parametrize("way", ["remove", "hide"])
async def test_an_address_that_says_nothing_is_told_in_plain_words(turn: Turns, way: str) -> None:
    with pytest.raises(NotAllowed, match="where that message is"):
        await getattr(turn(), way)("")


RESULT: dict[str, Any] = {
    "id": "900",
    "channel_id": "500",
    "flags": 1 << 15,
    "attachments": [
        {"id": "5", "filename": "abc123-1.png", "size": 9, "url": "https://cdn.discordapp.com/a/abc123-1.png"}
    ],
    "components": [
        {
            "type": 17,
            "id": 1,
            "accent_color": 5,
            "spoiler": False,
            "components": [
                {"type": 10, "id": 2, "content": "### Done"},
                {
                    "type": 12,
                    "id": 3,
                    "items": [
                        {
                            "media": {
                                "url": "https://cdn.discordapp.com/attachments/500/5/abc123-1.png?ex=1&hm=2",
                                "proxy_url": "https://media.discordapp.net/x",
                                "width": 64,
                                "attachment_id": "5",
                            },
                            "description": "a fox",
                            "spoiler": False,
                        }
                    ],
                },
                {
                    "type": 1,
                    "id": 4,
                    "components": [{"type": 2, "id": 5, "style": 2, "label": "x", "custom_id": "easel:x:1:0"}],
                },
            ],
        }
    ],
}


def test_hiding_covers_the_pictures_and_leaves_the_rest() -> None:
    edit = hidden(RESULT)
    assert edit["attachments"] == [{"id": "5", "is_spoiler": True}]
    text, gallery, row = edit["components"][0]["components"]
    assert text == {"type": 10, "content": "### Done"}
    assert gallery["items"] == [
        {"media": {"url": "attachment://abc123-1.png"}, "spoiler": True, "description": "a fox"}
    ]
    assert row["components"] == [{"type": 2, "style": 2, "label": "x", "custom_id": "easel:x:1:0"}]


def test_hiding_never_drops_files_that_the_message_names_in_its_gallery_only() -> None:
    assert "attachments" not in hidden({**RESULT, "attachments": []})


async def test_a_message_that_the_command_brought_is_hidden_without_looking_it_up(turn: Turns, desk: Desk) -> None:
    data = {"type": 3, "name": "Mark as spoiler", "target_id": "900", "resolved": {"messages": {"900": RESULT}}}
    await turn(data=data).hide("discord:500:900")
    assert [(got.method, got.path) for got in desk.got] == [("PATCH", "/api/v10/channels/500/messages/900")]


async def test_another_message_is_looked_up_first(turn: Turns, desk: Desk) -> None:
    desk.on("GET", "/messages/900", web.json_response(RESULT))
    await turn().hide("discord:500:900")
    assert [got.method for got in desk.got] == ["GET", "PATCH"]
    assert desk.got[1].body["components"][0]["components"][1]["items"][0]["spoiler"] is True


async def test_a_message_of_others_is_not_changed(turn: Turns, desk: Desk) -> None:
    desk.on("GET", "/messages/900", web.json_response(RESULT))
    desk.on("PATCH", "", error(403, 50005))
    with pytest.raises(NotAllowed, match="only my own"):
        await turn().hide("discord:500:900")


async def test_two_answers_at_once_share_no_lock(turn: Turns, desk: Desk) -> None:
    together = asyncio.Barrier(2)

    async def wait(_got: Got) -> web.Response | None:
        await asyncio.wait_for(together.wait(), 5)
        return web.json_response({"interaction": {"response_message_id": "900"}})

    desk.on("POST", CALLBACK, wait)  # type: ignore[arg-type]
    await asyncio.gather(turn().open(private=False), turn().open(private=False))
    assert len(desk.got) == 2
