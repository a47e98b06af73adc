"""What a command is, for every platform: its options with their ranges, who runs it, and the one turn it answers in."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.cards import Card, Form
from bot.easel import Easel
from bot.images import Range
from bot.jobs import Place, Requester
from bot.ports import Reply


class Kind(enum.StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    PICTURE = "picture"
    """A file the person adds; its value is an Attachment."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`label` is read, `value` is sent. At most 25 an option; both at most 100 characters (Discord)."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a person handed in, not yet read. `key` is the platform's own way to it, for `Turn.read`."""

    key: str
    name: str
    bytes: int


Suggest = Callable[[Easel, str], list[Choice]]
"""What to offer for the text typed so far: from memory, at most 25."""


@dataclass(frozen=True, slots=True)
class Option:
    """`name` at most 32 characters of a-z0-9_, `description` at most 100. `range` bounds numbers, and lengths of text."""

    name: str
    description: str
    kind: Kind = Kind.TEXT
    required: bool = False
    range: Callable[[Easel], Range] | None = None
    choices: tuple[Choice, ...] = ()
    suggest: Suggest | None = None
    word: bool = False
    """One word without spaces, such as an id."""


Options = Mapping[str, object]
"""Checked values by option name; what was not given is absent. PICTURE options hold an Attachment."""


class Turn(Protocol):
    """One thing that one person asked, and the one answer to it.

    Answer once, in the right form, before anything that waits: `tell` (a private word), `ask` (a form) or `open` (the
    message that grows). After `tell` or `open`, `tell` says a further private word; it never raises for a lost one.
    """

    @property
    def requester(self) -> Requester: ...

    @property
    def place(self) -> Place: ...

    @property
    def locale(self) -> str: ...

    @property
    def delivery_key(self) -> str:
        """Unique per thing asked; a replay has the same one."""

    @property
    def moderates(self) -> bool:
        """Whether this person may manage messages here."""

    @property
    def missing_permissions(self) -> tuple[str, ...]:
        """What the bot lacks here to deliver a picture, in the platform's own words; empty when all is well."""

    async def tell(self, card: Card, *, private: bool = True) -> None: ...

    async def ask(self, form: Form) -> None: ...

    async def open(self, *, private: bool, brief: bool = False) -> Reply:
        """Acknowledge and hold the message that grows.

        `brief`: it holds one answer that comes within seconds, and is not reopened after a restart.
        """

    async def read(self, attachment: Attachment, *, most: int) -> bytes:
        """The file's bytes. Raises BadRequest if there are more than `most` or it can't be had."""

    async def remove(self, address: str) -> None:
        """Delete the message at this address. Raises NotAllowed, in plain words, if it can't be."""

    async def hide(self, address: str) -> None:
        """Cover the pictures in the message at this address. Raises NotAllowed if it can't be."""


Run = Callable[[Easel, Turn, Options], Awaitable[None]]


class Where(enum.StrEnum):
    SLASH = "slash"
    """Typed by people."""
    MESSAGE = "message"
    """On a message with a picture; options: `message` (its address, or ""), `picture` (an Attachment, if any)."""
    BUTTON = "button"
    """Under a result; options: `job` and `argument`."""
    FORM = "form"
    """A form came back; options: its fields and `job`."""


@dataclass(frozen=True, slots=True)
class Command:
    """`name` may have two words ("lora list"). `title` is what a message command is called."""

    name: str
    description: str
    run: Run
    options: tuple[Option, ...] = ()
    where: Where = Where.SLASH
    title: str = ""
    example: str = field(default="")
