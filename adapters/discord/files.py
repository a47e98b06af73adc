"""Pictures read from disk for one message: within Discord's size limit, and within a bound of memory for all messages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from adapters.discord.render import file_name
from adapters.discord.rest import Upload
from bot.cards import Card, Shown
from bot.room import weight

READ_HERE = 256 * 1024
"""Bytes up to which reading is cheaper here than in a thread."""

_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}", re.IGNORECASE)
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


async def uploads(card: Card, *, most: int) -> list[Upload]:
    """The card's pictures, each of at most `most` bytes: as they are on disk, or re-encoded if they are larger."""
    if weight(card) <= min(READ_HERE, most):
        return _read(card, most)
    return await asyncio.to_thread(_read, card, most)


def _read(card: Card, most: int) -> list[Upload]:
    short = _short(card)
    return [_upload(shown, short, most) for shown in card.pictures]


def _upload(shown: Shown, short: str, most: int) -> Upload:
    if shown.path.stat().st_size <= most:
        suffix = shown.path.suffix.lower() or ".png"
        return Upload(file_name(short, shown, suffix), shown.path.read_bytes(), _TYPES.get(suffix, "image/png"))
    from bot.pictures import fit  # Pillow is loaded only when it is needed

    data, media_type = fit(shown.path, most=most)
    return Upload(file_name(short, shown, "." + media_type.rpartition("/")[2]), data, media_type)


def _short(card: Card) -> str:
    """The job's short id, from a button or from where the picture lies."""
    for text in (*(action.job for action in card.actions), *_paths(card.pictures)):
        if found := _ULID.search(text):
            return found[0][10:16].lower()
    return "picture"


def _paths(pictures: Sequence[Shown]) -> list[str]:
    return [str(Path(*shown.path.parts[-2:])) for shown in pictures]
