"""The local Slack against the real slack-bolt and slack-sdk: what works there works as Slack says, what breaks a rule is
refused and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import SlackServer
from tests.servers.slack_asked import NotOffered
from tests.servers.slack_parts import (
    actions,
    app_of,
    button,
    by_http,
    by_socket,
    calling,
    modal,
    plain,
    png,
    section,
)
from tests.servers.slack_seen import Payload

# ---- what people do, by the real slack-bolt ----


def pictured(app: AsyncApp) -> None:
    """A small bot: a command grows one message, posts a picture, has a button and a form."""

    @app.command("/imagine")
    async def imagine(ack: Any, body: Payload, client: AsyncWebClient) -> None:
        await ack()
        if not body["text"]:
            await client.views_open(trigger_id=body["trigger_id"], view=modal())
            return
        shown = [section(body["text"]), actions(button(value="7"))]
        posted = await client.chat_postMessage(channel=body["channel_id"], text=body["text"], blocks=shown)
        await client.files_upload_v2(
            channel=body["channel_id"], filename="fox.png", content=png(), alt_txt="a fox", thread_ts=posted["ts"]
        )

    @app.action("cancel")
    async def cancel(ack: Any, body: Payload, client: AsyncWebClient) -> None:
        await ack()
        where = body["container"]
        await client.chat_update(channel=where["channel_id"], ts=where["message_ts"], text="cancelled")

    @app.event("app_mention")
    async def mention(event: Payload, client: AsyncWebClient) -> None:
        await client.chat_postMessage(channel=event["channel"], thread_ts=event.get("thread_ts"), text=event["text"])

    @app.event("message")
    async def direct(event: Payload, client: AsyncWebClient) -> None:
        await client.chat_postMessage(channel=event["channel"], text=f"got {event['text']}")

    @app.view("imagine")
    async def sent(ack: Any, view: Payload) -> None:
        if view["state"]["values"]["prompt"]["prompt"]["value"] == "bad":
            await ack(response_action="errors", errors={"prompt": "Not that."})
        else:
            await ack()

    @app.options("loras")
    async def suggest(ack: Any, payload: Payload) -> None:
        names = [name for name in ("yarn", "clay", "yacht") if name.startswith(payload["value"])]
        await ack(options=[{"text": plain(name.title()), "value": name} for name in names])

    @app.event("app_home_opened")
    async def home(event: Payload, client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [section("Welcome")]})

    @app.shortcut("details")
    async def details(ack: Any, body: Payload, respond: Any) -> None:
        await ack()
        await respond(f"about {body['message']['text']}")


@pytest.fixture(params=[by_socket, by_http], ids=["socket", "http"])
async def bot(
    request: pytest.FixtureRequest, server: SlackServer, client: AsyncWebClient
) -> AsyncIterator[SlackServer]:
    app = app_of(server, client)
    pictured(app)
    async with request.param(server, app):
        yield server
    assert server.violations == []


async def test_a_command_grows_a_message_and_posts_a_picture(bot: SlackServer) -> None:
    ana, channel = bot.user(), bot.channel()
    asked = await bot.type(ana, channel, "/imagine a red fox")
    await bot.until(lambda: len(bot.visible(channel)) == 2)
    first, second = bot.visible(channel)
    assert asked.acked is not None
    assert asked.acked < 1
    assert (first.text, first.fallback, first.buttons) == ("a red fox", "a red fox", ["Cancel"])
    assert [(picture.name, picture.data, picture.alt) for picture in second.pictures] == [("fox.png", png(), "a fox")]
    assert bot.thread(first) == [second]


async def test_a_pressed_button_updates_its_message(bot: SlackServer) -> None:
    ana, channel = bot.user(), bot.channel()
    await bot.type(ana, channel, "/imagine a red fox")
    await bot.until(lambda: bot.by_bot(channel))
    await bot.press(ana, bot.by_bot(channel)[0], "Cancel")
    await bot.until(lambda: bot.by_bot(channel)[0].text == "cancelled")
    assert bot.by_bot(channel)[0].buttons == []
    assert [edit.text for edit in bot.by_bot(channel)[0].history] == ["cancelled"]


async def test_a_mention_in_a_thread_is_answered_there(bot: SlackServer) -> None:
    ana, channel = bot.user(), bot.channel()
    start = bot.say(ana, channel, "who knows a bot?")
    asked = await bot.mention(ana, channel, "a fox & a <hen>", thread=start)
    await bot.until(lambda: len(bot.thread(start)) == 2)
    answer = bot.thread(start)[1]
    assert asked.source is bot.thread(start)[0]
    assert answer.text == f"<@{bot.team.bot.id}> a fox &amp; a &lt;hen&gt;"
    assert answer.pings == [f"<@{bot.team.bot.id}>"]


async def test_a_direct_message_is_answered_once(bot: SlackServer) -> None:
    """Slack tells the app about its own answer too."""
    ana = bot.user()
    await bot.direct_message(ana, "a fox")
    await bot.until(lambda: len(bot.visible(bot.direct(ana))) == 2)
    assert [message.text for message in bot.visible(bot.direct(ana))] == ["a fox", "got a fox"]


async def test_a_form_is_opened_filled_refused_and_sent(bot: SlackServer) -> None:
    ana, channel = bot.user(), bot.channel()
    view = await (await bot.type(ana, channel, "/imagine")).form()
    with pytest.raises(NotOffered, match="required"):
        await bot.submit(ana, view)
    offered = await bot.suggest(ana, view, "loras", "ya")
    assert offered.texts == ["Yarn", "Yacht"]
    refused = await bot.submit(ana, view, {"Prompt": "bad", "LoRAs": ["yarn"], "Seed": 7, "Source": ("fox.png", png())})
    assert refused.errors == view.errors == {"prompt": "Not that."}
    assert (bot.value(view, "LoRAs"), bot.value(view, "seed"), bot.value(view, "source")) == (
        ["yarn"],
        "7",
        ["fox.png"],
    )
    await bot.submit(ana, view, {"prompt": "a fox"})
    assert not view.open
    assert ana.modals == []


async def test_the_home_tab_is_published(bot: SlackServer) -> None:
    ana = bot.user()
    await bot.open_home(ana)
    await bot.until(lambda: ana.home)
    assert ana.home is not None
    assert ana.home.text == "Welcome"


async def test_a_message_shortcut_is_answered_to_one_person(bot: SlackServer) -> None:
    ana, bob, channel = bot.user(), bot.user("bob"), bot.channel()
    message = bot.say(bob, channel, "look")
    asked = await bot.message_shortcut(ana, message, "details")
    assert await asked.told() == "about look"
    assert bot.visible(channel) == [message]
    assert len(bot.visible_to(ana, channel)) == 2
    assert bot.visible_to(bob, channel) == [message]


# ---- being late, and being lost ----


async def test_a_late_acknowledgement_is_a_violation(server: SlackServer) -> None:
    """By a bare socket: bolt gives up its own wait at about the same moment."""
    headers = {"Authorization": f"Bearer {server.app_token}"}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{server.api}apps.connections.open", headers=headers) as answer:
            url = (await answer.json())["url"]
        async with session.ws_connect(url) as socket:
            assert (await socket.receive_json())["type"] == "hello"
            asking = asyncio.create_task(server.type(server.user(), server.channel(), "/slow"))
            envelope = await socket.receive_json()
            asked = await asking
            assert (asked.failed, asked.acked) == ("operation_timeout", None)
            await socket.send_json({"envelope_id": envelope["envelope_id"]})
            await server.until(lambda: len(server.violations) == 2)
    assert "not acknowledged within 3 s" in server.violations[0][1][0]
    assert "too late" in server.violations[1][1][0]


async def test_a_command_without_an_app_fails_at_once(server: SlackServer) -> None:
    asked = await server.type(server.user(), server.channel(), "/imagine a fox")
    assert asked.failed == "dispatch_failed"
    assert server.violations == []


async def test_one_lost_connection_leaves_the_other(server: SlackServer, client: AsyncWebClient) -> None:
    app = app_of(server, client)
    pictured(app)
    async with by_socket(server, app, 2):
        assert server.cut_sockets(1) == 1
        await server.until(lambda: len(server.socket.live) == 1)
        asked = await server.type(server.user(), server.channel(), "/imagine a fox")
        assert asked.acked is not None
        await server.online(2)
    assert server.violations == []


async def test_an_event_lost_with_its_connection_comes_again(server: SlackServer, client: AsyncWebClient) -> None:
    app, stuck = app_of(server, client), asyncio.Event()
    seen: list[Payload] = []

    @app.middleware
    async def first_is_stuck(body: Payload, next: Any) -> None:
        seen.append(body)
        if len(seen) == 1:
            stuck.set()
            await asyncio.Event().wait()
        await next()

    @app.event("app_mention")
    async def mention() -> None: ...

    async with by_socket(server, app, 2):
        asked = await server.mention(server.user(), server.channel(), "a fox", wait=False)
        await stuck.wait()
        server.cut_sockets()
        await asked.until(lambda asked: asked.acked is not None)
    assert [body["event_id"] for body in seen] == [asked.payload["event_id"]] * 2
    assert server.violations == []


async def test_a_repeated_delivery_carries_the_same_event(server: SlackServer, client: AsyncWebClient) -> None:
    app, seen = app_of(server, client), list[str]()

    @app.event("app_mention")
    async def mention(body: Payload) -> None:
        seen.append(body["event_id"])
        server.tell()

    async with by_socket(server, app):
        asked = await server.mention(server.user(), server.channel(), "a fox")
        server.redeliver(asked)
        await server.until(lambda: len(seen) == 2)
    assert seen == [asked.payload["event_id"]] * 2
    assert server.violations == []


async def test_refreshed_connections_come_back(server: SlackServer, client: AsyncWebClient) -> None:
    async with by_socket(server, app_of(server, client), 2):
        await server.refresh_sockets()
        await server.until(lambda: server.socket.opened == 4 and len(server.socket.live) == 2)


async def test_an_unacknowledged_event_is_retried_by_http(server: SlackServer) -> None:
    tries: list[str | None] = []

    async def events(request: web.Request) -> web.Response:
        tries.append(request.headers.get("X-Slack-Retry-Num"))
        return web.Response(status=200 if len(tries) == 3 else 500)

    async with serving(server, events):
        server.delivery.retries = (0.0, 0.0)
        asked = await server.mention(server.user(), server.channel(), "a fox")
        assert asked.acked is not None
    assert tries == [None, "1", "2"]


@asynccontextmanager
async def serving(server: SlackServer, handler: Any) -> AsyncIterator[None]:
    site = web.Application()
    site.router.add_post("/", handler)
    runner = web.AppRunner(site, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield
    finally:
        await runner.cleanup()


async def test_forged_and_old_requests_reach_no_listener(server: SlackServer, client: AsyncWebClient) -> None:
    app = app_of(server, client)
    pictured(app)
    async with by_http(server, app):
        assert (await server.verify_url("hello")).body == {"challenge": "hello"}
        asked = await server.mention(server.user(), server.channel(), "a fox")
        await server.until(lambda: server.requests["chat.postMessage"] == 1)
        assert (await server.forged(asked)).status == 401
        assert (await server.aged(asked, 400)).status == 401
        assert (await server.replay(asked)).status == 200
        await server.until(lambda: server.requests["chat.postMessage"] == 2)


# ---- rate limits and faults ----


async def test_updates_beyond_the_tier_are_refused_until_retry_after(server: SlackServer) -> None:
    server.limits.rates["chat.update"] = 60
    server.limits.strict()
    channel = server.channel()
    async with calling(server, retry_handlers=[AsyncRateLimitErrorRetryHandler()]) as client:
        posted = await client.chat_postMessage(channel=channel.id, text="one")
        await client.chat_update(channel=channel.id, ts=posted["ts"], text="two")
        await client.chat_update(channel=channel.id, ts=posted["ts"], text="three")
    assert server.limits.refused == {"chat.update": 1}
    assert server.by_bot(channel)[0].text == "three"


async def test_posts_come_once_a_second_and_channel(server: SlackServer, client: AsyncWebClient) -> None:
    server.limits.strict()
    server.limits.burst = 1.0
    one, other = server.channel("one"), server.channel("other")
    await client.chat_postMessage(channel=one.id, text="1")
    await client.chat_postMessage(channel=other.id, text="1")
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel=one.id, text="2")
    assert refused.value.response.headers["Retry-After"] == "1"
    server.skip(1.0)
    await client.chat_postMessage(channel=one.id, text="2")


async def test_a_lost_answer_leaves_the_message(server: SlackServer, client: AsyncWebClient) -> None:
    fault = server.fail("chat.postMessage", status=500, after=True)
    channel = server.channel()
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=channel.id, text="once")
    assert fault.hits == 1
    assert [message.text for message in server.visible(channel)] == ["once"]


async def test_a_dropped_request_is_repeated_by_the_sdk(server: SlackServer, client: AsyncWebClient) -> None:
    """The SDK's default handler for connection errors repeats a post whose answer was lost: it is there twice."""
    server.fail("chat.postMessage", drop=True, after=True)
    channel = server.channel()
    await client.chat_postMessage(channel=channel.id, text="once")
    assert len(server.visible(channel)) == 2


async def test_everything_is_down(server: SlackServer, client: AsyncWebClient) -> None:
    server.refusing = True
    with pytest.raises(aiohttp.ClientError):
        await client.auth_test()
    server.refusing = False
    answer = await client.auth_test()
    assert answer["user_id"] == server.team.bot.id
    assert "chat:write" in answer.headers["x-oauth-scopes"]
