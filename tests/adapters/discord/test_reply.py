"""One message that grows, against a local server: which way is taken, and what is never done."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from adapters.discord import reply as replies
from adapters.discord.address import Address
from adapters.discord.pace import Budget
from adapters.discord.reply import DiscordReply, Wires
from adapters.discord.rest import Rest
from bot.cards import Action, Card, Shown, Tone
from bot.ports import DeliveryFailed, Reply
from bot.room import Room
from tests.adapters.discord.desk import DIRECT, Desk, Got, error, limited

Make = Callable[..., Address]

HOOK = "/api/v10/webhooks/100/interaction-token/messages/@original"
BOT = "/api/v10/channels/500/messages/900"
POST = "/api/v10/channels/500/messages"
ULID = "01JDXQ7R8S9TABCDEFGHJKMNPQ"

WORKING = Card("Generating…", tone=Tone.WORKING)
DONE = Card("Done", tone=Tone.GOOD, actions=(Action("again", ULID, "Re-roll"),))


def said(got: Got) -> str:
    return str(got.body["components"][0]["components"][0]["content"])


@pytest.fixture
def picture(tmp_path: Path) -> Shown:
    path = tmp_path / "1.png"
    Image.new("RGB", (64, 64), "orange").save(path)
    return Shown(path, 1, False, "a fox")


def test_it_is_a_reply(wires: Wires, address: Make) -> None:
    assert isinstance(DiscordReply(wires, address()), Reply)


# ---- the end, by every way ----


async def test_the_end_is_an_edit_by_the_interaction_while_its_token_lives(
    wires: Wires, desk: Desk, address: Make, picture: Shown
) -> None:
    final = await DiscordReply(wires, address()).close(replace(DONE, pictures=(picture,)))
    (got,) = desk.got
    assert (got.method, got.path) == ("PATCH", HOOK)
    assert got.authorization is None, "the interaction's way is no place for the bot's token"
    assert got.files == {"r8s9ta-1.png".replace("r8s9ta", ULID[10:16].lower()): picture.path.read_bytes()}
    assert "interaction-token" not in final
    assert Address.parse(final).key == "discord:500:900"


@pytest.mark.parametrize("left", [59, 0, -5000])
async def test_a_token_near_its_end_or_past_it_is_never_called(
    wires: Wires, desk: Desk, address: Make, left: float
) -> None:
    await DiscordReply(wires, address(left=left)).close(DONE)
    (got,) = desk.got
    assert (got.method, got.path) == ("PATCH", BOT)
    assert got.authorization == "Bot bot-token"


@pytest.mark.parametrize("failure", [error(401, 50027), error(404, 10015), error(500), error(400, 50035)])
async def test_when_the_interactions_edit_fails_the_bot_edits_the_message(
    wires: Wires, desk: Desk, address: Make, failure: web.Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "PATIENCE_WITH_TOKEN", 0.0)
    desk.on("PATCH", "/webhooks/", failure)
    await DiscordReply(wires, address()).close(DONE)
    assert [got.path for got in desk.got] == [HOOK, BOT]


async def test_a_webhook_that_is_gone_is_not_tried_again(wires: Wires, desk: Desk, address: Make) -> None:
    desk.on("PATCH", "/webhooks/", error(404, 10015))
    reply = DiscordReply(wires, address())
    await reply.close(DONE)
    await reply.close(DONE)
    assert len(desk.of("PATCH", "/webhooks/")) == 1


@pytest.mark.parametrize("code", [10008, 50001, 50013, 10003])
async def test_a_message_that_is_gone_is_posted_anew_once(wires: Wires, desk: Desk, address: Make, code: int) -> None:
    desk.on("PATCH", "/channels/", error(404 if code < 50000 else 403, code))
    final = await DiscordReply(wires, address(left=0)).close(DONE)
    (posted,) = desk.of("POST")
    assert posted.path == POST
    assert posted.body["nonce"] == address().nonce
    assert posted.body["enforce_nonce"] is True
    assert Address.parse(final).key == "discord:500:901"


async def test_a_removed_channel_ends_in_the_requesters_direct_messages(
    wires: Wires, desk: Desk, address: Make
) -> None:
    desk.on("PATCH", "/channels/500", error(404, 10003))
    desk.on("POST", "/channels/500", error(404, 10003))
    reply = DiscordReply(wires, address(left=0))
    final = await reply.close(DONE)
    direct, posted = desk.of("POST")[-2:]
    assert direct.body == {"recipient_id": "42"}
    assert posted.path == f"/api/v10/channels/{DIRECT}/messages"
    assert posted.body["enforce_nonce"] is True
    assert Address.parse(final).key == reply.key == f"discord:{DIRECT}:901"


async def test_when_every_door_is_closed_it_says_so(wires: Wires, desk: Desk, address: Make) -> None:
    desk.on("PATCH", "/channels/", error(403, 50001))
    desk.on("POST", "/messages", error(403, 50007))
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address(left=0)).close(DONE)
    assert raised.value.gone
    assert "upstream words" not in raised.value.reason


@pytest.mark.parametrize("flag", ["ephemeral", "outside"])
async def test_what_only_the_token_reaches_is_gone_with_it_and_is_posted_nowhere(
    wires: Wires, desk: Desk, address: Make, flag: str
) -> None:
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address(left=0, **{flag: True})).close(DONE)
    assert raised.value.gone
    assert desk.got == []


async def test_what_only_the_token_reaches_uses_it_to_its_last_seconds(wires: Wires, desk: Desk, address: Make) -> None:
    await DiscordReply(wires, address(left=30, ephemeral=True)).close(DONE)
    assert [got.path for got in desk.got] == [HOOK]


async def test_a_private_result_is_never_posted_when_its_edit_is_refused(
    wires: Wires, desk: Desk, address: Make
) -> None:
    desk.on("PATCH", "", error(404, 10008))
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address(ephemeral=True)).close(DONE)
    assert raised.value.gone
    assert desk.of("POST") == []
    assert desk.of("PATCH", "/channels/") == []


async def test_a_failing_server_is_for_later(
    wires: Wires, desk: Desk, address: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "PATIENCE", 1.1)  # it waits for 0.3 s, and would then for 0.9
    desk.on("PATCH", "", error(503))
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address(left=0)).close(DONE)
    assert not raised.value.gone
    assert len(desk.got) == 2, "tried again once within its patience"


async def test_a_rate_limit_beyond_our_patience_is_for_later(wires: Wires, desk: Desk, address: Make) -> None:
    desk.on("PATCH", "", limited(60))
    started = time.monotonic()
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address(left=0)).close(DONE)
    assert time.monotonic() - started < 2
    assert not raised.value.gone
    assert raised.value.retry_after == pytest.approx(60, abs=1)


async def test_a_short_rate_limit_is_waited_for(wires: Wires, desk: Desk, address: Make) -> None:
    answers = iter([limited(0.05)])
    desk.on("PATCH", "", lambda _: next(answers, None))
    await DiscordReply(wires, address()).close(DONE)
    assert [got.path for got in desk.got] == [HOOK, HOOK]


async def test_a_token_that_is_limited_for_long_gives_way_to_the_bots_edit(
    wires: Wires, desk: Desk, address: Make
) -> None:
    desk.on("PATCH", "/webhooks/", limited(30))
    started = time.monotonic()
    await DiscordReply(wires, address()).close(DONE)
    assert time.monotonic() - started < 2
    assert [got.path for got in desk.got] == [HOOK, BOT]


async def test_no_connection_is_for_later(address: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "PATIENCE", 0.2)
    async with Rest("http://127.0.0.1:9/api/v10", "bot-token") as rest:
        with pytest.raises(DeliveryFailed) as raised:
            await DiscordReply(Wires(rest), address(left=0)).close(DONE)
    assert not raised.value.gone


async def test_once_everything_is_closed_progress_is_let_be_and_the_end_is_for_the_next_start(
    address: Make, desk: Desk
) -> None:
    async with Rest(desk.url + "/api/v10", "bot-token") as rest:
        reply = DiscordReply(Wires(rest), address())
    await reply.show(Card("Generating"))
    with pytest.raises(DeliveryFailed) as raised:
        await reply.close(DONE)
    assert not raised.value.gone
    assert desk.got == []


async def test_a_refused_bot_token_is_for_later(wires: Wires, desk: Desk, address: Make) -> None:
    desk.on("PATCH", "", error(401))
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address(left=0)).close(DONE)
    assert not raised.value.gone


async def test_a_message_that_discord_finds_wrong_is_not_sent_for_ever(wires: Wires, desk: Desk, address: Make) -> None:
    desk.on("PATCH", "", error(400, 50035))
    with pytest.raises(DeliveryFailed) as raised:
        await DiscordReply(wires, address()).close(DONE)
    assert raised.value.gone
    assert desk.of("POST") == [], "the old message is still there: a second one would be seen beside it"


async def test_an_end_that_is_repeated_leaves_one_message(wires: Wires, desk: Desk, address: Make) -> None:
    reply = DiscordReply(wires, address())
    assert await reply.close(DONE) == await reply.close(DONE)
    assert {got.path for got in desk.got} == {HOOK}


async def test_a_reply_is_reopened_from_its_text(wires: Wires, desk: Desk, address: Make) -> None:
    text = DiscordReply(wires, address()).address
    await DiscordReply(wires, Address.parse(text)).close(DONE)
    assert desk.got[0].path == HOOK


# ---- pictures ----


async def test_a_picture_that_was_swept_meanwhile_is_left_out(
    wires: Wires, desk: Desk, address: Make, picture: Shown
) -> None:
    gone = replace(picture, path=picture.path.with_name("gone.png"), index=2)
    await DiscordReply(wires, address()).close(replace(DONE, pictures=(gone, picture)))
    assert list(desk.got[0].files) == [f"{ULID[10:16].lower()}-1.png"]


async def test_a_picture_above_the_limit_is_made_to_fit(
    wires: Wires, desk: Desk, address: Make, tmp_path: Path
) -> None:
    path = tmp_path / "big.png"
    Image.effect_noise((400, 400), 90).save(path)
    limit = path.stat().st_size - 1
    await DiscordReply(wires, address(limit=limit)).close(replace(DONE, pictures=(Shown(path, 1, True, ""),)))
    ((name, data),) = desk.got[0].files.items()
    assert name.startswith("SPOILER_")
    assert name.endswith(".jpeg")
    assert len(data) <= limit


async def test_a_refusal_for_size_brings_a_smaller_picture(
    wires: Wires, desk: Desk, address: Make, picture: Shown
) -> None:
    answers = iter([error(413, 40005)])
    desk.on("PATCH", "", lambda _: next(answers, None))
    await DiscordReply(wires, address()).close(replace(DONE, pictures=(picture,)))
    assert len(desk.of("PATCH", "/webhooks/")) == 2


async def test_pictures_in_memory_are_bounded(wires: Wires, desk: Desk, address: Make, picture: Shown) -> None:
    size = picture.path.stat().st_size
    wires.room = Room(most=size * 2)
    open_door = asyncio.Event()

    async def wait(_got: Got) -> web.Response:
        await open_door.wait()
        return web.json_response({"id": "900"})

    desk.on("PATCH", "", wait)
    card = replace(DONE, pictures=(picture,))
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(DiscordReply(wires, address()).close(card))
        await desk.until(lambda: len(desk.got) == 2)
        assert wires.room._used == size * 2
        open_door.set()
    assert len(desk.got) == 6
    assert wires.room._used == 0


# ---- progress ----


async def test_progress_is_an_edit_that_waits_for_nothing(wires: Wires, desk: Desk, address: Make) -> None:
    await DiscordReply(wires, address()).show(WORKING)
    assert [got.path for got in desk.got] == [HOOK]
    assert said(desk.got[0]) == "### Generating…"


@pytest.mark.parametrize("failure", [error(500), error(404, 10008), error(401, 50027), limited(30)])
async def test_a_lost_progress_edit_is_no_error_and_is_not_repeated(
    wires: Wires, desk: Desk, address: Make, failure: web.Response
) -> None:
    desk.on("PATCH", "", failure)
    started = time.monotonic()
    await DiscordReply(wires, address()).show(WORKING)
    assert time.monotonic() - started < 2
    assert len(desk.got) == 1


async def test_the_same_progress_is_not_sent_twice(wires: Wires, desk: Desk, address: Make) -> None:
    reply = DiscordReply(wires, address())
    await reply.show(WORKING)
    await reply.show(WORKING)
    assert len(desk.got) == 1


async def test_progress_after_the_token_is_an_edit_of_the_bot(wires: Wires, desk: Desk, address: Make) -> None:
    await DiscordReply(wires, address(left=0)).show(WORKING)
    await DiscordReply(wires, address(left=0, ephemeral=True)).show(WORKING)
    assert [got.path for got in desk.got] == [BOT]


async def test_one_edit_is_in_flight_and_the_newest_wins(wires: Wires, desk: Desk, address: Make) -> None:
    open_door = asyncio.Event()

    async def wait(_got: Got) -> web.Response:
        await open_door.wait()
        return web.json_response({})

    desk.on("PATCH", "", wait)
    reply = DiscordReply(wires, address())
    first = asyncio.create_task(reply.show(Card("1")))
    await desk.until(lambda: len(desk.got) == 1)
    for number in range(2, 9):
        await reply.show(Card(str(number)))
    assert len(desk.got) == 1
    open_door.set()
    await first
    assert [said(got) for got in desk.got] == ["### 1", "### 8"]


async def test_after_the_end_nothing_is_shown(wires: Wires, desk: Desk, address: Make) -> None:
    reply = DiscordReply(wires, address())
    await reply.close(DONE)
    await reply.show(WORKING)
    assert len(desk.got) == 1


async def test_the_end_waits_for_a_progress_edit_on_the_wire_and_drops_those_behind_it(
    wires: Wires, desk: Desk, address: Make
) -> None:
    open_door = asyncio.Event()

    async def wait(got: Got) -> web.Response:
        if "Generating" in said(got):
            await open_door.wait()
        return web.json_response({})

    desk.on("PATCH", "", wait)
    reply = DiscordReply(wires, address())
    showing = asyncio.create_task(reply.show(WORKING))
    await desk.until(lambda: len(desk.got) == 1)
    await reply.show(Card("never seen"))
    closing = asyncio.create_task(reply.close(DONE))
    await asyncio.wait({closing}, timeout=0.2)
    assert not closing.done(), "overtaken, the progress edit could overwrite the end"
    open_door.set()
    await asyncio.gather(showing, closing)
    assert [said(got) for got in desk.got] == ["### Generating…", "### Done"]


async def test_a_progress_edit_that_hangs_holds_the_end_up_only_shortly(
    wires: Wires, desk: Desk, address: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "SETTLE", 0.05)
    open_door = asyncio.Event()

    async def wait(got: Got) -> web.Response:
        if "Generating" in said(got):
            await open_door.wait()
        return web.json_response({})

    desk.on("PATCH", "", wait)
    reply = DiscordReply(wires, address())
    showing = asyncio.create_task(reply.show(WORKING))
    await desk.until(lambda: len(desk.got) == 1)
    await reply.close(DONE)
    assert said(desk.got[-1]) == "### Done"
    await showing
    open_door.set()


async def test_a_caller_that_is_cancelled_leaves_its_edit_for_the_end_to_wait_for(
    wires: Wires, desk: Desk, address: Make
) -> None:
    open_door = asyncio.Event()

    async def wait(got: Got) -> web.Response:
        if "Generating" in said(got):
            await open_door.wait()
        return web.json_response({})

    desk.on("PATCH", "", wait)
    reply = DiscordReply(wires, address())
    showing = asyncio.create_task(reply.show(WORKING))
    await desk.until(lambda: len(desk.got) == 1)
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    assert len(wires.edits) == 1
    open_door.set()
    await reply.close(DONE)
    assert not wires.edits
    assert said(desk.got[-1]) == "### Done"


async def test_the_last_of_the_buckets_requests_is_kept_for_the_end(wires: Wires, desk: Desk, address: Make) -> None:
    headers = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "30"}
    desk.on("PATCH", "", web.json_response({}, headers=headers))
    reply = DiscordReply(wires, address())
    await reply.show(Card("1"))
    await reply.show(Card("2"))
    await reply.close(DONE)
    assert [said(got) for got in desk.got] == ["### 1", "### Done"]


async def test_progress_that_was_limited_does_not_hold_the_end_up(wires: Wires, desk: Desk, address: Make) -> None:
    answers = iter([limited(30)])
    desk.on("PATCH", "/webhooks/", lambda _: next(answers, None))
    reply = DiscordReply(wires, address())
    await reply.show(WORKING)
    started = time.monotonic()
    await reply.close(DONE)
    assert time.monotonic() - started < 2
    assert desk.got[-1].path == BOT, "another bucket than the one that is empty"


async def test_progress_of_the_whole_process_has_a_budget_and_the_end_has_none(
    wires: Wires, desk: Desk, address: Make
) -> None:
    wires.budget = Budget(rate=0, burst=3)
    many = [DiscordReply(wires, address(nonce=str(number))) for number in range(10)]
    for reply in many:
        await reply.show(WORKING)
    assert len(desk.got) == 3
    for reply in many:
        await reply.close(DONE)
    assert len(desk.got) == 13


async def test_after_a_global_limit_progress_keeps_still(wires: Wires, desk: Desk, address: Make) -> None:
    answers = iter([limited(1.0, everywhere=True)])
    desk.on("PATCH", "", lambda _: next(answers, None))
    await DiscordReply(wires, address(nonce="1")).show(WORKING)
    await DiscordReply(wires, address(nonce="2")).show(WORKING)
    assert len(desk.got) == 1
    await DiscordReply(wires, address(nonce="3")).close(DONE)
    assert len(desk.got) == 2


async def test_someone_takes_care_of_a_message_once_progress_was_asked_for(wires: Wires, address: Make) -> None:
    reply = DiscordReply(wires, address())
    assert not reply.started
    await reply.show(WORKING)
    assert reply.started


def test_when_it_can_no_longer_be_changed_is_known(wires: Wires, address: Make) -> None:
    assert DiscordReply(wires, address()).expires_at is None
    made = address(ephemeral=True)
    assert DiscordReply(wires, made).expires_at == datetime.fromtimestamp(made.expires, UTC)


# ---- a private word ----


async def test_a_word_in_private_is_a_follow_up_that_only_they_see(wires: Wires, desk: Desk, address: Make) -> None:
    reply = DiscordReply(wires, address())
    await reply.close(DONE)
    await reply.whisper(Card("Withheld"))
    (got,) = desk.of("POST")
    assert got.path == "/api/v10/webhooks/100/interaction-token"
    assert got.body["flags"] == (1 << 15) | (1 << 6)


async def test_a_private_word_never_becomes_the_public_answer(wires: Wires, desk: Desk, address: Make) -> None:
    """The first follow-up after a deferral would be shown as the deferred answer, to everybody."""
    await DiscordReply(wires, address()).whisper(Card("Secret"))
    assert [got.method for got in desk.got] == ["PATCH", "POST"]
    assert "Secret" not in json.dumps(desk.got[0].body)


async def test_after_the_token_a_private_word_is_a_direct_message(wires: Wires, desk: Desk, address: Make) -> None:
    await DiscordReply(wires, address(left=0)).whisper(Card("Withheld"))
    assert [got.path for got in desk.got] == ["/api/v10/users/@me/channels", f"/api/v10/channels/{DIRECT}/messages"]


@pytest.mark.parametrize("left", [0, 800])
async def test_a_lost_private_word_is_no_error(wires: Wires, desk: Desk, address: Make, left: float) -> None:
    desk.on("POST", "", error(403, 50007))
    await DiscordReply(wires, address(left=left), answered=True).whisper(Card("Withheld"))
    assert len(desk.got) == 1


async def test_a_word_that_may_have_been_said_is_not_said_again(wires: Wires, desk: Desk, address: Make) -> None:
    desk.on("POST", "", error(500))
    await DiscordReply(wires, address(), answered=True).whisper(Card("Withheld"))
    assert len(desk.got) == 1
