"""One thing asked on the page and its one answer: a note, a form, or the message that grows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from adapters.web.address import PLACE, Address
from adapters.web.board import Board
from adapters.web.people import Person
from adapters.web.reply import WebReply
from adapters.web.uploads import Uploads
from adapters.web.views import Json, form_json
from adapters.web.wire import error, refused
from bot import cards
from bot.cards import Card, Form
from bot.errors import EaselError
from bot.jobs import Place, Requester
from bot.ports import Keep, Reply
from commands.spec import Attachment

AT_ONCE = 0.03
"""Seconds after the message was opened until it is the answer: most are accepted, or refused, by then."""


@dataclass(frozen=True, slots=True)
class Question:
    """What every request brings. `request` repeats in a retry; `picture` is the one pointed at, if any."""

    person: Person
    request: str
    picture: int = 0


class WebTurn:
    """A `commands.spec.Turn`. `answer` is what the request gets."""

    place: Place = PLACE
    locale: str = "en"
    missing_permissions: tuple[str, ...] = ()

    def __init__(self, question: Question, board: Board, uploads: Uploads, *, moderates: bool) -> None:
        self._question = question
        self._board = board
        self._uploads = uploads
        self.moderates = moderates
        self.answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._opened: Address | None = None

    @property
    def requester(self) -> Requester:
        return self._question.person.requester

    @property
    def delivery_key(self) -> str:
        """Of this person only: nobody else's request is taken for it."""
        return f"{self._question.person.id}:{self._question.request}"

    async def tell(self, card: Card, *, private: bool = True) -> None:
        if self._opened is None and not self.answer.done():
            self._give({"kind": "note", "card": await self._board.card_json(card)})
        else:
            await self._board.note(self._question.person.id, card)

    async def ask(self, form: Form) -> None:
        self._give({"kind": "form", "form": form_json(form, picture=self._question.picture)})

    async def open(self, *, private: bool, brief: bool = False) -> Reply:
        address = Address.asked(self._question.person.id, self._question.request, private=private)
        if brief:
            return BriefReply(self, address)
        self._opened = address
        asyncio.get_running_loop().call_later(AT_ONCE, self._give_message, address.key)
        return WebReply(self._board, address, self._left_over)

    async def read(self, attachment: Attachment, *, most: int) -> bytes:
        return await self._uploads.read(attachment, self._question.person.id, most=most)

    async def remove(self, address: str) -> None:
        await self._board.take_away(Address.parse(address).key)

    async def hide(self, address: str) -> None:
        await self._board.tell_again(Address.parse(address).key)

    async def give_up(self, problem: EaselError) -> None:
        """It went wrong: said in the answer while there is none, else in a note."""
        if self.answer.done() or self._opened is not None:
            await self._board.note(self._question.person.id, cards.refused(problem))
        self._give(refused(problem))

    async def finish(self) -> None:
        """The command is over: what it accepted is on the board, and there is an answer."""
        if self._opened is not None:
            await self._board.tell_again(self._opened.key)
            self._give_message(self._opened.key)
        self._give({"kind": "note", "card": await self._board.card_json(Card("Done"))})

    async def _left_over(self, card: Card) -> None:
        """The message was opened, and no job came of it: it is an error like any other."""
        opened, self._opened = self._opened, None
        if not self.answer.done():
            self._give(error(card))
            return
        if opened is not None:  # the page was told to expect it
            await self._board.take_away(opened.key)
        await self._board.note(self._question.person.id, card)

    def _give_message(self, key: str) -> None:
        self._give({"kind": "message", "key": key})

    def _give(self, answer: Json) -> None:
        """The first one counts."""
        if not self.answer.done():
            self.answer.set_result(answer)


class BriefReply:
    """The one answer of a command that needs no growing message: a note. A `bot.ports.Reply`."""

    expires_at: datetime | None = None
    public = False

    def __init__(self, turn: WebTurn, address: Address) -> None:
        self._turn = turn
        self._address = address

    @property
    def address(self) -> str:
        return str(self._address)

    @property
    def key(self) -> str:
        return self._address.key

    async def show(self, card: Card) -> bool:
        return True

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        await self._turn.tell(card)
        return str(self._address.cleared())

    async def whisper(self, card: Card) -> None:
        await self._turn.tell(card)
