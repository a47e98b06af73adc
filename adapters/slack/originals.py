"""Send me the original: a covered picture, uncovered, in the direct messages of whoever asks for it."""

from __future__ import annotations

from bot import cards
from bot.cards import Card, Line, Shown, Style
from bot.easel import Easel
from bot.errors import BadRequest
from bot.guard import Showing
from bot.images import Picture
from commands import access
from commands.delivering import closed_on_error
from commands.spec import Turn


async def send_original(easel: Easel, turn: Turn, job: str, index: int) -> None:
    """To whoever may see the job. What the rules withhold stays withheld."""
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        record = await access.seen(easel, turn, job)
        picture = _picture(access.visible(record, turn), index)
        if record.deleted or not easel.gallery.exists(picture):
            raise BadRequest("That picture is not kept any more. Re-roll draws a new one.")
        if easel.answers.showing(record.job, picture) is Showing.WITHHELD:
            raise BadRequest("This community's rules don't let me show that one.")
        alt = cards.alt_text(record.job, picture, hidden=False)
        shown = Shown(picture.path, picture.index, hidden=False, alt=alt, private=record.job.private)
        reference = Line(f"id {record.job.short}", Style.SMALL)
        await reply.close(Card(f"Picture {index} of {record.job.short}", (reference,), pictures=(shown,)))


def _picture(found: tuple[Picture, ...], index: int) -> Picture:
    picture = next((it for it in found if it.index == index), None)
    if picture is None:
        raise BadRequest("There is no such picture any more.")
    return picture
