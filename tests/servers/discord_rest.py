"""The local Discord's REST v10, as far as a picture bot calls it; any other route is kept as a violation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from tests.servers import discord_rules as rules
from tests.servers.discord_answers import Answers
from tests.servers.discord_limits import Window
from tests.servers.discord_posting import ApiError, failed, json_answer, read, too_many, unknown
from tests.servers.discord_world import DM, MEMBER, THREAD, Channel, Message, bits

if TYPE_CHECKING:
    from tests.servers.discord import DiscordServer

API = "/api/v10"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """The door that every request comes through, and what the bot's own token may do."""

    def __init__(self, server: DiscordServer) -> None:
        self._server = server
        self._answers = Answers(server)

    def routes(self) -> list[web.RouteDef]:
        def route(method: str, path: str, handler: Handler) -> web.RouteDef:
            return web.route(method, API + path, handler)

        message = "/channels/{channel_id}/messages/{message_id}"
        hook = "/webhooks/{webhook_id}/{webhook_token}"
        return [
            web.get("/gw", self._server.gateway.serve),
            web.get("/gw/", self._server.gateway.serve),
            web.get("/attachments/{channel}/{file}/{name}", self._download),
            route("GET", "/users/@me", self._me),
            route("GET", "/users/@me/guilds", self._my_guilds),
            route("GET", "/oauth2/applications/@me", self._application),
            route("GET", "/applications/@me", self._application),
            route("GET", "/gateway", self._gateway_address),
            route("GET", "/gateway/bot", self._gateway_address),
            route("GET", "/applications/{application_id}/commands", self._list_commands),
            route("PUT", "/applications/{application_id}/commands", self._overwrite),
            route("GET", "/applications/{application_id}/guilds/{guild_id}/commands", self._list_commands),
            route("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", self._overwrite),
            route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self._answers.callback),
            route("POST", hook, self._answers.follow_up),
            route("GET", hook + "/messages/@original", self._answers.hook_message),
            route("PATCH", hook + "/messages/@original", self._answers.hook_edit),
            route("DELETE", hook + "/messages/@original", self._answers.hook_delete),
            route("GET", hook + "/messages/{message_id}", self._answers.hook_message),
            route("PATCH", hook + "/messages/{message_id}", self._answers.hook_edit),
            route("DELETE", hook + "/messages/{message_id}", self._answers.hook_delete),
            route("POST", "/channels/{channel_id}/messages", self._post),
            route("GET", message, self._get_message),
            route("PATCH", message, self._edit),
            route("DELETE", message, self._delete),
            route("POST", "/users/@me/channels", self._open_dm),
            route("GET", "/channels/{channel_id}", self._get_channel),
            route("GET", "/guilds/{guild_id}", self._get_guild),
        ]

    # ---- every request ----

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await handler(request)
        if self._server.refusing:
            return self._cut(request)
        try:
            return await self._serve(request, handler)
        finally:
            self._server.changes.tell()

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        canonical = request.match_info.route.resource.canonical if request.match_info.route.resource else request.path
        self._server.requests[f"{request.method} {canonical.removeprefix(API)}"] += 1
        fault = next((one for one in self._server.faults if one.meets(request.method, request.path)), None)
        if fault is not None:
            fault.hits += 1
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.after:
                await self._answer(request, handler)
            if fault.drop:
                return self._cut(request)
            if fault.status is not None:
                return failed(fault)
        limited = self._limit(request)
        return limited if limited is not None else await self._answer(request, handler)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    def _limit(self, request: web.Request) -> web.Response | None:
        now = self._server.clock()
        if _needs_token(request) or not self._server.exempt_interactions:
            wait = self._server.global_window.wait(now)
            if wait:
                self._server.limited += 1
                return too_many(wait, everywhere=True)
        window = self._window(request)
        if window is None or window.take(now):
            return None
        self._server.limited += 1
        limited = too_many(max(0.001, window.ends - now), everywhere=False)
        limited.headers.update(window.headers("bucket", now))
        return limited

    def _window(self, request: web.Request) -> Window | None:
        info = request.match_info
        if "webhook_token" in info:
            return self._server.buckets.window("webhook", info["webhook_token"])
        if "channel_id" in info and request.method in ("POST", "PATCH"):
            return self._server.buckets.window("post" if request.method == "POST" else "edit", info["channel_id"])
        return None

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if _needs_token(request) and request.headers.get("Authorization") != f"Bot {self._server.token}":
                raise ApiError(401, 0, "401: Unauthorized")
            response = await handler(request)
        except ApiError as error:
            response = json_answer(error.body(), error.status)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            self._server.violate(request.method, request.path, ["the local Discord has no such route"])
            response = json_answer({"message": f"{error.status}: {error.reason}", "code": 0}, error.status)
        window = self._window(request)
        if window is not None:
            response.headers.update(window.headers("bucket", self._server.clock()))
        return response

    # ---- plain answers ----

    async def _me(self, _request: web.Request) -> web.StreamResponse:
        return json_answer(self._server.bot.payload())

    async def _my_guilds(self, _request: web.Request) -> web.StreamResponse:
        inside = [guild for guild in self._server.guilds.values() if guild.bot_inside]
        rights = str(bits(MEMBER))
        return json_answer([{"id": str(one.id), "name": one.name, "permissions": rights} for one in inside])

    async def _application(self, _request: web.Request) -> web.StreamResponse:
        return json_answer(
            {
                "id": str(self._server.application_id),
                "name": "Easel",
                "icon": None,
                "description": "",
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "0" * 64,
                "flags": 0,
                "team": None,
                "owner": {"id": "1", "username": "owner", "discriminator": "0", "avatar": None},
                "integration_types_config": {"0": {}, "1": {}},
                "approximate_guild_count": len(self._server.guilds),
            }
        )

    async def _gateway_address(self, _request: web.Request) -> web.StreamResponse:
        gateway = self._server.gateway
        return json_answer(
            {"url": self._server.gateway_url, "shards": self._server.shards, "session_start_limit": gateway.start_limit}
        )

    async def _list_commands(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self._server.catalogue.scopes.get(_scope(request), []))

    async def _overwrite(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        self._server.posting.refuse(request, rules.commands(body.json))
        self._server.syncs += 1
        made = self._server.catalogue.overwrite(_scope(request), body.json)
        self._server.gateway.changes.tell()
        return json_answer(made)

    async def _get_channel(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self._known_channel(request).payload())

    async def _get_guild(self, request: web.Request) -> web.StreamResponse:
        guild = self._server.guilds.get(int(request.match_info["guild_id"]))
        if guild is None or not guild.bot_inside:
            raise unknown("Guild")
        return json_answer(guild.payload(self._server.bot))

    async def _open_dm(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        user = self._server.users.get(int(body.json["recipient_id"]))
        if user is None:
            raise unknown("User")
        return json_answer(self._server.direct(user).payload())

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = self._server.files.get(int(request.match_info["file"]))
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.content_type)

    # ---- messages with the bot's token ----

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        channel = self._writable(request, files=bool(body.uploads))
        nonce = body.json.get("nonce")
        if nonce is not None and body.json.get("enforce_nonce") and (channel.id, str(nonce)) in self._server.nonces:
            return json_answer(self._server.nonces[channel.id, str(nonce)].payload())
        message = self._server.posting.post(request, body.json, body.uploads, channel)
        if nonce is not None:
            message.nonce = str(nonce)
            self._server.nonces[channel.id, str(nonce)] = message
        return json_answer(message.payload())

    async def _get_message(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self._own(request).payload())

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        message = self._own(request)
        if message.channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        if message.author is not self._server.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        self._server.posting.edit(request, message, body.json, body.uploads, by="bot")
        return json_answer(message.payload())

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        message = self._own(request)
        if message.author is not self._server.bot and "manage_messages" not in message.channel.bot_permissions:
            raise ApiError(403, 50013, "Missing Permissions")
        self._server.posting.delete(message)
        return web.Response(status=204)

    def _known_channel(self, request: web.Request) -> Channel:
        channel = self._server.channels.get(int(request.match_info["channel_id"]))
        if channel is None or channel.gone:
            raise unknown("Channel")
        inside = channel.bot_inside and (channel.guild is None or channel.guild.bot_inside)
        if not inside or "view_channel" not in channel.bot_permissions:
            raise ApiError(403, 50001, "Missing Access")
        return channel

    def _writable(self, request: web.Request, *, files: bool) -> Channel:
        channel = self._known_channel(request)
        if channel.kind == DM and not channel.people[0].dms_open:
            raise ApiError(403, 50007, "Cannot send messages to this user")
        send = "send_messages_in_threads" if channel.kind == THREAD else "send_messages"
        if send not in channel.bot_permissions or (files and "attach_files" not in channel.bot_permissions):
            raise ApiError(403, 50013, "Missing Permissions")
        if channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        return channel

    def _own(self, request: web.Request) -> Message:
        channel = self._known_channel(request)
        message = self._server.messages.get((channel.id, int(request.match_info["message_id"])))
        if message is None or message.deleted or message.ephemeral:
            raise unknown("Message")
        return message


def _needs_token(request: web.Request) -> bool:
    return not any(name in request.match_info for name in ("interaction_token", "webhook_token"))


def _scope(request: web.Request) -> int | None:
    guild = request.match_info.get("guild_id")
    return int(guild) if guild else None
