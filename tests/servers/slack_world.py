"""Who and what there is on the local Slack: workspaces, people, channels, files and messages, as a person sees them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from tests.servers.discord_world import Changes
from tests.servers.slack_seen import Payload, Picture, block_pictures, block_texts, elements

Clock = Callable[[], float]

PUBLIC, PRIVATE, IM, MPIM = "public", "private", "im", "mpim"

PING = re.compile(r"<(?:!(?:channel|here|everyone|subteam\^[A-Z0-9]+)|@[A-Z0-9]+)[^>]*>")
SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:join",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "team:read",
        "users:read",
    }
)
"""What a workspace grants unless a test says otherwise."""


class Ids:
    """Ids with Slack's first letters, in the order of their making."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, letter: str) -> str:
        return f"{letter}0{next(self._numbers):08X}"


@dataclass(eq=False, slots=True)
class User:
    id: str
    name: str
    team: Team
    admin: bool = False
    locale: str = "en-US"
    bot: bool = False
    deleted: bool = False
    home: View | None = None
    """The App Home as published for this person."""
    modals: list[View] = field(default_factory=list)
    """The open modals, the top one last; at most three."""

    def brief(self) -> Payload:
        """As interaction payloads name a person."""
        return {"id": self.id, "username": self.name, "name": self.name, "team_id": self.team.id}

    def payload(self, *, include_locale: bool) -> Payload:
        shown: Payload = {
            "id": self.id,
            "team_id": self.team.id,
            "name": self.name,
            "real_name": self.name.title(),
            "deleted": self.deleted,
            "tz": "Europe/Amsterdam",
            "tz_offset": 3600,
            "is_admin": self.admin,
            "is_owner": False,
            "is_bot": self.bot,
            "is_app_user": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "profile": {"real_name": self.name.title(), "display_name": self.name, "team": self.team.id},
        }
        return shown | ({"locale": self.locale} if include_locale else {})

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(eq=False, slots=True)
class Enterprise:
    id: str
    name: str
    teams: list[Team] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Install:
    """One installation of the app: a token, its scopes, and the workspaces where it acts."""

    token: str
    bot: User
    bot_id: str
    scopes: frozenset[str]
    teams: list[Team]
    enterprise: Enterprise | None = None
    org_wide: bool = False
    revoked: bool = False

    @property
    def team(self) -> Team:
        return self.teams[0]


@dataclass(eq=False, slots=True)
class Team:
    id: str
    name: str
    enterprise: Enterprise | None = None
    install: Install | None = None
    channels: list[Channel] = field(default_factory=list)

    @property
    def bot(self) -> User:
        assert self.install is not None, f"the app is not installed in {self.name}"
        return self.install.bot

    @property
    def token(self) -> str:
        """The bot token of this workspace."""
        assert self.install is not None, f"the app is not installed in {self.name}"
        return self.install.token

    def brief(self) -> Payload:
        return {"id": self.id, "domain": self.name} | (
            {"enterprise_id": self.enterprise.id, "enterprise_name": self.enterprise.name} if self.enterprise else {}
        )

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(eq=False, slots=True)
class Channel:
    """A test may change `bot_inside`, `archived`, `gone` and `members` at any time; the Web API obeys at once."""

    id: str
    name: str
    team: Team
    kind: str = PUBLIC
    members: list[User] = field(default_factory=list)
    bot_inside: bool = True
    archived: bool = False
    gone: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    """By timestamp."""

    @property
    def shown_name(self) -> str:
        """The name that slash commands carry."""
        return {IM: "directmessage", PRIVATE: "privategroup", MPIM: "mpdm"}.get(self.kind, self.name)

    def payload(self) -> Payload:
        common: Payload = {
            "id": self.id,
            "is_archived": self.archived,
            "is_im": self.kind == IM,
            "is_mpim": self.kind == MPIM,
            "is_private": self.kind != PUBLIC,
            "is_channel": self.kind == PUBLIC,
            "is_group": self.kind == PRIVATE,
            "context_team_id": self.team.id,
        }
        if self.kind == IM:
            return common | {"user": self.members[0].id, "is_open": True}
        return common | {"name": self.name, "name_normalized": self.name, "is_member": self.bot_inside}

    def __repr__(self) -> str:
        return f"<{'#' if self.kind in (PUBLIC, PRIVATE) else ''}{self.name}>"


@dataclass(frozen=True, slots=True)
class Share:
    channel: Channel
    ts: str
    thread_ts: str | None


@dataclass(eq=False, slots=True)
class File:
    """A file as it is kept. `mimetype` stays empty until it was looked over, `shares` until it was shared."""

    id: str
    name: str
    owner: User
    length: int
    alt: str = ""
    title: str = ""
    data: bytes | None = field(default=None, repr=False)
    """None until the bytes came."""
    completed: bool = False
    deleted: bool = False
    mimetype: str = ""
    upload_url: str = ""
    url: str = ""
    shares: list[Share] = field(default_factory=list)
    seen_by: set[str] = field(default_factory=set)
    """People who gave it to the app in a form."""

    @property
    def kind(self) -> str:
        return {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}.get(
            self.mimetype, self.name.rpartition(".")[2].lower()
        )

    def payload(self) -> Payload:
        width, height = picture_size(self.data or b"")
        shares: Payload = {}
        for share in self.shares:
            place = shares.setdefault("public" if share.channel.kind == PUBLIC else "private", {})
            place.setdefault(share.channel.id, []).append(
                {"ts": share.ts, "reply_users": [], "reply_count": 0}
                | ({"thread_ts": share.thread_ts} if share.thread_ts else {})
            )
        return {
            "id": self.id,
            "created": 1_700_000_000,
            "timestamp": 1_700_000_000,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": self.kind if self.mimetype else "",
            "pretty_type": self.kind.upper() if self.mimetype else "",
            "user": self.owner.id,
            "user_team": self.owner.team.id,
            "editable": False,
            "size": len(self.data or b""),
            "mode": "hosted",
            "is_external": False,
            "is_public": any(share.channel.kind == PUBLIC for share in self.shares),
            "public_url_shared": False,
            "url_private": self.url,
            "url_private_download": self.url,
            "permalink": self.url,
            "alt_txt": self.alt,
            "channels": [share.channel.id for share in self.shares if share.channel.kind == PUBLIC],
            "groups": [share.channel.id for share in self.shares if share.channel.kind == PRIVATE],
            "ims": [share.channel.id for share in self.shares if share.channel.kind == IM],
            "shares": shares,
            "has_rich_preview": False,
            "file_access": "visible",
        } | ({"original_w": width, "original_h": height} if width and self.mimetype else {})


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; zeros for what is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError):
        return 0, 0


@dataclass(frozen=True, slots=True)
class Edit:
    """What an update made of a message; `at` in the server's seconds."""

    at: float
    text: str
    buttons: tuple[str, ...]


@dataclass(eq=False, slots=True)
class Message:
    """A message as people see it now, and how it came to be."""

    channel: Channel
    ts: str
    author: User
    fallback: str = ""
    """The `text` argument: what notifications and screen readers get. With blocks, people don't see it."""
    blocks: list[Payload] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    thread_ts: str | None = None
    only_for: User | None = None
    """Who alone sees an ephemeral message."""
    bot_id: str | None = None
    metadata: Payload | None = None
    deleted: bool = False
    posted_at: float = 0.0
    history: list[Edit] = field(default_factory=list)
    images: dict[str, File] = field(default_factory=dict)
    """The files that image blocks show, by id and by address."""
    changes: Changes = field(default_factory=Changes)

    @property
    def ephemeral(self) -> bool:
        return self.only_for is not None

    @property
    def edits(self) -> int:
        return len(self.history)

    @property
    def text(self) -> str:
        """All that can be read in it, but for its buttons."""
        return "\n".join(block_texts(self.blocks)) if self.blocks else self.fallback

    @property
    def buttons(self) -> list[str]:
        return [element["text"]["text"] for _, element in elements(self.blocks) if element["type"] == "button"]

    @property
    def pictures(self) -> list[Picture]:
        """The files that it carries, then those that its blocks show."""
        shown = [file for file in self.files if not file.deleted]
        seen = [Picture(file.name, file.data or b"", file.alt, file) for file in shown]
        return seen + list(block_pictures(self.blocks, self.images))

    @property
    def pings(self) -> list[str]:
        """Whom it calls: people, groups or everyone, by its text or by any mrkdwn in it."""
        read = "\n".join([self.fallback, *block_texts(self.blocks, mrkdwn_only=True)])
        return PING.findall(read)

    def payload(self) -> Payload:
        shown: Payload = {
            "type": "message",
            "ts": self.ts,
            "user": self.author.id,
            "team": self.channel.team.id,
            "text": self.fallback,
        }
        if self.bot_id:
            shown |= {"bot_id": self.bot_id, "app_id": "A0EASEL"}
        if self.blocks:
            shown["blocks"] = self.blocks
        if self.files:
            shown["files"] = [file.payload() for file in self.files if not file.deleted]
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if self.history:
            shown["edited"] = {"user": self.author.id, "ts": self.ts}
        if self.metadata:
            shown["metadata"] = self.metadata
        return shown

    def __repr__(self) -> str:
        state = "deleted " * self.deleted + "ephemeral " * self.ephemeral
        place = f"{self.channel!r}{' thread' if self.thread_ts else ''}"
        return f"<{state}message {self.ts} in {place}: {self.text!r}, buttons {self.buttons}, {len(self.pictures)} pictures>"


@dataclass(eq=False, slots=True)
class View:
    """A modal on a person's screen, or an App Home. `typed` keeps what the person put in, by (block id, action id)."""

    id: str
    user: User
    kind: str
    body: Payload
    hash: str
    install: Install
    root: str = ""
    previous: str | None = None
    typed: dict[tuple[str, str], Payload] = field(default_factory=dict)
    offered: dict[str, list[Payload]] = field(default_factory=dict)
    """What the app suggested for external selects, by action id."""
    errors: dict[str, str] = field(default_factory=dict)
    """By block id, as shown under the fields."""
    images: dict[str, File] = field(default_factory=dict)
    open: bool = True
    updates: int = 0
    changes: Changes = field(default_factory=Changes)

    @property
    def blocks(self) -> list[Payload]:
        return list(self.body.get("blocks") or ())

    @property
    def title(self) -> str:
        return str((self.body.get("title") or {}).get("text") or "")

    @property
    def callback_id(self) -> str:
        return str(self.body.get("callback_id") or "")

    @property
    def text(self) -> str:
        return "\n".join(block_texts(self.blocks))

    @property
    def buttons(self) -> list[str]:
        return [element["text"]["text"] for _, element in elements(self.blocks) if element["type"] == "button"]

    @property
    def pictures(self) -> list[Picture]:
        return list(block_pictures(self.blocks, self.images))

    def __repr__(self) -> str:
        return f"<{'' if self.open else 'closed '}{self.kind} {self.id} {self.title!r}: {self.text!r}, errors {self.errors}>"
