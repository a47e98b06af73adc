"""A Turn without a platform: it notes what was answered, and holds commands to the one-answer rule."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.cards import Card, Form
from bot.errors import BadRequest, NotAllowed
from bot.jobs import Place, Requester
from commands.spec import Attachment
from tests.doubles.reply import Notes, NotingReply

ANNA = Requester("double", "1", "Anna")
BEN = Requester("double", "2", "Ben")
SQUARE = Place("double", "community", "channel")


@dataclass(eq=False)
class NotingTurn:
    """`files` are what people attached, by their key. `stuck` holds messages that can be neither removed nor hidden."""

    requester: Requester = ANNA
    place: Place = SQUARE
    locale: str = "en"
    delivery_key: str = "delivery-1"
    moderates: bool = False
    missing_permissions: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    stuck: frozenset[str] = frozenset()
    notes: Notes = field(default_factory=list)
    reply: NotingReply | None = None
    told: list[Card] = field(default_factory=list)
    form: Form | None = None
    removed: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        return bool(self.reply or self.told or self.form)

    @property
    def order(self) -> list[str]:
        return [what for what, _ in self.notes]

    async def tell(self, card: Card, *, private: bool = True) -> None:
        assert self.form is None, "a form was the answer"
        self.notes.append(("tell", private))
        self.told.append(card)

    async def ask(self, form: Form) -> None:
        assert not self.answered, "a form has to be the first answer"
        self.notes.append(("ask", form.verb))
        self.form = form

    async def open(self, *, private: bool, brief: bool = False) -> NotingReply:
        assert not self.answered, "there is one answer"
        self.notes.append(("open", private))
        self.reply = NotingReply(self.notes, private=private)
        return self.reply

    async def read(self, attachment: Attachment, *, most: int) -> bytes:
        assert self.answered, "reading waits for a wire: answer first"
        await asyncio.sleep(0)
        self.notes.append(("read", attachment.name))
        data = self.files.get(attachment.key)
        if data is None or len(data) > most:
            raise BadRequest(f"{attachment.name} can't be read.")
        return data

    async def remove(self, address: str) -> None:
        assert self.answered, "removing waits for a wire: answer first"
        self.notes.append(("remove", address))
        if address in self.stuck:
            raise NotAllowed("I may not remove messages here.")
        self.removed.append(address)

    async def hide(self, address: str) -> None:
        assert self.answered, "hiding waits for a wire: answer first"
        self.notes.append(("hide", address))
        if address in self.stuck:
            raise NotAllowed("I may not change that message.")
        self.hidden.append(address)
