"""What the whole local Slack shares: its world, its clock, what it holds against the app, and what people see."""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.servers.discord_world import Changes
from tests.servers.slack_asked import Asked
from tests.servers.slack_limits import Fault, Limits
from tests.servers.slack_seen import Payload, elements
from tests.servers.slack_timers import Timers
from tests.servers.slack_world import (
    IM,
    MPIM,
    PRIVATE,
    PUBLIC,
    SCOPES,
    Channel,
    Edit,
    Enterprise,
    File,
    Ids,
    Install,
    Message,
    Share,
    Team,
    User,
    View,
)

APP_ID = "A0EASEL"


@dataclass(slots=True)
class Trigger:
    born: float
    user: User
    asked: Asked
    used: bool = False
    from_view: View | None = None


@dataclass(slots=True)
class ResponseUrl:
    born: float
    asked: Asked
    uses: int = 0
    message: Message | None = None
    """The message it answers to (a pressed button's), or its own first answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the Web API; `at` in the server's seconds."""

    at: float
    method: str
    arguments: Payload = field(repr=False)


class State:
    def __init__(self, *, share_delay: float, scan_delay: float) -> None:
        self.url = ""
        self.app_token = "xapp-1-local"
        self.signing_secret = "local-signing-secret"
        self.verification_token = "local-verification"
        self.client_id, self.client_secret = "11.22", "local-client-secret"
        self.share_delay = share_delay
        """Seconds from the completion of an upload until its message is there and `shares` says where."""
        self.scan_delay = scan_delay
        """Seconds from the completion until `mimetype` is known."""
        self.lost_shares = 0
        """So many completed uploads are answered "ok" and never appear anywhere, as Slack's now and then are not."""
        self.alt_text_loses_shares = False
        """An upload with alternative text is answered "ok" and never appears (python-slack-sdk#1818, open)."""
        self.refusing = False
        """Every request is cut off."""
        self.skipped = 0.0
        self.ids = Ids()
        self.limits = Limits()
        self.faults: list[Fault] = []
        self.timers = Timers()
        self.changes = Changes()
        self.teams: dict[str, Team] = {}
        self.installs: dict[str, Install] = {}
        """By bot token, revoked ones too."""
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.codes: dict[str, Install] = {}
        """OAuth codes that were not exchanged yet."""
        self.violations: list[tuple[str, list[str]]] = []
        self.requests: Counter[str] = Counter()
        self.calls: list[Call] = []
        self.asked: list[Asked] = []
        self.events: Callable[[Install, Payload], object] = lambda _install, _event: None
        """How the app is told of what it did itself; set by the server."""
        self._last_ts = 0.0

    # ---- time ----

    def clock(self) -> float:
        return time.time() + self.skipped

    def skip(self, seconds: float) -> None:
        """Let time pass for triggers, response addresses and rate limits."""
        self.skipped += seconds

    def new_ts(self) -> str:
        """A timestamp of its own, later than all before it."""
        self._last_ts = max(self.clock(), self._last_ts + 0.000_001)
        return f"{self._last_ts:.6f}"

    # ---- the world ----

    @property
    def team(self) -> Team:
        """The first workspace."""
        return next(iter(self.teams.values()))

    def workspace(self, name: str = "easel", *, enterprise: Enterprise | None = None, installed: bool = True) -> Team:
        made = Team(self.ids("T"), name, enterprise)
        self.teams[made.id] = made
        if enterprise is not None:
            enterprise.teams.append(made)
        if installed:
            self.install(made)
        return made

    def enterprise(self, name: str = "acme", *workspaces: str) -> Enterprise:
        """An organisation with these workspaces, where the app is not installed yet."""
        made = Enterprise(self.ids("E"), name)
        for each in workspaces:
            self.workspace(each, enterprise=made, installed=False)
        return made

    def install(self, place: Team | Enterprise, scopes: Iterable[str] = SCOPES) -> Install:
        """Install the app in a workspace, or in a whole organisation. Revokes nothing."""
        made = self.prepare(place, scopes)
        for team in made.teams:
            team.install = made
        return made

    def prepare(self, place: Team | Enterprise, scopes: Iterable[str]) -> Install:
        """An installation that the app doesn't know of yet: its token works from now on."""
        teams = [place] if isinstance(place, Team) else list(place.teams)
        enterprise = place.enterprise if isinstance(place, Team) else place
        bot = teams[0].install.bot if teams[0].install else self.user("easel", team=teams[0], bot=True)
        made = Install(
            token=f"xoxb-{secrets.token_hex(8)}",
            bot=bot,
            bot_id=self.ids("B"),
            scopes=frozenset(scopes),
            teams=teams,
            enterprise=enterprise,
            org_wide=isinstance(place, Enterprise),
        )
        self.installs[made.token] = made
        return made

    def user(self, name: str = "ana", *, team: Team | None = None, **more: Any) -> User:
        made = User(self.ids("U"), name, team or self.team, **more)
        self.users[made.id] = made
        return made

    def channel(
        self,
        name: str = "pictures",
        *members: User,
        team: Team | None = None,
        private: bool = False,
        bot_inside: bool = True,
    ) -> Channel:
        """A channel; people need not be named to write in a public one."""
        kind = PRIVATE if private else PUBLIC
        return self._channel(Channel(self.ids("C"), name, team or self.team, kind, list(members), bot_inside))

    def direct(self, user: User) -> Channel:
        """The messages between this person and the bot."""
        for known in self.channels.values():
            if known.kind == IM and known.bot_inside and known.members == [user]:
                return known
        return self._channel(Channel(self.ids("D"), f"dm-{user.name}", user.team, IM, [user]))

    def between(self, *people: User) -> Channel:
        """Messages among people, where the bot is not."""
        kind = IM if len(people) == 2 else MPIM
        made = Channel(
            self.ids("D" if kind == IM else "G"), "people", people[0].team, kind, list(people), bot_inside=False
        )
        return self._channel(made)

    def _channel(self, made: Channel) -> Channel:
        self.channels[made.id] = made
        made.team.channels.append(made)
        return made

    def keep(self, owner: User, name: str, data: bytes) -> File:
        """A file of a person, there at once."""
        made = File(self.ids("F"), name, owner, len(data), data=data, completed=True, mimetype=mimetype(data))
        made.url = f"{self.url}/files-pri/{owner.team.id}-{made.id}/{quote(name)}"
        self.files[made.id] = made
        return made

    # ---- messages ----

    def post(self, channel: Channel, author: User, text: str = "", **more: Any) -> Message:
        """Put a message there and tell whoever waits; block ids are given as Slack gives them. In the bot's direct
        messages the app hears of it as of any other."""
        made = Message(channel, self.new_ts(), author, text, posted_at=self.clock(), **more)
        made.blocks = self.named(made.blocks)
        made.images = self.images(made.blocks)
        channel.messages[made.ts] = made
        self.tell(made)
        if made.bot_id is not None:
            self.echo(made, {**made.payload(), **({"subtype": "file_share"} if made.files else {})})
        return made

    def echo(self, message: Message, event: Payload) -> None:
        """Slack tells an app about its own messages too, where it hears all messages: in direct ones."""
        if message.channel.kind == IM and message.channel.bot_inside and not message.ephemeral:
            install = message.channel.team.install
            if install is not None and "im:history" in install.scopes:
                self.events(
                    install, {**event, "channel": message.channel.id, "channel_type": "im", "event_ts": message.ts}
                )

    def shared(self, message: Message) -> None:
        """A message's files are where it is."""
        for file in message.files:
            file.shares.append(Share(message.channel, message.ts, message.thread_ts))

    def edited(self, message: Message) -> None:
        message.images = self.images(message.blocks)
        message.history.append(Edit(self.clock(), message.text, tuple(message.buttons)))
        self.tell(message)
        if message.bot_id is not None:
            self.echo(
                message,
                {"type": "message", "subtype": "message_changed", "message": message.payload(), "ts": self.new_ts()},
            )

    def remove(self, message: Message) -> None:
        message.deleted = True
        self.tell(message)

    def named(self, blocks: list[Payload]) -> list[Payload]:
        """Blocks without an id get one."""
        return [{**block, "block_id": block.get("block_id") or secrets.token_urlsafe(4)} for block in blocks]

    def images(self, blocks: list[Payload]) -> dict[str, File]:
        found: dict[str, File] = {}
        for name in slack_files(blocks):
            file = self.file_named(name)
            if file is not None:
                found[name] = file
        return found

    def file_named(self, name: str) -> File | None:
        """A file by its id or its address."""
        if name in self.files:
            return self.files[name]
        return next((file for file in self.files.values() if name in (file.url, f"{file.url}?")), None)

    def message(self, channel: Channel, ts: str) -> Message | None:
        return channel.messages.get(ts)

    def visible(self, channel: Channel) -> list[Message]:
        """Everything that everyone sees in a channel and its threads now, oldest first."""
        return [each for each in channel.messages.values() if not each.deleted and not each.ephemeral]

    def visible_to(self, user: User, channel: Channel) -> list[Message]:
        """With what only this person sees."""
        shown = [each for each in channel.messages.values() if not each.deleted]
        return [each for each in shown if each.only_for in (None, user)]

    def thread(self, message: Message) -> list[Message]:
        """The replies under a message that everyone sees, oldest first."""
        return [each for each in self.visible(message.channel) if each.thread_ts == message.ts and each is not message]

    def by_bot(self, channel: Channel) -> list[Message]:
        """What the bot says to everyone in a channel."""
        return [each for each in self.visible(channel) if each.author.bot]

    # ---- telling ----

    def violate(self, where: str, problems: Iterable[str]) -> None:
        self.violations.append((where, list(problems)))
        self.tell()

    def tell(self, message: Message | None = None) -> None:
        if message is not None:
            message.changes.tell()
        self.changes.tell()

    async def until(self, question: Callable[[], object], timeout: float = 10.0) -> None:
        """Until anything here is as wanted: asked again after every request and every change."""
        await self.changes.until(question, timeout, self._about)

    def _about(self) -> str:
        last = [each for channel in self.channels.values() for each in channel.messages.values()][-4:]
        return f"{last}, {dict(self.requests)}, violations {self.violations}"

    # ---- faults ----

    def fail(self, method: str, **fault: Any) -> Fault:
        """Let the next requests fail whose method matches this expression; see Fault. Beside the Web API's methods
        there are `upload`, `download`, `response_url`."""
        made = Fault(re.compile(method), **fault)
        self.faults.append(made)
        return made


def slack_files(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids or addresses of the files that images in these blocks show."""
    parts = [*blocks, *(part for _, part in elements(blocks))]
    shown = [part["slack_file"] for part in parts if part.get("type") == "image" and "slack_file" in part]
    return [str(named.get("id") or named.get("url")) for named in shown]


def mimetype(data: bytes) -> str:
    """By the first bytes, as Slack finds it out whatever the name says."""
    for beginning, kind in {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}.items():
        if data.startswith(beginning):
            return kind
    return "image/webp" if data[8:12] == b"WEBP" else "application/octet-stream"
