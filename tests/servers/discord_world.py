"""Who and what there is on the local Discord: people, guilds, channels, files and messages, as a person sees them."""

from __future__ import annotations

import asyncio
import io
import mimetypes
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote

Payload = dict[str, Any]

EPOCH_MS = 1420070400000
EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15
SPOILER_FILE = 1 << 3

TEXT, DM, GROUP_DM, THREAD = 0, 1, 3, 11

PERMISSIONS = {
    "administrator": 1 << 3,
    "view_channel": 1 << 10,
    "send_messages": 1 << 11,
    "manage_messages": 1 << 13,
    "embed_links": 1 << 14,
    "attach_files": 1 << 15,
    "read_message_history": 1 << 16,
    "use_application_commands": 1 << 31,
    "send_messages_in_threads": 1 << 38,
    "use_external_apps": 1 << 50,
}
MEMBER = frozenset(PERMISSIONS) - {"administrator", "manage_messages"}


def bits(permissions: Iterable[str]) -> int:
    """Permissions by Discord's own names as its bit set. Raises KeyError for a name that is not in PERMISSIONS."""
    return sum(PERMISSIONS[name] for name in frozenset(permissions))


class Snowflakes:
    """Ids in the order of their making; `age` makes one from so many seconds ago."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, age: float = 0.0) -> int:
        return (int((time.time() - age) * 1000) - EPOCH_MS) << 22 | (next(self._numbers) & 0x3FFFFF)


class Changes:
    """Wakes whoever waits until something becomes true: each change asks every waiter's own question."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], object], asyncio.Future[None]]] = []

    def tell(self) -> None:
        for question, answer in self._waiting:
            if not answer.done():
                try:
                    if question():
                        answer.set_result(None)
                except Exception as error:
                    answer.set_exception(error)

    async def until(self, question: Callable[[], object], timeout: float, about: Callable[[], str]) -> None:
        """Raises TimeoutError that says what there is instead (`about`)."""
        if question():
            return
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        try:
            async with asyncio.timeout(timeout):
                await answer
        except TimeoutError:
            raise TimeoutError(f"not within {timeout:g} s; now: {about()}") from None
        finally:
            self._waiting.remove((question, answer))


@dataclass(eq=False, slots=True)
class User:
    id: int
    name: str
    locale: str = "en-US"
    bot: bool = False
    dms_open: bool = True

    def payload(self) -> Payload:
        return {
            "id": str(self.id),
            "username": self.name,
            "global_name": None if self.bot else self.name.title(),
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
            "public_flags": 0,
        }


def member(user: User, permissions: int) -> Payload:
    return {
        "user": user.payload(),
        "roles": [],
        "joined_at": "2024-01-01T00:00:00+00:00",
        "premium_since": None,
        "nick": None,
        "avatar": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "permissions": str(permissions),
    }


@dataclass(eq=False, slots=True)
class Guild:
    """`bot_inside=False` is a guild where people use the application that only they installed."""

    id: int
    name: str
    owner: User
    bot_inside: bool = True
    channels: list[Channel] = field(default_factory=list)

    def partial(self) -> Payload:
        return {"id": str(self.id), "locale": "en-US", "features": []}

    def payload(self, bot: User) -> Payload:
        places = [channel.payload() for channel in self.channels if not channel.gone]
        return {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner.id),
            "preferred_locale": "en-US",
            "features": [],
            "roles": [self._everyone()],
            "emojis": [],
            "stickers": [],
            "member_count": 2,
            "joined_at": "2024-01-01T00:00:00+00:00",
            "large": False,
            "unavailable": False,
            "members": [member(bot, bits(MEMBER))],
            "channels": [place for place in places if place["type"] != THREAD],
            "threads": [place for place in places if place["type"] == THREAD],
            "presences": [],
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "premium_tier": 0,
            "nsfw_level": 0,
            "verification_level": 0,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "afk_channel_id": None,
            "afk_timeout": 300,
        }

    def _everyone(self) -> Payload:
        return {
            "id": str(self.id),
            "name": "@everyone",
            "permissions": str(bits(MEMBER)),
            "position": 0,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }


@dataclass(eq=False, slots=True)
class Channel:
    """A test may change `bot_permissions`, `archived` and `gone` at any time; REST obeys at once."""

    id: int
    kind: int
    name: str
    guild: Guild | None = None
    parent: Channel | None = None
    nsfw: bool = False
    people: tuple[User, ...] = ()
    bot_permissions: frozenset[str] = MEMBER
    bot_inside: bool = True
    archived: bool = False
    gone: bool = False

    def payload(self) -> Payload:
        common: Payload = {"id": str(self.id), "type": self.kind, "flags": 0, "last_message_id": None}
        if self.guild is None:
            return common | {"recipients": [user.payload() for user in self.people]} | self._group()
        common |= {
            "guild_id": str(self.guild.id),
            "name": self.name,
            "parent_id": str(self.parent.id) if self.parent else None,
            "rate_limit_per_user": 0,
        }
        return common | (self._thread() if self.kind == THREAD else self._text())

    def _group(self) -> Payload:
        if self.kind != GROUP_DM:
            return {}
        return {"name": self.name, "icon": None, "owner_id": str(self.people[0].id)}

    def _text(self) -> Payload:
        return {"position": 0, "nsfw": self.nsfw, "topic": None, "permission_overwrites": []}

    def _thread(self) -> Payload:
        """A thread carries no age restriction of its own."""
        assert self.guild is not None
        return {
            "owner_id": str(self.guild.owner.id),
            "message_count": 0,
            "member_count": 1,
            "total_message_sent": 0,
            "thread_metadata": {
                "archived": self.archived,
                "auto_archive_duration": 1440,
                "archive_timestamp": "2024-01-01T00:00:00+00:00",
                "locked": False,
            },
        }


@dataclass(eq=False, slots=True)
class File:
    """An attachment as it is kept."""

    id: int
    name: str
    data: bytes
    url: str
    description: str | None = None
    flags: int = 0

    @property
    def content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    @property
    def spoiler(self) -> bool:
        return self.name.startswith("SPOILER_") or bool(self.flags & SPOILER_FILE)

    def payload(self) -> Payload:
        width, height = _picture_size(self.data)
        return {
            "id": str(self.id),
            "filename": self.name,
            "size": len(self.data),
            "url": self.url,
            "proxy_url": self.url,
            "content_type": self.content_type,
            "description": self.description,
            "flags": self.flags,
            "width": width,
            "height": height,
        }


def _picture_size(data: bytes) -> tuple[int | None, int | None]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError):
        return None, None


def file_url(base: str, channel: int, file: int, name: str) -> str:
    return f"{base}/attachments/{channel}/{file}/{quote(name)}?ex=7fffffff&is=60000000&hm={file:x}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a person sees. `spoiler` by its name, its flag, its gallery item or the container around it."""

    name: str
    data: bytes = field(repr=False)
    spoiler: bool
    alt: str


@dataclass(frozen=True, slots=True)
class Edit:
    """`at` in the event loop's seconds; `by` is `interaction` or `bot`."""

    at: float
    by: str
    body: Payload
    text: str


@dataclass(eq=False, slots=True)
class Message:
    """A message as people see it now, and how it came to be."""

    channel: Channel
    id: int
    author: User
    flags: int = 0
    content: str = ""
    embeds: list[Payload] = field(default_factory=list)
    components: list[Payload] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    nonce: str | None = None
    only_for: User | None = None
    """Who alone sees an ephemeral message."""
    deleted: bool = False
    posted_at: float = 0.0
    """In the event loop's seconds."""
    history: list[Edit] = field(default_factory=list)
    interaction: Payload | None = None
    watchers: list[Changes] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)

    @property
    def key(self) -> tuple[int, int]:
        return self.channel.id, self.id

    @property
    def edits(self) -> int:
        return len(self.history)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def thinking(self) -> bool:
        """Deferred, and nothing shown yet."""
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """All that can be read in it, but for its buttons."""
        parts = [self.content, *_embed_texts(self.embeds)]
        parts += [part["content"] for part in walk(self.components) if part["type"] == 10]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[str]:
        """The labels, each with its emoji in front; disabled ones too."""
        return [button_label(part) for part in walk(self.components) if part["type"] == 2]

    @property
    def pictures(self) -> list[Picture]:
        """In the order of the galleries, else of the attachments."""
        if self.flags & COMPONENTS_V2:
            return list(self._gallery(self.components, hidden=False))
        return [Picture(file.name, file.data, file.spoiler, file.description or "") for file in self.files]

    def _gallery(self, parts: list[Payload], *, hidden: bool) -> Iterator[Picture]:
        for part in parts:
            if part["type"] == 17:
                yield from self._gallery(part["components"], hidden=hidden or bool(part.get("spoiler")))
            for item in part.get("items", ()) if part["type"] == 12 else ():
                file = self.file(item["media"])
                if file is not None:
                    alt = item.get("description") or file.description or ""
                    covered = hidden or file.spoiler or bool(item.get("spoiler"))
                    yield Picture(file.name, file.data, covered, alt)

    def file(self, media: Payload) -> File | None:
        """The attachment that a component shows, by its address or its id."""
        wanted = media.get("attachment_id"), media["url"].removeprefix("attachment://").partition("?")[0]
        for file in self.files:
            if str(file.id) == wanted[0] or file.name == wanted[1] or file.url.partition("?")[0] == wanted[1]:
                return file
        return None

    def payload(self) -> Payload:
        return {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "type": 20 if self.interaction else 0,
            "author": self.author.payload(),
            "content": self.content,
            "timestamp": stamp(self.id),
            "edited_timestamp": datetime.now(UTC).isoformat() if self.history else None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [file.payload() for file in self.files],
            "embeds": self.embeds,
            "components": [self._with_media(part) for part in self.components],
            "pinned": False,
            "flags": self.flags,
            **({"nonce": self.nonce} if self.nonce else {}),
            **({"application_id": str(self.author.id)} if self.author.bot else {}),
            **({"interaction_metadata": self.interaction} if self.interaction else {}),
            **({"guild_id": str(self.channel.guild.id)} if self.channel.guild else {}),
        }

    def _with_media(self, part: Payload) -> Payload:
        """What Discord sends back: `attachment://…` became the file's own address."""
        shown = dict(part)
        for name in ("components", "items"):
            if name in part:
                shown[name] = [self._with_media(child) for child in part[name]]
        if "accessory" in part:
            shown["accessory"] = self._with_media(part["accessory"])
        for name in ("media", "file"):
            if name in part and (file := self.file(part[name])):
                shown[name] = {
                    "url": file.url,
                    "proxy_url": file.url,
                    "attachment_id": str(file.id),
                    "content_type": file.content_type,
                    "loading_state": 2,
                    "flags": file.flags,
                }
        return shown

    def tell(self) -> None:
        self.changes.tell()
        for changes in self.watchers:
            changes.tell()

    def __repr__(self) -> str:
        state = "deleted " * self.deleted + "thinking " * self.thinking + "ephemeral " * self.ephemeral
        return f"<{state}message {self.id}: {self.text!r}, buttons {self.buttons}, {len(self.pictures)} pictures>"


def stamp(snowflake: int) -> str:
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH_MS) / 1000, UTC).isoformat()


def walk(parts: Iterable[Payload]) -> Iterator[Payload]:
    """Every component, nested ones too, from top to bottom."""
    for part in parts:
        yield part
        yield from walk(part.get("components") or ())
        for single in ("accessory", "component"):
            if part.get(single):
                yield from walk([part[single]])


def button_label(part: Mapping[str, Any]) -> str:
    return f"{(part.get('emoji') or {}).get('name') or ''} {part.get('label') or ''}".strip()


def _embed_texts(embeds: Iterable[Payload]) -> Iterator[str]:
    for embed in embeds:
        yield embed.get("title") or ""
        yield embed.get("description") or ""
        for line in embed.get("fields") or ():
            yield f"{line['name']}\n{line['value']}"
        yield (embed.get("footer") or {}).get("text") or ""
