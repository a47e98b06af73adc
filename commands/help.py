"""/help: what can be asked, from the catalogue itself, and the rules that hold here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.cards import Card, Line, Style
from commands.grammar import FLAGS
from commands.spec import Command, Options, Turn, Where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.easel import Easel

_FLAGGED = {
    "spoiler": "Pictures that the safety check flags are covered.",
    "age_restricted": "Pictures that the safety check flags are covered, and shown in age-restricted channels only.",
    "block": "Pictures that the safety check flags are not shown.",
}


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    from commands import CATALOGUE  # the catalogue holds this command too

    await turn.tell(card(easel, CATALOGUE))


def card(easel: Easel, catalogue: Iterable[Command]) -> Card:
    typed = [command for command in catalogue if command.where is Where.SLASH]
    on_messages = [command.title for command in catalogue if command.where is Where.MESSAGE]
    examples = [f"/{command.name} {command.example}" for command in typed if command.example]
    lines = [
        *(Line(f"/{command.name} — {command.description}") for command in typed),
        Line(f"On any message: {' · '.join(on_messages)}"),
        Line("In the prompt: " + "  ".join(flag.example for flag in FLAGS)),
        Line("\n".join(examples), Style.CODE),
        Line(_limits(easel), Style.SMALL),
        Line(_FLAGGED[easel.settings.nsfw], Style.SMALL),
    ]
    return Card("What you can ask", tuple(lines))


def _limits(easel: Easel) -> str:
    settings, model = easel.settings, easel.capabilities
    return (
        f"Each person: {settings.limit_per_person} at once, {settings.queue_per_person} more waiting, "
        f"{settings.limit_per_day} pictures in 24 hours. Drawn by {model.model}: "
        f"{model.side.low:g} to {model.side.high:g} pixels a side, up to {model.max_count} pictures and "
        f"{model.max_loras} LoRAs. Pictures are kept for {settings.pictures_days} days."
    )


HELP = Command("help", "What you can ask, with examples", run)
