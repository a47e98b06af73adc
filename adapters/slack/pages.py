"""What Slack and people's browsers reach at Easel's own HTTP port: events, and the pages that add Easel to a workspace."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from adapters.slack.api import Api
from adapters.slack.installations import VaultInstallations, VaultStates
from adapters.slack.names import INSTALL_PATH, REDIRECT_PATH, SCOPES
from adapters.slack.pace import Seen
from adapters.slack.quiet import sdk_logger
from adapters.slack.settings import SlackSettings

log = structlog.get_logger(__name__)

SIGNED_FOR = 300.0
"""Seconds that a signature is good for, before and after (docs.slack.dev/authentication/verifying-requests-from-slack)."""
MOST_BODY = 1024 * 1024


class Events:
    """POST /slack/events. bolt checks signature and age; the same signed request a second time is refused here."""

    def __init__(self) -> None:
        self._seen = Seen(2 * SIGNED_FOR)
        self._app: AsyncApp | None = None

    def attach(self, app: AsyncApp) -> None:
        app.middleware(self._once)
        self._app = app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._app is None:
            return web.Response(status=503, text="starting")
        if (request.content_length or 0) > MOST_BODY:
            return web.Response(status=413)
        try:
            asked = await to_bolt_request(request)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            return web.Response(status=400)  # bolt reads the body before it looks at the signature
        return await to_aiohttp_response(await self._app.async_dispatch(asked))

    async def _once(self, req: AsyncBoltRequest, next: Callable[[], Awaitable[Any]]) -> BoltResponse | None:
        """Slack signs each of its requests anew, a retry as well: only somebody else repeats one."""
        signature = req.headers.get("x-slack-signature")
        if req.mode != "socket_mode" and signature and self._seen.again(signature[0], time.monotonic()):
            log.warning("a request of slack's was repeated by somebody")
            return BoltResponse(status=403, body={"error": "repeated request"})
        await next()
        return None


class Installing:
    """/slack/install and /slack/oauth_redirect. A state is good once, for ten minutes, in one browser."""

    def __init__(self) -> None:
        self.flow: AsyncOAuthFlow | None = None

    async def install(self, request: web.Request) -> web.StreamResponse:
        if self.flow is None:
            return web.Response(status=503, text="starting")
        return await to_aiohttp_response(await self.flow.handle_installation(await to_bolt_request(request)))

    async def redirect(self, request: web.Request) -> web.StreamResponse:
        if self.flow is None:
            return web.Response(status=503, text="starting")
        return await to_aiohttp_response(await self.flow.handle_callback(await to_bolt_request(request)))


def flow(
    settings: SlackSettings,
    api: Api,
    installations: VaultInstallations,
    states: VaultStates,
    installed: Callable[[], None],
) -> AsyncOAuthFlow:
    """`installed` is called for each workspace that was added."""

    async def success(args: AsyncSuccessArgs) -> BoltResponse:
        installed()
        log.info("slack workspace added", team=args.installation.team_id or args.installation.enterprise_id)
        return _page(200, "Easel was added.", "Invite it to a channel with /invite, then type /imagine there.")

    async def failure(args: AsyncFailureArgs) -> BoltResponse:
        log.warning("slack workspace not added", reason=args.reason[:40])
        return _page(
            args.suggested_status_code, "Easel was not added.", f"Please start again at {INSTALL_PATH} in this browser."
        )

    return AsyncOAuthFlow(
        client=api.client(retrying=False),
        logger=sdk_logger(),
        settings=AsyncOAuthSettings(
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            scopes=list(SCOPES),
            user_scopes=[],
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            authorization_url=f"{settings.api_base or 'https://slack.com'}/oauth/v2/authorize",
            installation_store=installations,
            installation_store_bot_only=True,
            state_store=states,
            callback_options=AsyncCallbackOptions(success=success, failure=failure),
            logger=sdk_logger(),
        ),
    )


def _page(status: int, title: str, text: str) -> BoltResponse:
    body = f"<!doctype html><meta charset=utf-8><title>Easel</title><h1>{title}</h1><p>{text}</p>"
    return BoltResponse(status=status, body=body, headers={"Content-Type": ["text/html; charset=utf-8"]})
