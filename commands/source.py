"""Use as source image: any picture in the chat becomes the start of a new one.

The form has to be the first answer, and a form carries only a short text. A picture of ours is named there by its job;
anybody else's stays with us, unread, under a token until the form comes back, and is read and kept only then.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.cards import Field, Form
from bot.errors import BadRequest
from bot.images import MAX_PROMPT, Range
from commands import access, delivering, imagine
from commands.asking import ask
from commands.spec import Attachment, Command, Kind, Option, Options, Turn, Where
from commands.vary import STRENGTH, kept_picture

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.store import Record

HELD = "held-"
MOST_HELD = 1000


class Held:
    """Attachments by token, the newest thousand; a restart forgets them, and the person is told."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Attachment] = OrderedDict()

    def keep(self, attachment: Attachment) -> str:
        token = HELD + secrets.token_hex(12)
        self._kept[token] = attachment
        while len(self._kept) > MOST_HELD:
            self._kept.popitem(last=False)
        return token

    def get(self, token: str) -> Attachment:
        """Raises BadRequest for one that is forgotten."""
        if token not in self._kept:
            raise BadRequest("I no longer have that picture at hand. Please choose “Use as source image” again.")
        return self._kept[token]


held = Held()


async def open_form(easel: Easel, turn: Turn, options: Options) -> None:
    record = await access.of_message(easel, options)
    if record is not None and access.may_see(record, turn) and access.visible(record, turn):
        await turn.ask(_form(record.job.id, easel, record.job.request.prompt, _choice(record, turn)))
        return
    picture = options.get("picture")
    if not isinstance(picture, Attachment):
        raise BadRequest("That message has no picture. Choose one that shows a picture.")
    await turn.ask(_form(held.keep(picture), easel, "", ()))


async def run_form(easel: Easel, turn: Turn, options: Options) -> None:
    reference = str(options["job"])
    said = {name: value for name, value in options.items() if name not in ("job", "picture")}
    if reference.startswith(HELD):
        await delivering.draw(easel, turn, ask(easel, {**said, "image": held.get(reference)}))
        return
    record = await access.seen(easel, turn, reference)
    first = next((it.index for it in access.visible(record, turn)), 1)
    picture = kept_picture(easel, turn, record, int(str(options.get("picture") or first)))
    asked = ask(easel, said)
    size = asked.request.size if asked.size_given else record.job.request.size
    asked = replace(
        asked,
        request=replace(asked.request, size=size),
        private=asked.private or record.job.private,
        spoiler=asked.spoiler or record.job.spoiler,
        size_given=True,
    )
    await delivering.draw(easel, turn, asked, source=picture)


def _form(reference: str, easel: Easel, prompt: str, choice: tuple[Field, ...]) -> Form:
    low, high = easel.capabilities.strength.low, easel.capabilities.strength.high
    hint = f"{low:g} keeps it, {high:g} ignores it"
    fields = (
        Field("prompt", "What should become of it?", prompt, long=True, required=True, most=MAX_PROMPT),
        Field("strength", "Strength", f"{STRENGTH:g}", hint=hint, most=5),
        *choice,
    )
    return Form("source", "Use as source image", reference, fields)


def _choice(record: Record, turn: Turn) -> tuple[Field, ...]:
    indexes = [picture.index for picture in access.visible(record, turn)]
    if len(indexes) == 1:
        return ()
    listed = ", ".join(str(index) for index in indexes)
    return (Field("picture", "Which picture?", str(indexes[0]), hint=listed, most=1),)


SOURCE = Command(
    "source",
    "Draw a new picture from this one",
    open_form,
    where=Where.MESSAGE,
    title="Use as source image",
)

SOURCE_FORM = Command(
    "source",
    "Draw from the chosen picture",
    run_form,
    (
        Option("prompt", "What should become of it", required=True, range=lambda easel: Range(1, MAX_PROMPT)),
        imagine.STRENGTH,
        Option("picture", "Which picture", Kind.INTEGER, range=lambda easel: Range(1, easel.capabilities.max_count)),
    ),
    where=Where.FORM,
)
