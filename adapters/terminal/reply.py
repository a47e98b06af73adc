"""The one answer to the one thing asked: shown on the screen, its pictures saved in a folder."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from adapters.terminal.screen import Screen, told
from bot.cards import Card
from bot.ports import DeliveryFailed, Keep

COVERED = "SPOILER_"
"""Begins the name of a picture that was flagged, or not judged: chats cover a file that is called so."""


@dataclass(frozen=True, slots=True)
class Address:
    """`name` begins the files' names; `key` makes them this job's own, so that saving them again adds none."""

    key: str
    out: str
    name: str

    @classmethod
    def read(cls, text: str) -> Address:
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class TerminalReply:
    """`earlier` when an earlier start left it unfinished."""

    expires_at: datetime | None = None

    def __init__(self, address: Address, screen: Screen, *, earlier: bool = False) -> None:
        self._address = address
        self._screen = screen
        self._earlier = earlier
        self._card: Card | None = None
        self.closed = asyncio.Event()
        self.saved: tuple[Path, ...] = ()

    @property
    def address(self) -> str:
        return str(self._address)

    @property
    def key(self) -> str:
        return f"terminal:{self._address.key}"

    @property
    def public(self) -> bool:
        return False

    async def show(self, card: Card) -> bool:
        if not self.closed.is_set():
            self._screen.working(card)
        return True

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        if card == self._card:
            return self.address
        try:
            self.saved = await asyncio.to_thread(self._save, card)
        except OSError as error:
            self._screen.say(f"✗ The picture can't be saved in {self._address.out} ({error.strerror}); trying again.")
            raise DeliveryFailed(f"the picture can't be saved ({error.strerror})") from None
        self._card = card
        self._screen.end()
        if self._earlier:
            self._screen.say("An earlier start was interrupted; this is how its picture ended:")
        self._screen.say(*told(card), *(f"  saved as {_near(path)}" for path in self.saved))
        self.closed.set()
        return self.address

    async def whisper(self, card: Card) -> None:
        self._screen.say(*told(card))

    def _save(self, card: Card) -> tuple[Path, ...]:
        out = Path(self._address.out)
        saved = []
        for shown in card.pictures:
            out.mkdir(parents=True, exist_ok=True)
            covered = COVERED if shown.hidden else ""
            number = f"-{shown.index}" if len(card.pictures) > 1 else ""
            path = out / f"{covered}{self._address.name}-{self._address.key[:6]}{number}{shown.path.suffix}"
            shutil.copyfile(shown.path, path)
            saved.append(path)
        return tuple(saved)


def _near(path: Path) -> Path:
    """As seen from here, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def slug(prompt: str) -> str:
    """The first words, fit for a file name on any system."""
    return "-".join(re.findall(r"[^\W_]+", prompt.lower())[:5])[:40] or "picture"
