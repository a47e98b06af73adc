"""Pictures that people hand in before they ask: on disk for an hour, each for its own person only."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.web.shelf import Shelf, Upload
from adapters.web.wire import Refusal, too_large
from bot.errors import BadRequest
from bot.images import Size
from bot.pictures import MAX_SOURCE_BYTES, MAX_SOURCE_PIXELS, media_type
from commands.spec import Attachment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohttp import web

AT_ONCE_EACH = 3
AT_ONCE = 32
WITHIN = 120.0
"""Seconds that one may take to arrive."""
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that lie on their side."""


class Uploads:
    """`root` is a folder of its own, which all processes share."""

    def __init__(self, root: Path) -> None:
        self._shelf = Shelf(root)
        self._arriving: Counter[str] = Counter()

    def get(self, upload: str, person: str) -> Upload | None:
        """None for one that isn't this person's, or is kept no more."""
        return self._shelf.get(upload, person)

    def attachment(self, upload: str, person: str, field: str) -> Attachment:
        """Raises BadRequest where there is none."""
        found = self.get(upload, person)
        if found is None:
            raise BadRequest(f"The {field} is not kept any more. Please add it again.", field=field)
        return found.attachment

    async def take(self, request: web.Request, person: str, name: str) -> Upload:
        """Keep the body of a request. Raises Refusal for too much of it, BadRequest for what is no picture."""
        upload = await self._arrived(request, person, name)
        await asyncio.to_thread(self._shelf.put, upload)
        return upload

    @asynccontextmanager
    async def passing(self, request: web.Request, person: str) -> AsyncIterator[Upload]:
        """As `take`, but kept only until the block ends."""
        upload = await self._arrived(request, person, "")
        try:
            yield upload
        finally:
            upload.path.unlink(missing_ok=True)

    async def _arrived(self, request: web.Request, person: str, name: str) -> Upload:
        if (request.content_length or 0) > MAX_SOURCE_BYTES:
            raise Refusal(413, too_large(MAX_SOURCE_BYTES))
        made, path = self._shelf.place(person)
        with self._place_for(person):
            try:
                async with asyncio.timeout(WITHIN):
                    count = await _written(request, path)
                kind, size = await asyncio.to_thread(_looked_at, path)
            except TimeoutError:
                path.unlink(missing_ok=True)
                raise Refusal(408, "That took too long to arrive. Please try again.") from None
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return Upload(made, person, name[:100], path, kind, size, count)

    @contextmanager
    def _place_for(self, person: str) -> Iterator[None]:
        if self._arriving[person] >= AT_ONCE_EACH or self._arriving.total() >= AT_ONCE:
            raise Refusal(429, "Too many pictures at once. Please try again in a moment.", retry_after=2)
        self._arriving[person] += 1
        try:
            yield
        finally:
            self._arriving[person] -= 1
            if not self._arriving[person]:
                del self._arriving[person]

    async def sweep(self) -> int:
        """Delete what is too old; returns how many files went."""
        return await asyncio.to_thread(self._shelf.sweep)

    async def read(self, attachment: Attachment, person: str, *, most: int) -> bytes:
        """Raises BadRequest if it is too large, or kept no more."""
        found = self.get(attachment.key, person)
        if found is None:
            raise BadRequest("That picture is not kept any more. Please add it again.", field="image")
        if found.bytes > most:
            raise BadRequest(f"{found.name} is larger than {most // 1024 // 1024} MB.", field="image")
        try:
            return await asyncio.to_thread(found.path.read_bytes)
        except FileNotFoundError:
            raise BadRequest("That picture is not kept any more. Please add it again.", field="image") from None


async def _written(request: web.Request, path: Path) -> int:
    """Straight to the disk, so that many at once take no memory. The count of bytes; raises Refusal for too many."""
    count = 0
    with path.open("xb") as file:
        async for chunk in request.content.iter_any():  # 64 KiB at a time into the page cache: not worth a thread
            count += len(chunk)
            if count > MAX_SOURCE_BYTES:
                raise Refusal(413, too_large(MAX_SOURCE_BYTES))
            file.write(chunk)
    return count


def _looked_at(path: Path) -> tuple[str, Size]:
    """Media type and size as people see it, from the header alone. Raises BadRequest, like `bot.pictures.open_source`.

    It is decoded only when it is drawn from, one at a time: a small file can hold hundreds of megabytes of pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            width, height = image.size
            if width * height > MAX_SOURCE_PIXELS:
                raise BadRequest(
                    f"The picture is {width}×{height}; please make it smaller than 50 megapixels.", field="image"
                )
            turned = _lies_on_its_side(image.info.get("exif"))
    except Image.DecompressionBombError:
        raise BadRequest("The picture is huge; please make it smaller than 50 megapixels.", field="image") from None
    except UnidentifiedImageError:
        raise BadRequest("That is no picture that Easel can read: use PNG, JPEG or WebP.", field="image") from None
    except (OSError, SyntaxError, ValueError, KeyError):
        raise BadRequest("That picture seems to be damaged; please try another file.", field="image") from None
    with path.open("rb") as file:
        kind = media_type(file.read(16)) or "image/gif"
    return kind, Size(height, width) if turned else Size(width, height)


def _lies_on_its_side(exif: bytes | None) -> bool:
    """From the bytes as they stand: Pillow's own `getexif` would decode a PNG for them."""
    from PIL import Image

    found = Image.Exif()
    found.load(exif or b"")
    return found.get(0x0112) in _TURNED
