"""How what people ask reaches Easel: by socket and HTTP, twice, late, forged, in a burst, and while it stops."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from adapters.slack import client, dispatch, sockets
from bot.images import Size
from tests.adapters.slack.office import Office, office
from tests.commands.house import png

HTTP: dict[str, Any] = {"mode": "http", "signing_secret": SecretStr("local-signing-secret")}


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.chdir(tmp_path)
    async with office(tmp_path) as made:
        yield made


@pytest.fixture
async def by_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.chdir(tmp_path)
    async with office(tmp_path, **HTTP) as made:
        yield made


# ---- Socket Mode ----


async def test_it_is_ready_once_connected(it: Office) -> None:
    await it.server.online(2)
    assert it.slack.ready


async def test_an_event_told_twice_is_one_job(it: Office) -> None:
    asked = await it.server.mention(it.ana, it.channel, "a red fox")
    it.server.redeliver(asked)
    await it.server.until(lambda: asked.attempts == 2)
    await it.finished()
    assert it.house.backend.posts == 1


async def on_its_way(it: Office, method: str, number: int) -> None:
    """So many requests have come in; the last one is held up, so that nobody is told of it."""
    async with asyncio.timeout(5):
        while it.server.requests[method] < number:
            await asyncio.sleep(0.01)


async def test_an_event_that_two_processes_work_on_at_once_has_one_answer(it: Office) -> None:
    """The first one held it up for so long that Slack sent it to another, which knows nothing of it."""
    it.server.fail("chat.postMessage", delay=0.5, times=2)
    asked = await it.server.mention(it.ana, it.channel, "a red fox")
    await on_its_way(it, "chat.postMessage", 1)
    it.slack._seen._times.clear()
    it.server.redeliver(asked)
    await on_its_way(it, "chat.postMessage", 2)
    # Both messages that grew are gone: the one that the picture took the place of, and the other's.
    await it.server.until(lambda: it.server.requests["chat.delete"] == 2)
    assert "a red fox" in (await it.finished()).text
    assert it.house.backend.posts == 1


async def test_an_event_told_again_after_a_restart_is_one_job(it: Office) -> None:
    asked = await it.server.mention(it.ana, it.channel, "a red fox")
    await it.finished()
    it.slack._seen._times.clear()  # as a new process knows nothing of it
    it.server.redeliver(asked)
    await it.drawn("a blue fox", channel=it.server.channel("other", it.ana))
    await it.finished()
    assert it.house.backend.posts == 2


async def test_a_lost_connection_loses_no_command(it: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    it.server.cut_sockets(1)
    await asyncio.gather(*(it.imagine(f"fox {number} --private") for number in range(4)))
    await it.server.online(2)
    await it.server.until(lambda: len(it.server.by_bot(it.server.direct(it.ana))) == 4)
    await it.closed()


async def test_slack_asks_to_reconnect(it: Office) -> None:
    await it.server.refresh_sockets()
    await it.server.until(lambda: it.server.socket.opened >= 4)
    await it.drawn("a red fox")


async def test_a_message_that_is_not_for_it_is_left_alone(it: Office) -> None:
    direct = it.server.direct(it.ana)
    asked = await it.server.direct_message(it.ana, "a red fox")
    message = await it.finished(direct)
    assert asked.source
    await it.server.edit(it.ana, asked.source, "a blue fox")
    await it.drawn("a fox")
    assert it.server.by_bot(direct) == [message]


async def test_a_burst_is_acknowledged_at_once(it: Office) -> None:
    people = [it.server.user(f"person{number}") for number in range(60)]
    it.server.limits.on = False
    asked = await asyncio.gather(*(it.imagine("help", user=user) for user in people))
    # The local Slack and all these people share our loop: `make bench` has the figure of 200 in a process of its own.
    assert [each.failed for each in asked if each.failed] == []
    await it.server.until(lambda: all(each.private for each in asked))


async def test_while_it_stops_it_says_so(it: Office) -> None:
    await it.slack.stop_taking()
    asked = await it.imagine("a red fox")
    assert "restarting" in await asked.told()


async def test_while_it_stops_its_peers_hear_everything(it: Office) -> None:
    """What it heard by then is drawn; its connections are closed and stay so."""
    it.slack._peers, it.slack._present = {1}, lambda: {0, 1}
    await it.imagine("a red fox")
    await it.slack.stop_taking()
    assert it.server.socket.live == []
    opened = it.server.socket.opened
    await it.finished()
    assert (it.server.socket.live, it.server.socket.opened) == ([], opened)


# ---- HTTP ----


async def test_it_draws_by_http(by_http: Office) -> None:
    answer = await by_http.server.verify_url("some challenge")
    assert answer.status == 200
    assert by_http.slack.ready
    await by_http.drawn("a red fox")


async def test_forged_old_and_repeated_requests_are_refused(by_http: Office) -> None:
    asked = await by_http.imagine("a red fox")
    await by_http.finished()
    for answer in (
        await by_http.server.forged(asked),
        await by_http.server.aged(asked),
        await by_http.server.post_raw("command=%2Fimagine&text=a", "application/x-www-form-urlencoded", signature=""),
    ):
        assert answer.status == 401
    raw = by_http.server.delivery.http.written(asked)
    answers = [(await by_http.server.post_raw(*raw)).status for _ in range(5)]
    assert 403 in answers  # the same second, and so the same signature
    assert set(answers) <= {200, 403}
    await by_http.closed()
    assert by_http.house.backend.posts == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{half", "application/json"),
        (b"[1]", "application/json"),
        (b"null", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"payload={half", "application/x-www-form-urlencoded"),
        (b"text", "text/plain; charset=nonsense"),
    ],
)
async def test_what_slack_never_sends_is_refused_and_no_error_of_ours(
    by_http: Office, caplog: pytest.LogCaptureFixture, body: bytes, kind: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(by_http.server.request_url, data=body, headers={"Content-Type": kind}) as answer,
    ):
        assert answer.status == 400
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_retry_is_one_job(by_http: Office) -> None:
    asked = await by_http.server.mention(by_http.ana, by_http.channel, "a red fox")
    await by_http.server.replay(asked)
    await by_http.finished()
    assert by_http.house.backend.posts == 1


# ---- many workspaces ----


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack_sdk's oauth.v2.access
async def test_workspaces_add_and_remove_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    many = HTTP | {"bot_token": SecretStr(""), "client_id": "11.22", "client_secret": SecretStr("local-client-secret")}
    async with office(tmp_path, **many) as it, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
        address = it.server.request_url.removesuffix("/slack/events")
        it.slack._installing.flow.settings.redirect_uri = f"{address}/slack/oauth_redirect"  # type: ignore[union-attr]
        it.slack._installing.flow.settings.authorize_url_generator.redirect_uri = (  # type: ignore[union-attr]
            f"{address}/slack/oauth_redirect"
        )
        async with browser.get(f"{address}/slack/install") as page:
            cookie = page.headers["Set-Cookie"].split(";")[0]
            link = re.search(r'href="([^"]*oauth/v2/authorize[^"]*)"', await page.text())
        assert link
        back = it.server.approve(link[1].replace("&amp;", "&"), it.server.team)
        async with browser.get(back) as strange:  # another browser
            assert strange.status == 400
        async with browser.get(back, headers={"Cookie": cookie}) as added:
            assert added.status == 200, await added.text()
        async with browser.get(back, headers={"Cookie": cookie}) as again:
            assert again.status == 401
        await it.drawn("a red fox")
        await it.server.uninstall(it.server.team)
        while await it.vault.names("slack:installation:"):
            await asyncio.sleep(0.01)


def test_a_dead_connection_is_noticed_soon() -> None:
    assert 4 * sockets.PING < 10


async def test_a_database_that_fails_is_logged_and_not_raised(it: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(dispatch, "apology", lambda log, name, error: logged.append(f"{name}: {error}"))

    async def broken(*_given: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(it.easel.store, "delivered_as", broken)
    asked = await it.imagine("a red fox")
    assert asked.failed is None
    await it.slack.close()
    assert logged == ["command: disk"]


async def test_what_is_cut_short_says_so(it: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LAST_WORDS", 0.1)
    it.server.fail("files.info", delay=30.0)
    await it.server.mention(it.ana, it.channel, "as a watercolour", files={"a.png": png(Size(64, 64))})
    while not it.server.requests["files.info"]:
        await asyncio.sleep(0.01)
    await it.slack.close()
    (message,) = it.server.by_bot(it.channel)
    assert "restarting" in message.text
    assert it.house.backend.posts == 0


async def test_what_comes_while_it_closes_is_not_acknowledged(it: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event is then sent again, to whoever is there; a command is seen to fail."""
    monkeypatch.setattr(client, "LAST_WORDS", 1.0)
    it.server.fail("files.info", delay=30.0)
    await it.server.mention(it.ana, it.channel, "as a watercolour", files={"a.png": png(Size(64, 64))})
    while not it.server.requests["files.info"]:
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(it.slack.close())
    await asyncio.sleep(0)
    asked = await it.server.type(it.ben, it.channel, "/imagine a blue whale")
    await closing
    assert asked.acked is None
    assert asked.failed is not None
