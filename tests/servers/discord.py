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
`Asked.until`, `Asked.told` and `DiscordServer.until` wait for what changes, and say what there is when it never does.

How a scenario is written
- The world: `guild`, `channel`, `thread`, `direct` (a person's messages with the bot), `group` (people without the bot),
  `user`, `say`. Tests may change its fields at any time: `channel.bot_permissions`, `archived`, `gone`,
  `guild.bot_inside`, `user.dms_open`.
- What people do: `command`, `press`, `submit_modal`, `autocomplete`, `message_command`. What Discord's own client would
  not let them do (an option that is not registered, a value out of range, a disabled button, another's private
  message) raises NotOffered.
- What they see: `asked.ack` (None if there was no answer within 3 s), `asked.message`, `asked.public`, `asked.private`
  (texts), `asked.modal`; `message.text`, `.buttons`, `.pictures` (each with its `spoiler`), `.history` of edits;
  `seen_in(channel)`.
- What goes wrong: `fail` (a status, a lost answer with `after`, a cut connection with `drop`, a `delay`), `refusing`,
  `await server.gateway.cut()`, `asked.expired = True`, `global_limit`, `token_life`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from aiohttp import web

from tests.servers import discord_spec
from tests.servers.discord_asked import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    MODAL_SUBMIT,
    Asked,
    NotOffered,
    Suggested,
    modal_answers,
    modal_components,
)
from tests.servers.discord_catalogue import ATTACHMENT, Catalogue, filled, leaf, nested
from tests.servers.discord_gateway import GUILDS, Gateway
from tests.servers.discord_limits import Buckets, Fault, Sliding
from tests.servers.discord_posting import Posting
from tests.servers.discord_rest import API, Handler, Rest
from tests.servers.discord_world import (
    DM,
    GROUP_DM,
    MEMBER,
    TEXT,
    THREAD,
    Changes,
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

FIRST_ANSWER = 3.0
TOKEN_LIFE = 15 * 60.0
ROUTES = {"edit": (5, 5.0), "post": (5, 5.0), "webhook": (5, 2.0)}
"""Rate limits per route and channel or token; a safe assumption, since Discord publishes none."""


class DiscordServer:
    """`validate=False` leaves the rules out, for load. `global_limit` is requests a second with the bot's token; with
    `exempt_interactions=False` those of interactions count too (Discord's own do not). `shards` is what it recommends;
    `identify_every` is 5 s at Discord, and 0 for bots that a test restarts often.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        validate: bool = True,
        global_limit: int | None = None,
        exempt_interactions: bool = True,
        route_limits: bool = True,
        token_life: float = TOKEN_LIFE,
        size_limit: int = 10 << 20,
        shards: int = 1,
        max_concurrency: int = 1,
        identify_every: float = 0.0,
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
        self.changes = Changes()
        self.violations: list[tuple[str, str, list[str]]] = []
        self.requests: Counter[str] = Counter()
        self.limited = 0
        self.expired = 0
        self.undelivered = 0
        self.gateway = Gateway(self, max_concurrency, identify_every)
        self.url = ""
        self._port = port
        self.posting = Posting(self)
        self.global_window = Sliding(global_limit)
        self.exempt_interactions = exempt_interactions
        self.buckets = Buckets(ROUTES if route_limits else {})
        self.faults: list[Fault] = []
        self.asked: dict[str, Asked] = {}
        """By token."""
        self._asked = self.asked
        self.asked_by_id: dict[int, Asked] = {}
        self.nonces: dict[tuple[int, str], Message] = {}
        self._rest = Rest(self)
        self._runner: web.AppRunner | None = None

    # ---- open and close ----

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 28, middlewares=[self._door()])
        app.add_routes(self._rest.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.gateway.cut()
        for asked in self.asked_by_id.values():
            if asked.timer is not None:
                asked.timer.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def _door(self) -> Any:
        @web.middleware
        async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._rest.guard(request, handler)

        return door

    @property
    def gateway_url(self) -> str:
        return self.url.replace("http", "ws") + "/gw"

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    # ---- the world ----

    def user(self, name: str = "ana", **more: Any) -> User:
        made = User(self.snowflake(), name, **more)
        self.users[made.id] = made
        return made

    def guild(self, name: str = "a server", *, bot_inside: bool = True, shard: int = 0, of: int = 1) -> Guild:
        """Made at a moment whose guilds belong to this shard of so many."""
        ids = (self.snowflake(age=milliseconds / 1000) for milliseconds in itertools.count())
        number = next(each for each in ids if (each >> 22) % of == shard)
        made = Guild(number, name, self.user("owner"), bot_inside)
        self.guilds[made.id] = made
        self._announce("GUILD_CREATE", made, made.payload(self.bot))
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
            kind = "THREAD_CREATE" if made.kind == THREAD else "CHANNEL_CREATE"
            self._announce(kind, made.guild, made.payload())
        return made

    def _announce(self, event: str, guild: Guild, data: Payload) -> None:
        """Tell the bot about what was made while it is connected."""
        if guild.bot_inside:
            self.gateway.dispatch(event, data, guild=guild.id, intent=GUILDS)

    def file_of(self, channel: Channel, name: str, data: bytes) -> File:
        return self.posting.keep(channel, name, data)

    def say(self, channel: Channel, user: User, text: str = "", files: Mapping[str, bytes] | None = None) -> Message:
        """A person's own message."""
        message = self.posting.new(channel, flags=0, author=user)
        message.content = text
        message.files = [self.posting.keep(channel, name, data) for name, data in (files or {}).items()]
        return message

    def seen_in(self, channel: Channel) -> list[Message]:
        """Everything that everyone sees in a channel now, oldest first."""
        messages = [message for message in self.messages.values() if message.channel is channel]
        return [message for message in messages if not message.deleted and not message.ephemeral]

    # ---- faults ----

    def fail(self, method: str, path: str, **fault: Any) -> Fault:
        """Let the next requests fail whose path matches this expression; see Fault."""
        made = Fault(method, re.compile(path), **fault)
        self.faults.append(made)
        return made

    def violate(self, method: str, path: str, problems: list[str]) -> None:
        self.violations.append((method, path, problems))

    def tell(self, message: Message) -> None:
        message.tell()
        self.changes.tell()

    async def until(self, question: Callable[[], object], timeout: float = 10.0) -> None:
        """Until anything here is as wanted: asked again after every request and every change of a message."""
        await self.changes.until(question, timeout, lambda: f"{list(self.messages.values())[-3:]}, {self.requests}")

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
        _sees(message, user)
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
        _sees(message, user)
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
        self.asked_by_id[number] = self.asked[token] = asked
        payload = self._interaction(asked, permissions, context)
        guild = channel.guild.id if channel.guild and channel.guild.bot_inside else None
        if not self.gateway.dispatch("INTERACTION_CREATE", payload, guild=guild):
            self.undelivered += 1
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


def _sees(message: Message, user: User) -> None:
    if message.deleted or (message.ephemeral and message.only_for is not user):
        raise NotOffered(f"{user.name} does not see {message!r}")


def _context(channel: Channel) -> str:
    return {DM: "bot_dm", GROUP_DM: "private"}.get(channel.kind, "guild")
