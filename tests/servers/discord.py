"""A local Discord: REST v10 and the gateway, for the real discord.py in a real process, and people to ask it things.

    async with DiscordServer() as server:
        guild = server.guild()
        channel, ana = server.channel(guild), server.user("ana")
        …start the bot with DISCORD_API_BASE=server.url and DISCORD_TOKEN=server.token…
        await server.online()
        asked = await server.command("imagine", {"prompt": "a red fox"}, user=ana, channel=channel)
        message = await asked.settled()
        assert message.pictures[0].spoiler is False
        assert server.violations == []

Whatever breaks one of Discord's rules is answered as Discord would, and kept in `violations`. Nothing here sleeps:
`Asked.until` waits for what changes.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Self

from aiohttp import web

from tests.servers import discord_rules as rules
from tests.servers import discord_spec
from tests.servers.discord_asked import (
    ANSWERS,
    AUTOCOMPLETE,
    CHOICES,
    COMMAND,
    COMPONENT,
    DEFER,
    DEFER_UPDATE,
    MESSAGE,
    MODAL,
    MODAL_SUBMIT,
    UPDATE,
    Ack,
    Asked,
    Modal,
    NotOffered,
    Suggested,
    modal_answers,
    modal_components,
)
from tests.servers.discord_catalogue import ATTACHMENT, Catalogue, filled, leaf, nested
from tests.servers.discord_gateway import Gateway
from tests.servers.discord_limits import Buckets, Fault, Sliding
from tests.servers.discord_posting import ApiError, Body, Posting, read, unknown
from tests.servers.discord_world import (
    DM,
    EPHEMERAL,
    GROUP_DM,
    LOADING,
    MEMBER,
    TEXT,
    THREAD,
    Channel,
    File,
    Guild,
    Message,
    Payload,
    Snowflakes,
    User,
    bits,
    button_label,
    member,
    walk,
)

API = "/api/v10"
FIRST_ANSWER = 3.0
TOKEN_LIFE = 15 * 60.0
ROUTES = {"edit": (5, 5.0), "post": (5, 5.0), "webhook": (5, 2.0)}
"""Rate limits per route and channel or token; a safe assumption, since Discord publishes none."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DiscordServer:
    """`validate=False` leaves the rules out, for load. `global_limit` is requests a second with the bot's token."""

    def __init__(
        self,
        *,
        port: int = 0,
        validate: bool = True,
        global_limit: int | None = None,
        route_limits: bool = True,
        token_life: float = TOKEN_LIFE,
        size_limit: int = 10 << 20,
        shards: int = 1,
    ) -> None:
        self.api = API
        self.validate = validate
        self.spec = discord_spec.load() if validate else None
        self.token = "local-token"
        self.token_life = token_life
        self.size_limit = size_limit
        self.shards = shards
        self.heartbeat_ms = 40_000
        self.refusing = False
        self.snowflake = Snowflakes()
        self.application_id = self.snowflake()
        self.bot = User(self.application_id, "easel", bot=True)
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.users: dict[int, User] = {}
        self.messages: dict[tuple[int, int], Message] = {}
        self.files: dict[int, File] = {}
        self.catalogue = Catalogue(self.snowflake, self.application_id)
        self.syncs = 0
        self.violations: list[tuple[str, str, list[str]]] = []
        self.requests: Counter[str] = Counter()
        self.limited = 0
        self.expired = 0
        self.gateway = Gateway(self)
        self.url = ""
        self._port = port
        self._posting = Posting(self)
        self._global = Sliding(global_limit)
        self._buckets = Buckets(ROUTES if route_limits else {})
        self._faults: list[Fault] = []
        self._asked: dict[str, Asked] = {}
        self._by_id: dict[int, Asked] = {}
        self._nonces: dict[tuple[int, str], Message] = {}
        self._runner: web.AppRunner | None = None

    # ---- open and close ----

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 28, middlewares=[self._guard])
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.gateway.cut()
        for asked in self._by_id.values():
            if asked.timer is not None:
                asked.timer.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def gateway_url(self) -> str:
        return self.url.replace("http", "ws") + "/gw"

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    def _routes(self) -> list[web.RouteDef]:
        def route(method: str, path: str, handler: Handler) -> web.RouteDef:
            return web.route(method, API + path, handler)

        message = "/channels/{channel_id}/messages/{message_id}"
        hook = "/webhooks/{webhook_id}/{webhook_token}"
        return [
            web.get("/gw", self.gateway.serve),
            web.get("/gw/", self.gateway.serve),
            web.get("/attachments/{channel}/{file}/{name}", self._download),
            route("GET", "/users/@me", self._me),
            route("GET", "/oauth2/applications/@me", self._application),
            route("GET", "/applications/@me", self._application),
            route("GET", "/gateway", self._gateway_address),
            route("GET", "/gateway/bot", self._gateway_address),
            route("GET", "/applications/{application_id}/commands", self._list_commands),
            route("PUT", "/applications/{application_id}/commands", self._overwrite),
            route("GET", "/applications/{application_id}/guilds/{guild_id}/commands", self._list_commands),
            route("PUT", "/applications/{application_id}/guilds/{guild_id}/commands", self._overwrite),
            route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self._callback),
            route("POST", hook, self._follow_up),
            route("GET", hook + "/messages/@original", self._hook_message),
            route("PATCH", hook + "/messages/@original", self._hook_edit),
            route("DELETE", hook + "/messages/@original", self._hook_delete),
            route("GET", hook + "/messages/{message_id}", self._hook_message),
            route("PATCH", hook + "/messages/{message_id}", self._hook_edit),
            route("DELETE", hook + "/messages/{message_id}", self._hook_delete),
            route("POST", "/channels/{channel_id}/messages", self._post),
            route("GET", message, self._get_message),
            route("PATCH", message, self._edit),
            route("DELETE", message, self._delete),
            route("POST", "/users/@me/channels", self._open_dm),
            route("GET", "/channels/{channel_id}", self._get_channel),
            route("GET", "/guilds/{guild_id}", self._get_guild),
        ]

    # ---- the world ----

    def user(self, name: str = "ana", **more: Any) -> User:
        made = User(self.snowflake(), name, **more)
        self.users[made.id] = made
        return made

    def guild(self, name: str = "a server", *, bot_inside: bool = True) -> Guild:
        made = Guild(self.snowflake(), name, self.user("owner"), bot_inside)
        self.guilds[made.id] = made
        return made

    def channel(self, guild: Guild, name: str = "pictures", *, nsfw: bool = False) -> Channel:
        return self._channel(Channel(self.snowflake(), TEXT, name, guild, nsfw=nsfw, bot_inside=guild.bot_inside))

    def thread(self, parent: Channel, name: str = "a thread") -> Channel:
        return self._channel(Channel(self.snowflake(), THREAD, name, parent.guild, parent))

    def direct(self, user: User) -> Channel:
        """The direct messages between this person and the bot."""
        for known in self.channels.values():
            if known.kind == DM and user in known.people:
                return known
        return self._channel(Channel(self.snowflake(), DM, "", people=(user,)))

    def group(self, *people: User) -> Channel:
        """A group's direct messages, where the bot is not: only an app that a person installed speaks there."""
        return self._channel(Channel(self.snowflake(), GROUP_DM, "friends", people=people, bot_inside=False))

    def _channel(self, made: Channel) -> Channel:
        self.channels[made.id] = made
        if made.guild is not None:
            made.guild.channels.append(made)
        return made

    def file_of(self, channel: Channel, name: str, data: bytes) -> File:
        return self._posting.keep(channel, name, data)

    def say(self, channel: Channel, user: User, text: str = "", files: Mapping[str, bytes] | None = None) -> Message:
        """A person's own message."""
        message = self._posting.new(channel, flags=0, author=user)
        message.content = text
        message.files = [self._posting.keep(channel, name, data) for name, data in (files or {}).items()]
        return message

    def seen_in(self, channel: Channel) -> list[Message]:
        """Everything that everyone sees in a channel now, oldest first."""
        messages = [message for message in self.messages.values() if message.channel is channel]
        return [message for message in messages if not message.deleted and not message.ephemeral]

    # ---- faults ----

    def fail(self, method: str, path: str, **fault: Any) -> Fault:
        """Let the next requests fail whose path matches this expression; see Fault."""
        made = Fault(method, re.compile(path), **fault)
        self._faults.append(made)
        return made

    def violate(self, method: str, path: str, problems: list[str]) -> None:
        self.violations.append((method, path, problems))

    def tell(self, message: Message) -> None:
        message.tell()

    # ---- what people do ----

    async def online(self, sessions: int = 1, timeout: float = 15.0) -> None:
        """Until the bot's gateway sessions are open and its commands are registered."""
        await self.gateway.changes.until(
            lambda: len(self.gateway.connected) >= sessions and any(self.catalogue.all()),
            timeout,
            lambda: f"{len(self.gateway.connected)} sessions, {self.syncs} syncs",
        )

    async def command(
        self,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        user: User,
        channel: Channel,
        attachments: Mapping[str, tuple[str, bytes]] | None = None,
        permissions: Iterable[str] = MEMBER,
        context: str | None = None,
        user_install: bool = False,
        age: float = 0.0,
        wait: bool = True,
    ) -> Asked:
        """A person sends a slash command. `age` makes the interaction that many seconds old. Raises NotOffered."""
        place = context or _context(channel)
        command = self.catalogue.find(name, 1, channel, place, user_install=user_install)
        way, known = leaf(command, name)
        given = dict(options or {})
        resolved: Payload = {}
        for option, (file_name, content) in (attachments or {}).items():
            file = self.file_of(channel, file_name, content)
            resolved.setdefault("attachments", {})[str(file.id)] = file.payload()
            given[option] = str(file.id)
        for each in known:
            if each["type"] == ATTACHMENT and each["name"] in given and each["name"] not in (attachments or {}):
                raise NotOffered(f"{each['name']} takes a file")
        data: Payload = {"id": command["id"], "name": command["name"], "type": 1}
        data["options"] = nested(way, filled(known, given))
        if resolved:
            data["resolved"] = resolved
        asked = self._ask(COMMAND, data, user, channel, permissions, place, user_install, age)
        return await asked.acked() if wait else asked

    async def message_command(
        self,
        name: str,
        message: Message,
        *,
        user: User,
        permissions: Iterable[str] = MEMBER,
    ) -> Asked:
        """A person chooses an application command on a message."""
        place = _context(message.channel)
        command = self.catalogue.find(name, 3, message.channel, place, user_install=False)
        data = {
            "id": command["id"],
            "name": command["name"],
            "type": 3,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): message.payload()}},
        }
        return await self._ask(COMMAND, data, user, message.channel, permissions, place).acked()

    async def press(
        self,
        message: Message,
        button: str,
        *,
        user: User,
        permissions: Iterable[str] = MEMBER,
        user_install: bool = False,
    ) -> Asked:
        """A person presses a button, named by its label, the label's end, or its custom id. Raises NotOffered."""
        for part in walk(message.components):
            label = button_label(part)
            if part["type"] == 2 and (button in (label, part.get("custom_id")) or label.endswith(button)):
                if part.get("disabled"):
                    raise NotOffered(f"{label!r} is disabled")
                break
        else:
            raise NotOffered(f"no button {button!r}: {message.buttons}")
        data = {"custom_id": part["custom_id"], "component_type": 2, "id": part["id"]}
        place = _context(message.channel)
        asked = self._ask(COMPONENT, data, user, message.channel, permissions, place, user_install, source=message)
        return await asked.acked()

    async def submit_modal(self, asked: Asked, typed: Mapping[str, object] | None = None, *, user: User) -> Asked:
        """A person sends the form that answered `asked`; what they don't type stays filled in. Raises NotOffered."""
        if asked.modal is None:
            raise NotOffered("there is no form")
        answers = modal_answers(asked.modal, typed or {})
        data = {"custom_id": asked.modal.id, "components": modal_components(asked.modal.components, answers)}
        place = _context(asked.channel)
        sent = self._ask(MODAL_SUBMIT, data, user, asked.channel, MEMBER, place, source=asked.source)
        return await sent.acked()

    async def autocomplete(
        self,
        name: str,
        option: str,
        text: str,
        *,
        user: User,
        channel: Channel,
        given: Mapping[str, object] | None = None,
    ) -> Suggested:
        """What is offered for the text typed into one option so far."""
        place = _context(channel)
        command = self.catalogue.find(name, 1, channel, place, user_install=False)
        way, known = leaf(command, name)
        options = filled(known, {**(given or {}), option: text}, focused=option)
        data = {"id": command["id"], "name": command["name"], "type": 1, "options": nested(way, options)}
        asked = await self._ask(AUTOCOMPLETE, data, user, channel, MEMBER, place).acked()
        if asked.ack is None:
            raise TimeoutError("no suggestions within 3 s")
        return Suggested(tuple((choice["name"], choice["value"]) for choice in asked.choices), asked.ack.ms)

    def _ask(
        self,
        kind: int,
        data: Payload,
        user: User,
        channel: Channel,
        permissions: Iterable[str],
        context: str,
        user_install: bool = False,
        age: float = 0.0,
        source: Message | None = None,
    ) -> Asked:
        now, number, token = self.clock(), self.snowflake(age), secrets.token_hex(16)
        asked = Asked(number, token, kind, user, channel, data, now, now - age, source, user_install)
        asked.forced_ephemeral = user_install and bool(channel.guild) and "use_external_apps" not in set(permissions)
        self._by_id[number] = self._asked[token] = asked
        payload = self._interaction(asked, permissions, context)
        guild = channel.guild.id if channel.guild and channel.guild.bot_inside else None
        self.gateway.dispatch("INTERACTION_CREATE", payload, guild=guild)
        asked.timer = asyncio.get_running_loop().call_later(max(0.0, FIRST_ANSWER - age), self._too_late, asked)
        return asked

    def _too_late(self, asked: Asked) -> None:
        if asked.ack is None:
            asked.failed = True
            self.expired += 1
            asked.changes.tell()

    def _interaction(self, asked: Asked, permissions: Iterable[str], context: str) -> Payload:
        channel, guild = asked.channel, asked.channel.guild
        installed = {"1": str(asked.user.id)} if asked.user_installed else {"0": str(guild.id) if guild else "0"}
        payload: Payload = {
            "id": str(asked.id),
            "application_id": str(self.application_id),
            "type": asked.kind,
            "token": asked.token,
            "version": 1,
            "data": asked.data,
            "channel_id": str(channel.id),
            "channel": channel.payload(),
            "locale": asked.user.locale,
            "app_permissions": str(bits(channel.bot_permissions)),
            "authorizing_integration_owners": installed,
            "context": {"guild": 0, "bot_dm": 1, "private": 2}[context],
            "attachment_size_limit": self.size_limit,
            "entitlements": [],
        }
        if guild is not None:
            payload |= {
                "guild_id": str(guild.id),
                "guild": guild.partial(),
                "guild_locale": "en-US",
                "member": member(asked.user, bits(permissions)),
            }
        else:
            payload["user"] = asked.user.payload()
        if asked.source is not None:
            payload["message"] = asked.source.payload()
        return payload

    # ---- every request ----

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await handler(request)
        if self.refusing:
            return self._cut(request)
        canonical = request.match_info.route.resource.canonical if request.match_info.route.resource else request.path
        self.requests[f"{request.method} {canonical.removeprefix(API)}"] += 1
        fault = next((one for one in self._faults if one.meets(request.method, request.path)), None)
        if fault is not None:
            fault.hits += 1
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if fault.after:
                await self._answer(request, handler)
            if fault.drop:
                return self._cut(request)
            if fault.status is not None:
                return _failed(fault)
        limited = self._limit(request)
        return limited if limited is not None else await self._answer(request, handler)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    def _limit(self, request: web.Request) -> web.Response | None:
        now = self.clock()
        if request.headers.get("Authorization"):
            wait = self._global.wait(now)
            if wait:
                self.limited += 1
                return _too_many(wait, everywhere=True)
        window = self._window(request)
        if window is None or window.take(now):
            return None
        self.limited += 1
        return _too_many(max(0.001, window.ends - now), everywhere=False)

    def _window(self, request: web.Request) -> Any:
        info = request.match_info
        if "webhook_token" in info:
            return self._buckets.window("webhook", info["webhook_token"])
        if "channel_id" in info and request.method in ("POST", "PATCH"):
            return self._buckets.window("post" if request.method == "POST" else "edit", info["channel_id"])
        return None

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if _needs_token(request) and request.headers.get("Authorization") != f"Bot {self.token}":
                raise ApiError(401, 0, "401: Unauthorized")
            response = await handler(request)
        except ApiError as error:
            response = _json(error.body(), error.status)
        window = self._window(request)
        if window is not None:
            response.headers.update(window.headers("bucket", self.clock()))
        return response

    # ---- plain answers ----

    async def _me(self, _request: web.Request) -> web.StreamResponse:
        return _json(self.bot.payload())

    async def _application(self, _request: web.Request) -> web.StreamResponse:
        return _json(
            {
                "id": str(self.application_id),
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
                "approximate_guild_count": len(self.guilds),
            }
        )

    async def _gateway_address(self, _request: web.Request) -> web.StreamResponse:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return _json({"url": self.gateway_url, "shards": self.shards, "session_start_limit": limit})

    async def _list_commands(self, request: web.Request) -> web.StreamResponse:
        return _json(self.catalogue.scopes.get(_scope(request), []))

    async def _overwrite(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        self._posting.refuse(request, rules.commands(body.json))
        self.syncs += 1
        made = self.catalogue.overwrite(_scope(request), body.json)
        self.gateway.changes.tell()
        return _json(made)

    async def _get_channel(self, request: web.Request) -> web.StreamResponse:
        return _json(self._known_channel(request).payload())

    async def _get_guild(self, request: web.Request) -> web.StreamResponse:
        guild = self.guilds.get(int(request.match_info["guild_id"]))
        if guild is None or not guild.bot_inside:
            raise unknown("Guild")
        return _json(guild.payload(self.bot))

    async def _open_dm(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        user = self.users.get(int(body.json["recipient_id"]))
        if user is None:
            raise unknown("User")
        return _json(self.direct(user).payload())

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = self.files.get(int(request.match_info["file"]))
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.content_type)

    # ---- messages with the bot's token ----

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        channel = self._writable(request, files=bool(body.uploads))
        nonce = body.json.get("nonce")
        if nonce is not None and body.json.get("enforce_nonce") and (channel.id, str(nonce)) in self._nonces:
            return _json(self._nonces[channel.id, str(nonce)].payload())
        message = self._posting.post(request, body.json, body.uploads, channel)
        if nonce is not None:
            message.nonce = str(nonce)
            self._nonces[channel.id, str(nonce)] = message
        return _json(message.payload())

    async def _get_message(self, request: web.Request) -> web.StreamResponse:
        return _json(self._own(request).payload())

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        message = self._own(request)
        if message.channel.archived:
            raise ApiError(400, 50083, "Thread is archived")
        if message.author is not self.bot:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        self._posting.edit(request, message, body.json, body.uploads, by="bot")
        return _json(message.payload())

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._posting.delete(self._own(request))
        return web.Response(status=204)

    def _known_channel(self, request: web.Request) -> Channel:
        channel = self.channels.get(int(request.match_info["channel_id"]))
        if channel is None or channel.gone:
            raise unknown("Channel")
        if not channel.bot_inside or "view_channel" not in channel.bot_permissions:
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
        message = self.messages.get((channel.id, int(request.match_info["message_id"])))
        if message is None or message.deleted or message.ephemeral:
            raise unknown("Message")
        return message

    # ---- interactions ----

    async def _callback(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        asked = self._by_id.get(int(request.match_info["interaction_id"]))
        if asked is None or asked.token != request.match_info["interaction_token"] or asked.failed:
            raise unknown("interaction")
        if asked.ack is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        kind, data = body.json["type"], body.json.get("data") or {}
        if kind not in ANSWERS[asked.kind]:
            raise ApiError(400, 50035, "Invalid Form Body", [f"type {kind} can't answer this"])
        message = self._first(request, asked, kind, data, body)
        now = self.clock()
        ephemeral = bool((data.get("flags") or 0) & EPHEMERAL) if kind in (MESSAGE, DEFER) else False
        asked.ack = Ack(now, kind, (now - asked.asked_at) * 1000, ephemeral)
        asked.changes.tell()
        if "with_response" not in request.query:
            return web.Response(status=204)
        about: Payload = {"id": str(asked.id), "type": asked.kind, "response_message_loading": kind == DEFER}
        resource: Payload = {"type": kind}
        if message is not None:
            about |= {"response_message_id": str(message.id), "response_message_ephemeral": message.ephemeral}
            if kind in (MESSAGE, UPDATE):
                resource["message"] = message.payload()
        return _json({"interaction": about, "resource": resource})

    def _first(self, request: web.Request, asked: Asked, kind: int, data: Payload, body: Body) -> Message | None:
        match kind:
            case int(k) if k == MESSAGE:
                ephemeral = asked.forced_ephemeral or bool((data.get("flags") or 0) & EPHEMERAL)
                message = self._posting.post(
                    request, data, body.uploads, asked.channel, ephemeral=ephemeral, only_for=asked.user
                )
                return self._original(asked, message)
            case int(k) if k == DEFER:
                self._posting.refuse(request, rules.defer(data))
                hidden = EPHEMERAL if asked.forced_ephemeral or (data.get("flags") or 0) & EPHEMERAL else 0
                only_for = asked.user if hidden else None
                message = self._posting.new(asked.channel, flags=LOADING | hidden, only_for=only_for)
                return self._original(asked, message)
            case int(k) if k == DEFER_UPDATE:
                asked.original = asked.source
            case int(k) if k == UPDATE and asked.source is not None:
                asked.original = asked.source
                self._posting.edit(request, asked.source, data, body.uploads, by="interaction")
                return asked.source
            case int(k) if k == MODAL:
                self._posting.refuse(request, rules.modal(data))
                asked.modal = Modal.read(data)
            case int(k) if k == CHOICES:
                self._posting.refuse(request, rules.suggestions(data.get("choices") or [], 3))
                asked.choices = data.get("choices") or []
        return None

    def _original(self, asked: Asked, message: Message) -> Message:
        message.interaction = {
            "id": str(asked.id),
            "type": asked.kind,
            "user": asked.user.payload(),
            "authorizing_integration_owners": {},
        }
        asked.original = message
        asked.attach(message)
        return message

    def _hooked(self, request: web.Request) -> Asked:
        asked = self._asked.get(request.match_info["webhook_token"])
        if asked is None or asked.ack is None:
            raise unknown("Webhook")
        if asked.expired or self.clock() - asked.created_at > self.token_life:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return asked

    def _hook_target(self, request: web.Request) -> Message:
        asked = self._hooked(request)
        number = request.match_info.get("message_id")
        if number is None:
            message = asked.original
        else:
            message = next((one for one in asked.messages if str(one.id) == number), None)
        if message is None or message.deleted:
            raise unknown("Message")
        return message

    async def _follow_up(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        asked = self._hooked(request)
        if asked.user_installed and asked.followups >= 5:
            raise ApiError(400, 40094, "This interaction has reached the maximum number of follow up messages")
        original = asked.original
        if original is not None and original.thinking:  # the first follow-up becomes the deferred answer itself
            self._posting.edit(request, original, body.json, body.uploads, by="interaction")
            return _json(original.payload())
        asked.followups += 1
        ephemeral = asked.forced_ephemeral or bool((body.json.get("flags") or 0) & EPHEMERAL)
        message = self._posting.post(
            request, body.json, body.uploads, asked.channel, ephemeral=ephemeral, only_for=asked.user
        )
        asked.attach(message)
        asked.changes.tell()
        return _json(message.payload())

    async def _hook_message(self, request: web.Request) -> web.StreamResponse:
        return _json(self._hook_target(request).payload())

    async def _hook_edit(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._posting.check(request, body.json)
        message = self._hook_target(request)
        self._posting.edit(request, message, body.json, body.uploads, by="interaction")
        return _json(message.payload())

    async def _hook_delete(self, request: web.Request) -> web.StreamResponse:
        self._posting.delete(self._hook_target(request))
        return web.Response(status=204)


def _json(data: object, status: int = 200) -> web.Response:
    """discord.py takes an answer for JSON only if its type is exactly that, without a charset."""
    return web.Response(
        body=json.dumps(data).encode(), status=status, headers={"Content-Type": "application/json", "Via": "1.1 local"}
    )


def _failed(fault: Fault) -> web.Response:
    body: Payload = {"message": fault.message or "injected", "code": fault.code}
    headers = {"Content-Type": "application/json"}
    if fault.via:
        headers["Via"] = "1.1 local"
    if fault.retry_after is not None:
        body |= {"retry_after": fault.retry_after, "global": fault.is_global}
        headers["Retry-After"] = str(fault.retry_after)
    return web.Response(body=json.dumps(body).encode(), status=fault.status or 500, headers=headers)


def _too_many(wait: float, *, everywhere: bool) -> web.Response:
    headers = {"Content-Type": "application/json", "Via": "1.1 local", "Retry-After": f"{wait:.3f}"}
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": wait, "global": everywhere, "code": 0}
    return web.Response(body=json.dumps(body).encode(), status=429, headers=headers)


def _needs_token(request: web.Request) -> bool:
    return not any(name in request.match_info for name in ("interaction_token", "webhook_token"))


def _scope(request: web.Request) -> int | None:
    guild = request.match_info.get("guild_id")
    return int(guild) if guild else None


def _context(channel: Channel) -> str:
    return {DM: "bot_dm", GROUP_DM: "private"}.get(channel.kind, "guild")
