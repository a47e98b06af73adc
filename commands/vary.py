"""Vary: the same prompt drawn from one of its pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.errors import BadRequest
from bot.images import Picture
from commands import access, delivering
from commands.asking import Asked, once_more
from commands.spec import Command, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.store import Record

STRENGTH = 0.6


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    record = await access.seen(easel, turn, str(options["job"]))
    job = record.job
    picture = kept_picture(easel, turn, record, int(str(options.get("argument") or 1)))
    request = replace(once_more(easel, job.request), strength=STRENGTH, image=None, mask=None)
    note = f"Varied from picture {picture.index} of {job.short}"
    asked = Asked(request, private=job.private, spoiler=job.spoiler, notes=(note,))
    await delivering.draw(easel, turn, asked, source=picture)


def kept_picture(easel: Easel, turn: Turn, record: Record, index: int) -> Picture:
    """Picture `index` (from 1). Raises BadRequest if this person can't have it or it isn't kept any more."""
    picture = next((it for it in access.visible(record, turn) if it.index == index), None)
    if picture is None:
        raise BadRequest(f"{record.job.short} has no picture {index} that you can use.", field="picture")
    if record.deleted or not easel.gallery.exists(picture):
        days = easel.settings.pictures_days
        raise BadRequest(f"That picture is gone: pictures are kept for {days} days. Re-roll draws a new one.")
    return picture


VARY = Command("vary", "Draw variations of one picture", run, where=Where.BUTTON)
