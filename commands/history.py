"""/history: the last jobs of the person who asks, also those that were withheld or came too late to be posted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.cards import Card, Line, Style
from bot.jobs import Cancelled, Failed, Finished, Uncertain
from commands.delivering import closed_on_error
from commands.spec import Command, Option, Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.store import Record

LISTED = 10
MOST_PROMPT = 80


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        before = await _before(easel, turn, options)
        records = await easel.store.history(turn.requester, limit=LISTED + 1, before=before)
        await reply.close(card(records))


async def _before(easel: Easel, turn: Turn, options: Options) -> str | None:
    """The id to go on from; somebody else's, or none at all, begins at the top."""
    if not options.get("before"):
        return None
    record = await easel.store.find(str(options["before"]))
    return record.job.id if record and record.job.requester.key == turn.requester.key else None


def card(records: list[Record]) -> Card:
    if not records:
        return cards.notice("Your pictures", "There are none yet. Draw the first one with /imagine.")
    listed, more = records[:LISTED], len(records) > LISTED
    lines = [line for record in listed for line in _lines(record)]
    lines.append(Line("/show and an id shows a picture again.", Style.SMALL))
    if more:
        lines.append(Line(f"Older ones: /history before: {listed[-1].job.short}", Style.SMALL))
    return Card("Your pictures", tuple(lines))


def _lines(record: Record) -> tuple[Line, Line]:
    job = record.job
    return (
        Line(f"{job.short} · {job.created_at:%d %b %H:%M} UTC · {state(record)}"),
        Line(cards.shorten(" ".join(job.request.prompt.split()), MOST_PROMPT), Style.QUOTE),
    )


def state(record: Record) -> str:
    """In a few words: what became of a job."""
    match record.outcome:
        case None:
            return "being drawn" if record.state == "running" else "waiting"
        case Finished(pictures=pictures):
            return _pictures(record, len(pictures))
        case Cancelled(paid=paid):
            return "cancelled, but drawn" if paid and record.pictures else "cancelled"
        case Failed():
            return "failed"
        case Uncertain():
            return "lost on the way"


def _pictures(record: Record, count: int) -> str:
    told = "1 picture" if count == 1 else f"{count} pictures"
    if record.withheld:
        told += ", withheld" if len(record.withheld) == count else f", {len(record.withheld)} withheld"
    if record.state == "closed" and not record.delivered:
        told += ", not posted"
    if record.job.private:
        told += ", private"
    return told


HISTORY = Command(
    "history",
    "Your last pictures, also those that were not posted",
    run,
    (Option("before", "Go on from the picture with this id", word=True),),
)
