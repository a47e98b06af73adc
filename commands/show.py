"""/show: a picture once more, for the person who asks alone, under the rules of the place where they ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot import cards
from bot.cards import Card, Line, Shown
from bot.errors import BadRequest
from bot.guard import Showing
from bot.images import Picture
from bot.jobs import Finished
from commands import access
from commands.delivering import closed_on_error
from commands.spec import Command, Option, Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.store import Record


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        record = await access.seen(easel, turn, str(options["id"]))
        await reply.close(card(easel, turn, record))


def card(easel: Easel, turn: Turn, record: Record) -> Card:
    """Raises BadRequest when there is nothing to show."""
    job, end = record.job, record.outcome
    if record.deleted:
        raise BadRequest(f"{job.short} was deleted. Details are still there; Re-roll draws a new one.")
    if end is None:
        doing = "being drawn" if record.state == "running" else "waiting in line"
        raise BadRequest(f"{job.short} is still {doing}. /queue shows how far it is.")
    sorted_out = _sorted_out(easel, turn, record)
    made = cards.outcome(job, end, model=easel.capabilities.model, shown=sorted_out.shown, withheld=sorted_out.withheld)
    gone = tuple(Line(f"Picture {picture.index} is not kept any more.") for picture in sorted_out.gone)
    if not isinstance(end, Finished):  # a cancelled job that was paid for keeps its pictures
        return replace(made, pictures=sorted_out.shown, lines=(*made.lines, *gone))
    return replace(made, title=f"Picture {job.short}", lines=(*made.lines, *gone))


@dataclass(frozen=True, slots=True)
class _Sorted:
    shown: tuple[Shown, ...]
    withheld: tuple[Picture, ...]
    gone: tuple[Picture, ...]


def _sorted_out(easel: Easel, turn: Turn, record: Record) -> _Sorted:
    """Decided anew by the rules of this place: what was withheld there may show here, and the other way round."""
    job = record.job
    seen = access.visible(record, turn)
    kept = [picture for picture in seen if easel.gallery.exists(picture)]
    how = {it.index: easel.policy.shows(it.flag, turn.place, spoiler=job.spoiler) for it in kept}
    shown = tuple(
        Shown(it.path, it.index, hidden, cards.alt_text(job, it, hidden=hidden), private=job.private)
        for it in kept
        if how[it.index] is not Showing.WITHHELD
        for hidden in (how[it.index] is Showing.HIDDEN,)
    )
    return _Sorted(
        shown,
        withheld=tuple(it for it in kept if how[it.index] is Showing.WITHHELD),
        gone=tuple(it for it in seen if it not in kept),
    )


SHOW = Command(
    "show",
    "Show a picture again, to you alone",
    run,
    (Option("id", "The id that stands under the picture, e.g. k3f9ab", required=True, word=True),),
    example="k3f9ab",
)
