"""The Web API's front door on the local Slack: tokens, scopes, rate tiers and faults, and the small methods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.servers.slack_call import Call, Refused
from tests.servers.slack_chat import Chat, scope_prefix
from tests.servers.slack_limits import Fault
from tests.servers.slack_methods import Small
from tests.servers.slack_seen import Payload
from tests.servers.slack_socket import Socket
from tests.servers.slack_state import Call as Noted
from tests.servers.slack_state import State
from tests.servers.slack_uploads import Uploads
from tests.servers.slack_views import Views
from tests.servers.slack_world import Install

Do = Callable[[Call], Payload]
NO_TOKEN = {"oauth.v2.access", "apps.connections.open", "api.test"}
MESSAGE = (
    "text blocks metadata unfurl_links unfurl_media parse link_names mrkdwn markdown_text attachments as_user username"
)


@dataclass(frozen=True, slots=True)
class Method:
    """`scopes`: any of them will do; `{}` stands for the kind of channel. `takes`: the arguments that it knows."""

    do: Do
    scopes: tuple[str, ...]
    takes: frozenset[str]


def _method(do: Do, scopes: str, takes: str) -> Method:
    return Method(do, tuple(scopes.split()), frozenset(takes.split()))


class Web:
    def __init__(self, state: State, chat: Chat, uploads: Uploads, views: Views, socket: Socket) -> None:
        self.state = state
        self.chat, self.uploads, self.socket, self.small = chat, uploads, socket, Small(state, chat)
        self.methods: dict[str, Method] = {
            "auth.test": _method(self.small.auth_test, "", ""),
            "auth.revoke": _method(self.small.revoke, "", "test"),
            "bots.info": _method(self.small.bot, "users:read", "bot team_id"),
            "chat.delete": _method(chat.delete, "chat:write", "channel ts as_user"),
            "chat.postEphemeral": _method(chat.ephemeral, "chat:write", f"channel user thread_ts {MESSAGE}"),
            "chat.postMessage": _method(chat.post, "chat:write", f"channel thread_ts reply_broadcast {MESSAGE}"),
            "chat.update": _method(chat.update, "chat:write", f"channel ts file_ids reply_broadcast {MESSAGE}"),
            "conversations.history": _method(
                chat.history, "{}:history", "channel latest oldest inclusive limit cursor include_all_metadata"
            ),
            "conversations.info": _method(self.small.channel, "{}:read", "channel include_locale include_num_members"),
            "conversations.join": _method(self.small.join, "channels:join", "channel"),
            "conversations.members": _method(self.small.members, "{}:read", "channel cursor limit"),
            "conversations.open": _method(self.small.open, "im:write", "channel users return_im prevent_creation"),
            "conversations.replies": _method(
                chat.replies, "{}:history", "channel ts latest oldest inclusive limit cursor include_all_metadata"
            ),
            "files.completeUploadExternal": _method(
                uploads.complete,
                "files:write",
                "files channel_id channels initial_comment thread_ts blocks username icon_url icon_emoji",
            ),
            "files.delete": _method(uploads.delete, "files:write", "file"),
            "files.getUploadURLExternal": _method(
                uploads.address, "files:write", "filename length alt_txt snippet_type"
            ),
            "files.info": _method(uploads.info, "files:read", "file count page limit cursor"),
            "team.info": _method(self.small.team, "team:read", "team domain"),
            "users.conversations": _method(
                self.small.conversations,
                "channels:read groups:read im:read",
                "user types exclude_archived limit cursor team_id",
            ),
            "users.info": _method(self.small.user, "users:read", "user include_locale"),
            "views.open": _method(views.open, "", "trigger_id interactivity_pointer view"),
            "views.publish": _method(views.publish, "", "user_id view hash"),
            "views.push": _method(views.push, "", "trigger_id interactivity_pointer view"),
            "views.update": _method(views.update, "", "view_id external_id view hash"),
        }

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.route("*", "/api/{method}", self._api),
            web.post("/upload/v1/{ticket}", self._upload),
            web.get("/files-pri/{file}/{name}", self._download),
            web.post("/commands/{token}", self._respond),
            web.get("/link/", self.socket.serve),
        ]

    # ---- doors ----

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments, token = await _read(request)
        return await self._guarded(request, method, lambda: self._call(request, method, arguments, token), arguments)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        return await self._guarded(request, "upload", lambda: self.uploads.receive(request))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        async def give() -> web.StreamResponse:
            return self.uploads.download(request, self.state.installs.get(_bearer(request)))

        return await self._guarded(request, "download", give)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        async def give() -> web.StreamResponse:
            try:
                body = json.loads(await request.read())
            except ValueError:
                return web.Response(status=400, text="invalid_payload")
            status, text = self.chat.respond(request.match_info["token"], body)
            return web.Response(status=status, text=text)

        return await self._guarded(request, "response_url", give)

    async def _guarded(
        self,
        request: web.Request,
        method: str,
        act: Callable[[], Awaitable[web.StreamResponse]],
        arguments: Payload | None = None,
    ) -> web.StreamResponse:
        """Everything passes here: the count, the faults, and whoever waits is asked again afterwards."""
        self.state.requests[method] += 1
        self.state.calls.append(Noted(self.state.clock(), method, arguments or {}))
        try:
            if self.state.refusing:
                return _reset(request)
            fault = next((each for each in self.state.faults if each.meets(method)), None)
            return await (act() if fault is None else self._fault(request, fault, act))
        finally:
            self.state.tell()

    async def _fault(
        self, request: web.Request, fault: Fault, act: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        fault.hits += 1
        await asyncio.sleep(fault.delay)
        if fault.after or not fault.breaks:
            answer = await act()
            if not fault.breaks:
                return answer
        if fault.drop:
            return _reset(request)
        if fault.error is not None:
            return _json({"ok": False, "error": fault.error}, fault.status or 200)
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        return web.Response(status=fault.status or 500, text="local fault", headers=headers)

    # ---- the Web API ----

    async def _call(self, request: web.Request, name: str, arguments: Payload, token: str) -> web.StreamResponse:
        if name in NO_TOKEN:
            return self._without_token(request, name, arguments, token)
        method, install = self.methods.get(name), self.state.installs.get(token)
        if method is None:
            self.state.violate(name, ["no such method"])
            return _json({"ok": False, "error": "unknown_method"})
        if install is None or install.revoked:
            return self._unknown(name, install)
        wait = self.state.limits.wait(install.team.id, name, str(arguments.get("channel", "")), self.state.clock())
        if wait > 0:
            headers = {"Retry-After": str(math.ceil(wait))}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        try:
            call = Call(name, install, arguments)
            self._allowed(method, call)
            answer: Payload = {"ok": True} | method.do(call)
        except Refused as refused:
            answer = self._refused(name, refused)
        return _json(answer, headers={"x-oauth-scopes": ",".join(sorted(install.scopes))})

    def _unknown(self, name: str, install: Install | None) -> web.StreamResponse:
        if install is None:
            self.state.violate(name, ["no such token"])
            return _json({"ok": False, "error": "invalid_auth"})
        return _json({"ok": False, "error": "token_revoked"})

    def _refused(self, name: str, refused: Refused) -> Payload:
        if refused.problems:
            self.state.violate(name, [f"{refused.error}: {problem}" for problem in refused.problems])
        more = dict(refused.more)
        messages = more.pop("messages", refused.problems)
        metadata = {"response_metadata": {"messages": messages}} if messages else {}
        return {"ok": False, "error": refused.error} | more | metadata

    def _allowed(self, method: Method, call: Call) -> None:
        strange = set(call.arguments) - method.takes - {"token", "team_id"}  # slack-bolt adds team_id to every call
        if strange:
            self.state.violate(call.method, [f"arguments that it doesn't know: {sorted(strange)}"])
        wanted = method.scopes
        if any("{}" in scope for scope in wanted):
            channel = self.state.channels.get(call.text("channel"))
            prefix = scope_prefix(channel) if channel else "channels"
            wanted = tuple(scope.format(prefix) for scope in wanted)
        if wanted and not set(wanted) & call.install.scopes:
            have = ",".join(sorted(call.install.scopes))
            needed = ",".join(wanted)
            raise Refused("missing_scope", f"{call.method} needs {needed}", needed=needed, provided=have)

    def _without_token(self, request: web.Request, name: str, arguments: Payload, token: str) -> web.StreamResponse:
        if name == "apps.connections.open":
            if token != self.state.app_token:
                self.state.violate(name, ["not the app-level token"])
                return _json({"ok": False, "error": "invalid_auth"})
            return _json({"ok": True, "url": self.socket.ticket()})
        return _json(
            self.small.exchange(request.headers.get("Authorization", ""), arguments)
            if name == "oauth.v2.access"
            else {"ok": True}
        )


async def _read(request: web.Request) -> tuple[Payload, str]:
    """The arguments wherever they stand (address, form, JSON), and the token."""
    arguments: Payload = dict(request.query)
    if request.content_type == "application/json":
        with contextlib.suppress(ValueError):
            arguments |= json.loads(await request.read() or b"{}")
    else:
        arguments |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    token = _bearer(request) or str(arguments.pop("token", "") or "")
    return arguments, token


def _bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers=headers)


def _reset(request: web.Request) -> web.Response:
    """A TCP reset in place of an answer."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)
