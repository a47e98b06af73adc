"""From a request to an accepted job, in the one order that keeps every promise.

    check from memory → answer (open the message that grows) → read and keep the sources → accept

Up to the answer an error is simply raised: the platform turns it into a private word. From then on it closes the
message, so that nobody waits for a picture that never comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from bot import cards
from bot.errors import BadRequest, EaselError, GaveUp, NotAllowed
from bot.images import ImageRequest
from bot.pictures import MAX_SOURCE_BYTES
from bot.ports import DeliveryFailed, Reply
from commands.asking import Asked
from commands.spec import Turn

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.images import Picture
    from bot.store import Record

POSTED_WITHIN = 10.0
"""Seconds that a delivery under way is waited for."""


async def draw(easel: Easel, turn: Turn, asked: Asked, *, source: Picture | None = None) -> None:
    """Take the request in and answer it. `source` is a picture of ours to draw from, in place of an attachment.

    Raises before the answer what the person has to know; never after it.
    """
    check_place(turn)
    await easel.intake.check(turn.requester, turn.place, asked.request)
    reply = await turn.open(private=asked.private)
    async with closed_on_error(reply):
        await easel.intake.accept(
            await _request(easel, turn, asked, source),
            requester=turn.requester,
            place=turn.place,
            delivery_key=turn.delivery_key,
            reply=reply,
            private=asked.private,
            spoiler=asked.spoiler,
            locale=turn.locale,
            notes=asked.notes,
        )


def check_place(turn: Turn) -> None:
    """Raise NotAllowed, before anything is paid, where a picture could not be posted."""
    if turn.missing_permissions:
        raise NotAllowed(
            f"I can't post pictures here: I lack {' and '.join(turn.missing_permissions)}. "
            "Someone who manages this place can grant that; nothing was drawn."
        )


@contextlib.asynccontextmanager
async def closed_on_error(reply: Reply) -> AsyncIterator[None]:
    """Whatever goes wrong inside is told in the message itself, which then grows no more."""
    try:
        yield
    except EaselError as error:
        await _close(reply, error)
    except Exception:
        await _close(reply, GaveUp("Something went wrong on our side. Please try again in a moment."))
        raise


async def _close(reply: Reply, error: EaselError) -> None:
    with contextlib.suppress(DeliveryFailed):  # nothing was accepted, and there is no other way to tell them
        await reply.close(cards.refused(error))


async def posted(easel: Easel, record: Record) -> Record:
    """As it is once we hear that it is out: a delivery under way would post anew what is taken down meanwhile.

    Raises BadRequest where that takes too long.
    """
    until = time.monotonic() + POSTED_WITHIN
    while record.state != "closed":
        if time.monotonic() > until:
            raise BadRequest(f"{record.job.short} is still being posted. Please ask again in a moment.")
        await asyncio.sleep(0.1)
        record = await easel.store.get(record.job.id)
    return record


async def _request(easel: Easel, turn: Turn, asked: Asked, picture: Picture | None) -> ImageRequest:
    if not (asked.image or picture):
        return await _with_sources(easel, turn, asked, None)
    async with easel.gallery.handing_in:
        return await _with_sources(easel, turn, asked, picture)


async def _with_sources(easel: Easel, turn: Turn, asked: Asked, picture: Picture | None) -> ImageRequest:
    gallery, capabilities = easel.gallery, easel.capabilities
    image = mask = None
    if asked.image:
        data = await turn.read(asked.image, most=MAX_SOURCE_BYTES)
        image = await gallery.keep_source(data, capabilities=capabilities)
    elif picture:
        image = await gallery.source_of(picture, capabilities=capabilities)
    if asked.mask and image:
        mask = await gallery.keep_mask(await turn.read(asked.mask, most=MAX_SOURCE_BYTES), image)
    for kept in (asked.request.image, asked.request.mask):
        if kept and image is None:
            await gallery.source(kept)  # says kindly that it was swept
    return asked.drawn_from(image, mask, easel)
