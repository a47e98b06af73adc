"""What is said to people, not how it looks: every word of Easel's own stands here.

A card is plain text in parts. Nothing in it is markup: a platform's `render.py` escapes every text, so a prompt can
neither format, link nor mention. Words are looked up by locale; English is the only language so far.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.images import Flag, ImageRequest, Lora, Picture
from bot.jobs import Cancelled, Checking, Failed, Finished, Generating, Job, Outcome, Progress, Uncertain, Waiting


class Tone(enum.StrEnum):
    NEUTRAL = "neutral"
    WORKING = "working"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Style(enum.StrEnum):
    PLAIN = "plain"
    QUOTE = "quote"
    """What a person wrote, e.g. the prompt."""
    SMALL = "small"
    """Parameters, costs, ids."""
    HEADING = "heading"
    CODE = "code"
    """To be copied as it stands."""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture to attach. `hidden` is the decision; how it is hidden is the platform's manner."""

    path: Path
    index: int
    hidden: bool
    alt: str
    private: bool = False
    """Never carries its parameters."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something to press. `verb` is a command of the catalogue, `argument` its number, e.g. which picture to vary."""

    verb: str
    job: str
    label: str
    emoji: str = ""
    argument: int = 0
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    lines: tuple[Line, ...] = ()
    tone: Tone = Tone.NEUTRAL
    pictures: tuple[Shown, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form. `kind` is text, long or number; `value` is filled in."""

    name: str
    label: str
    value: str = ""
    long: bool = False
    required: bool = False
    hint: str = ""
    most: int = 4000


@dataclass(frozen=True, slots=True)
class Form:
    """Asked in a modal. What comes back is command `verb` with the fields' names as options, and `job`."""

    verb: str
    title: str
    job: str
    fields: tuple[Field, ...] = field(default=())
