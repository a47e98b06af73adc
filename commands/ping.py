"""/ping: whether Easel is awake, and whether it can draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.cards import Card, Tone
from bot.errors import EaselError, OperatorMustAct
from bot.images import ImageRequest
from commands.sizes import USUAL
from commands.spec import Command, Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    await turn.tell(await card(easel, turn))


async def card(easel: Easel, turn: Turn) -> Card:
    """The same look that every request gets: what stops one stops all."""
    view = await easel.intake.queue(turn.requester)
    queue = f"{view.running} running, {view.waiting} waiting."
    try:
        await easel.intake.check(turn.requester, turn.place, ImageRequest("a picture", USUAL, seed=0))
    except OperatorMustAct as error:
        return cards.notice("Awake, but drawing is paused", str(error), queue, tone=Tone.WARNING)
    except EaselError as error:
        return cards.notice("Awake", str(error), queue)
    return cards.notice("Awake and ready to draw", queue, tone=Tone.GOOD)


PING = Command("ping", "Whether Easel is awake and can draw", run)
