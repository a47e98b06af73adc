"""A terminal that asks for one picture, and shows what earlier starts left unfinished."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from adapters.terminal.reply import Address, TerminalReply, slug
from adapters.terminal.screen import Screen, told
from bot.cards import Card, Form
from bot.errors import BadRequest, EaselError, NotAllowed
from bot.jobs import Place, Requester
from commands import command
from commands.spec import Attachment, Options, Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.easel import Easel
    from bot.ports import Route
    from bot.vault import Vault

PLACE = Place("terminal", None, "terminal", age_restricted=True)
"""Nobody looks over the operator's shoulder: a flagged picture is theirs to see, unless all are blocked."""


class Terminal:
    """A `bot.ports.Platform`. `out` is the folder for the pictures."""

    name = "terminal"
    ready = True

    def __init__(self, options: Options, out: Path, screen: Screen) -> None:
        self._options = options
        self._out = out.absolute()
        self._screen = screen
        self._replies: dict[str, TerminalReply] = {}
        self.saved: tuple[Path, ...] = ()
        """The pictures that were asked for now, once `serve` has ended; none when it failed."""

    def routes(self) -> Sequence[Route]:
        return ()

    async def login(self, vault: Vault) -> None: ...

    async def serve(self, easel: Easel) -> None:
        """Draw it; on return the answers to this and to everything left unfinished are out."""
        key = uuid4().hex
        name = slug(str(self._options.get("prompt", "")))
        turn = TerminalTurn(Address(key, str(self._out), name), self._screen, self._replies)
        try:
            check_writable(self._out)
            await command("imagine", Where.SLASH).run(easel, turn, self._options)
        except EaselError as error:
            self._screen.say(f"✗ {error}")
        for reply in list(self._replies.values()):
            await reply.closed.wait()
        while easel.intake.load[1]:  # noqa: ASYNC110 - a counter: the last rows are being written
            await asyncio.sleep(0.02)
        own = self._replies.get(str(turn.address))
        self.saved = own.saved if own else ()

    def reopen(self, address: str) -> TerminalReply:
        if address not in self._replies:
            self._replies[address] = TerminalReply(Address.read(address), self._screen, earlier=True)
        return self._replies[address]

    async def stop_taking(self) -> None: ...

    async def close(self) -> None:
        self._screen.end()


def check_writable(out: Path) -> None:
    """Make the folder, before anything is paid. Raises BadRequest."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        writable = os.access(out, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise BadRequest(f"Pictures can't be saved in {out}. Choose another folder with --out.")


@dataclass(slots=True)
class TerminalTurn:
    """A `commands.spec.Turn` of the operator."""

    address: Address
    screen: Screen
    replies: dict[str, TerminalReply]
    place: Place = PLACE
    locale: str = "en"
    moderates: bool = True
    missing_permissions: tuple[str, ...] = ()

    @property
    def requester(self) -> Requester:
        return Requester("terminal", "operator", "the operator")

    @property
    def delivery_key(self) -> str:
        return self.address.key

    async def tell(self, card: Card, *, private: bool = True) -> None:
        self.screen.say(*told(card))

    async def ask(self, form: Form) -> None:
        raise NotAllowed("A terminal has no forms; give everything on the command line.")

    async def open(self, *, private: bool, brief: bool = False) -> TerminalReply:
        reply = self.replies[str(self.address)] = TerminalReply(self.address, self.screen)
        return reply

    async def read(self, attachment: Attachment, *, most: int) -> bytes:
        if attachment.bytes > most:
            raise BadRequest(f"{attachment.name} is larger than {most // 1024 // 1024} MB.")
        try:
            return await asyncio.to_thread(Path(attachment.key).read_bytes)
        except OSError as error:
            raise BadRequest(f"{attachment.name} can't be read ({error.strerror}).") from None

    async def remove(self, address: str) -> None:
        raise NotAllowed("What is on a terminal can't be taken back.")

    async def hide(self, address: str) -> None:
        raise NotAllowed("What is on a terminal can't be covered.")
