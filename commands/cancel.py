"""Cancel, as a button and as /cancel: before the submit it is free, after it the picture is still paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.errors import BadRequest
from commands import access
from commands.delivering import closed_on_error
from commands.spec import Command, Option, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    """The given job, else one's own newest that is under way."""
    text = str(options["id"]) if options.get("id") else await _newest(easel, turn)
    await _cancel(easel, turn, text)


async def press(easel: Easel, turn: Turn, options: Options) -> None:
    await _cancel(easel, turn, str(options["job"]))


async def _cancel(easel: Easel, turn: Turn, text: str) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        record = await access.own_or_moderated(easel, turn, text, what="cancel it")
        moderates = access.moderates(record, turn)
        told = await easel.intake.cancel(record.job.id, by=turn.requester, moderates=moderates)
        await reply.close(cards.notice(told))


async def _newest(easel: Easel, turn: Turn) -> str:
    mine = (await easel.intake.queue(turn.requester)).mine
    if not mine:
        raise BadRequest("Nothing of yours is waiting or running.")
    return max(job.id for job, _ in mine)  # ULIDs sort by time


CANCEL = Command(
    "cancel",
    "Stop your newest job, or the one with this id",
    run,
    (Option("id", "The id that stands under it; empty for your newest", word=True),),
)
CANCEL_BUTTON = Command("cancel", "Stop this job", press, where=Where.BUTTON)
