"""Image details: the whole prompt and every parameter, as a button and on a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.cards import Card, Line, Style
from bot.errors import BadRequest
from bot.jobs import Finished
from commands import access, history
from commands.asking import flags_of
from commands.delivering import closed_on_error
from commands.grammar import render
from commands.lora_names import shown
from commands.spec import Command, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.images import ImageRequest, Lora
    from bot.store import Record


async def press(easel: Easel, turn: Turn, options: Options) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        await reply.close(card(easel, await access.seen(easel, turn, str(options["job"]))))


async def on_message(easel: Easel, turn: Turn, options: Options) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        record = await access.of_message(easel, options)
        if record is None or not access.may_see(record, turn):
            raise BadRequest("I know nothing of that message: it isn't one of my pictures.")
        await reply.close(card(easel, record))


def card(easel: Easel, record: Record) -> Card:
    job, request = record.job, record.job.request
    lines = [
        Line(request.prompt, Style.QUOTE),
        *(Line(text) for text in _drawn_with(request)),
        *(Line(f"LoRA {_told(lora)}") for lora in request.loras),
        *(Line(note, Style.SMALL) for note in job.notes),
        Line(f"For {job.requester.name}, {job.created_at:%d %b %Y %H:%M} UTC · {history.state(record)}"),
    ]
    if isinstance(record.outcome, Finished):
        lines.append(Line(cards.parameters(job, record.outcome, easel.capabilities.model), Style.SMALL))
    lines += [
        Line("To ask for the same again, put this behind the prompt:", Style.SMALL),
        Line(render("", flags_of(easel, request)), Style.CODE),
    ]
    return Card(f"Details of {job.short}", tuple(lines))


def _drawn_with(request: ImageRequest) -> list[str]:
    told = [
        f"{request.size} · {request.count} × · seed {request.seed}",
        f"{request.steps} steps · guidance {request.guidance:g}",
    ]
    if request.image:
        masked = ", with a mask" if request.mask else ""
        told.append(f"From a picture, strength {request.strength:g}{masked}")
    return told


def _told(lora: Lora) -> str:
    return (
        f"{shown(lora)} · weight {lora.scale:g} · {lora.path}" if lora.name else f"{lora.path} · weight {lora.scale:g}"
    )


DETAILS_BUTTON = Command("details", "The prompt and every parameter", press, where=Where.BUTTON)
DETAILS = Command(
    "details",
    "The prompt and every parameter of this picture",
    on_message,
    where=Where.MESSAGE,
    title="Image details",
)
