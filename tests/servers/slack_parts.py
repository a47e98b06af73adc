"""Blocks, forms and clients for the tests of the local Slack."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import SlackServer
from tests.servers.slack_seen import Payload
from tests.servers.slack_world import View


def png(colour: str = "red") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(written, "PNG")
    return written.getvalue()


def plain(text: str) -> Payload:
    return {"type": "plain_text", "text": text}


def section(text: str = "words") -> Payload:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(label: str = "Cancel", action: str = "cancel", **more: Any) -> Payload:
    return {"type": "button", "text": plain(label), "action_id": action, **more}


def actions(*elements: Payload) -> Payload:
    return {"type": "actions", "elements": list(elements)}


def asking(element: Payload, label: str = "Prompt", **more: Any) -> Payload:
    return {"type": "input", "block_id": label.lower(), "label": plain(label), "element": element, **more}


PROMPT: Payload = {"type": "plain_text_input", "action_id": "prompt", "multiline": True}
LORAS: Payload = {
    "type": "multi_external_select",
    "action_id": "loras",
    "min_query_length": 0,
    "max_selected_items": 2,
}
SEED: Payload = {"type": "number_input", "action_id": "seed", "is_decimal_allowed": False, "min_value": "0"}
SOURCE: Payload = {"type": "file_input", "action_id": "source", "filetypes": ["png"], "max_files": 1}


def modal(*blocks: Payload, **more: Any) -> Payload:
    shown = list(blocks) or [
        asking(PROMPT),
        asking(LORAS, "LoRAs", optional=True),
        asking(SEED, "Seed", optional=True),
        asking(SOURCE, "Source", optional=True),
    ]
    return {
        "type": "modal",
        "callback_id": "imagine",
        "title": plain("Imagine"),
        "submit": plain("Go"),
        "blocks": shown,
        **more,
    }


@asynccontextmanager
async def calling(server: SlackServer, token: str | None = None, **more: Any) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token or server.team.token, base_url=server.api, session=session, **more)


def app_of(server: SlackServer, client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client, signing_secret=server.signing_secret)


@asynccontextmanager
async def by_socket(server: SlackServer, app: AsyncApp, connections: int = 1) -> AsyncIterator[None]:
    handlers = [AsyncSocketModeHandler(app, server.app_token, ping_interval=0.2) for _ in range(connections)]
    try:
        for handler in handlers:
            await handler.connect_async()  # type: ignore[no-untyped-call]
        await server.online(connections)
        yield
    finally:
        for handler in handlers:
            await handler.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def by_http(server: SlackServer, app: AsyncApp) -> AsyncIterator[None]:
    async def events(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    site = web.Application()
    site.router.add_post("/slack/events", events)
    runner = web.AppRunner(site, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield
    finally:
        await runner.cleanup()


async def refusal(server: SlackServer, call: Any, error: str, *, violation: bool = True) -> None:
    """The call is answered with this error, and is or isn't a violation."""
    before = len(server.violations)
    with pytest.raises(SlackApiError) as refused:
        await call
    assert refused.value.response["error"] == error
    assert (len(server.violations) > before) is violation


async def opened(server: SlackServer, client: AsyncWebClient, view: Payload | None = None) -> View:
    asked = await server.shortcut(server.user(), "create")
    await client.views_open(trigger_id=asked.trigger_id, view=view or modal())
    return await asked.form()


async def put(server: SlackServer, client: AsyncWebClient, data: bytes | None = None, name: str = "fox.png") -> str:
    """A file whose bytes came, not completed yet."""
    content = png() if data is None else data
    address = await client.files_getUploadURLExternal(filename=name, length=len(content), alt_txt="a fox")
    async with aiohttp.ClientSession() as session, session.post(address["upload_url"], data=content) as answer:
        assert answer.status == 200
    return str(address["file_id"])


def shown(file: str) -> list[Payload]:
    return [{"type": "image", "slack_file": {"id": file}, "alt_text": "a fox"}]
