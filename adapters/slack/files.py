"""Pictures made ready for Slack: read within a bound of memory, in a type that it shows, the hidden ones blurred."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.slack.render import job_of
from bot.cards import Card, Shown, shorten

if TYPE_CHECKING:
    from PIL import Image

MAX_PICTURES = 10
MOST = 20 * 1024 * 1024
"""Bytes of one picture: beyond them nobody waits for it. (Slack itself takes a gigabyte.)"""
MAX_TITLE = 150
GRAIN = 12
"""Points of a preview's longer side: colours are left, and nothing that could be recognised."""
PREVIEW = 512
"""Pixels of a preview's longer side."""


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    data: bytes


async def uploads(card: Card) -> list[Upload]:
    """The card's pictures as they go to Slack. Takes its time in a thread; raises OSError for what is gone."""
    return await asyncio.to_thread(_read, card)


def _read(card: Card) -> list[Upload]:
    short = job_of(card)[10:16].lower() or "picture"
    return [_upload(shown, short) for shown in card.pictures]


def _upload(shown: Shown, short: str) -> Upload:
    data, suffix = _preview(shown.path) if shown.hidden else _shown(shown.path)
    return Upload(f"{short}-{shown.index}{'-preview' if shown.hidden else ''}{suffix}", data)


def title(shown: Shown) -> str:
    """What stands over the picture, and what a screen reader says of it."""
    told = shorten(" ".join(shown.alt.split()), MAX_TITLE) or f"Picture {shown.index}"
    return f"{told} (covered)" if shown.hidden else told


def _shown(path: Path) -> tuple[bytes, str]:
    """PNG and JPEG as they are; Slack shows no WebP (docs.slack.dev/reference/block-kit/composition-objects/slack-file-object)."""
    from bot.pictures import fit, media_type  # Pillow is loaded only when it is needed

    data = path.read_bytes()
    if media_type(data) not in ("image/png", "image/jpeg"):
        data = _as_png(data)
    if len(data) <= MOST:
        return data, ".jpg" if media_type(data) == "image/jpeg" else ".png"
    return fit(path, most=MOST)[0], ".jpg"


def _as_png(data: bytes) -> bytes:
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        return _written(image.convert("RGBA" if image.has_transparency_data else "RGB"), "PNG")


def _preview(path: Path) -> tuple[bytes, str]:
    """A new picture made of a dozen points of the old one: nothing else of it is left in the file."""
    from PIL import Image

    with Image.open(path) as image:
        width, height = _within(image.size, PREVIEW)
        grains = image.convert("RGB").resize(_within(image.size, GRAIN), Image.Resampling.BOX)
    return _written(grains.resize((width, height), Image.Resampling.BICUBIC), "JPEG"), ".jpg"


def _within(size: tuple[int, int], most: int) -> tuple[int, int]:
    share = most / max(size)
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _written(image: Image.Image, kind: str) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, quality=80)
    return buffer.getvalue()
