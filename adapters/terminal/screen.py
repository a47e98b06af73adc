"""How a card looks in a terminal: a spinner while it works; plain lines where nobody watches."""

from __future__ import annotations

import re
import sys
from typing import Protocol, TextIO

from bot.cards import Card, Style, Tone


class Screen(Protocol):
    def working(self, card: Card) -> None:
        """Something goes on; may be said again and again."""

    def say(self, *lines: str) -> None: ...

    def end(self) -> None:
        """Nothing goes on any more."""


def screen(stream: TextIO | None = None) -> Screen:
    """A live one where `stream`, by default standard output, is a terminal."""
    stream = stream or sys.stdout
    return Live() if stream.isatty() else Plain(stream)


class Plain:
    """One line for each phase, not for each second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._phase = ""

    def working(self, card: Card) -> None:
        phase = card.title.split()[0]
        if phase != self._phase:
            self._phase = phase
            self.say(card.title)

    def say(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self._stream, flush=True)

    def end(self) -> None: ...


class Live:
    """A spinner with the phase and the seconds since it began."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(highlight=False, markup=False)
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("", total=None)

    def working(self, card: Card) -> None:
        self._progress.update(self._task, description=_without_seconds(card.title))
        self._progress.start()

    def say(self, *lines: str) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def end(self) -> None:
        self._progress.stop()


def _without_seconds(title: str) -> str:
    """`Generating… 6 s (usually 8 s)` beside a clock of its own."""
    return re.sub(r"… \d+ (s|min)\b", "…", title)


def told(card: Card) -> list[str]:
    """An ended card as lines of text; what can be pressed in a chat is left out."""
    bad = card.tone in (Tone.BAD, Tone.WARNING)
    lines = [f"  “{line.text}”" if line.style is Style.QUOTE else f"  {line.text}" for line in card.lines if line.text]
    return [f"{'✗' if bad else '✓' if card.tone is Tone.GOOD else '·'} {card.title}", *lines]
