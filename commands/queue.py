"""/queue: what is waiting and running, for the person who asks and for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.cards import Card, Line, Style
from bot.jobs import Checking, Generating, Job, Progress, Waiting
from commands.spec import Command, Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.intake import QueueView

MOST_LISTED = 20


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    await turn.tell(card(await easel.intake.queue(turn.requester)))


def card(view: QueueView) -> Card:
    lines = [Line(_mine(job, now)) for job, now in view.mine[:MOST_LISTED]]
    if len(view.mine) > MOST_LISTED:
        lines.append(Line(f"and {len(view.mine) - MOST_LISTED} more"))
    if not lines:
        lines.append(Line("Nothing of yours is waiting or running."))
    lines.append(Line(_everybody(view), Style.SMALL))
    return Card("The queue", tuple(lines))


def _mine(job: Job, now: Progress) -> str:
    prompt = cards.shorten(" ".join(job.request.prompt.split()), 60)
    return f"{job.short} · {doing(now)} · {prompt}"


def doing(now: Progress) -> str:
    match now:
        case Waiting(place=place, usual_wait=wait):
            return f"about #{place} in line" + (f", about {cards.seconds(wait)}" if wait else "")
        case Generating(elapsed=elapsed, usual=usual):
            return f"generating, {cards.seconds(elapsed)}" + (f" (usually {cards.seconds(usual)})" if usual else "")
        case Checking():
            return "checking whether it arrived"


def _everybody(view: QueueView) -> str:
    wait = f"; a new one takes about {cards.seconds(view.usual_wait)}" if view.usual_wait else ""
    return f"Everybody's: {view.running} running, {view.waiting} waiting{wait}"


QUEUE = Command("queue", "What is waiting and running", run)
