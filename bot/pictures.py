"""Pictures and sources on disk: checked, kept, described, made to fit, and swept."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import struct
import time
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from ulid import ULID

from bot.errors import BadRequest, DiskFull
from bot.images import Capabilities, Picture, Size

if TYPE_CHECKING:  # Pillow is loaded when the first picture comes
    from PIL import Image

MAX_SOURCE_BYTES = 20 * 1024 * 1024
"""What the API takes for a picture (its upload page); larger ones are refused before they are read."""
MAX_SOURCE_PIXELS = 50_000_000
SPARE_BYTES = 500 * 1024 * 1024
"""Room that has to be left on the disk before new work is taken."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Source:
    """A picture that a person handed in, re-encoded: no metadata, no surprises. `name` is its content's hash."""

    name: str
    size: Size
    original: Size
    """What was handed in, before it was shrunk to what the model draws."""


class Gallery:
    """`root` holds `pictures/` and `sources/`."""

    def __init__(self, root: Path) -> None:
        self.pictures = root / "pictures"
        self.sources = root / "sources"
        for folder in (self.pictures, self.sources):
            folder.mkdir(parents=True, exist_ok=True)
        self._room_seen = (0.0, True)
        self.handing_in = asyncio.Semaphore(4)
        """Held while a picture that somebody hands in is in memory: twenty megabytes each, from however many at once."""
        self._decoding = asyncio.Lock()

    def place(self, job_id: str) -> Path:
        """Where a job's pictures go, without number and ending: one folder a day, told by the id."""
        day = ULID.from_str(job_id).datetime.strftime("%Y-%m-%d")
        folder = self.pictures / day
        folder.mkdir(parents=True, exist_ok=True)
        return folder / job_id.lower()

    async def keep_source(self, data: bytes, *, capabilities: Capabilities) -> Source:
        """Check, re-encode and keep a picture. Raises BadRequest in plain words."""
        async with self._decoding:  # fifty megapixels take hundreds of megabytes
            return await asyncio.to_thread(self._keep, data, capabilities, None)

    async def keep_mask(self, data: bytes, like: Source) -> Source:
        """Keep a mask: black and white, of the picture's own size. Raises BadRequest."""
        async with self._decoding:
            return await asyncio.to_thread(self._keep, data, None, like)

    async def source(self, name: str) -> bytes:
        """Raises BadRequest if it was swept meanwhile."""
        try:
            return await asyncio.to_thread((self.sources / name).read_bytes)
        except FileNotFoundError:
            raise BadRequest("The source picture is not kept any more; please add it again.", field="image") from None

    async def source_of(self, picture: Picture, *, capabilities: Capabilities) -> Source:
        """One of our own pictures as a source. Raises BadRequest if it was swept."""
        try:
            data = await asyncio.to_thread(picture.path.read_bytes)
        except FileNotFoundError:
            raise BadRequest("That picture is not kept any more, so it can't be a source.", field="image") from None
        return await self.keep_source(data, capabilities=capabilities)

    def exists(self, picture: Picture) -> bool:
        return picture.path.is_file()

    async def discard(self, job_id: str) -> None:
        """Delete a job's files."""
        await asyncio.to_thread(self._discard, job_id)

    def check_room(self) -> None:
        """Raise DiskFull when the disk is nearly full; looks at most every five seconds."""
        looked, room = self._room_seen
        if time.monotonic() - looked > 5:
            room = shutil.disk_usage(self.pictures).free > SPARE_BYTES
            self._room_seen = (time.monotonic(), room)
        if not room:
            raise DiskFull("Easel has no room left for pictures, so nothing is drawn for now. The operator knows.")

    async def sweep(self, *, days: int, most_bytes: float) -> int:
        """Delete what is older than `days`, then the oldest until the rest fits. Returns how many files went."""
        return await asyncio.to_thread(self._sweep, days, most_bytes)

    # ---- below: all of this runs in a thread ----

    def _keep(self, data: bytes, capabilities: Capabilities | None, like: Source | None) -> Source:
        image = open_source(data, "mask" if like else "image")
        original = Size(image.width, image.height)
        if like:
            if original not in (like.original, like.size):
                raise BadRequest(
                    f"The mask is {original}, the picture is {like.original}; both must be the same size.", field="mask"
                )
            image = _opaque(image, "black").convert("L").resize((like.size.width, like.size.height)).convert("RGB")
        else:
            if image.mode == "RGBA":  # smaller first: fifty megapixels are composited in half a gigabyte
                image = _within_model(image, capabilities)
            image = _within_model(_opaque(image, "white").convert("RGB"), capabilities)
        buffer = BytesIO()
        image.save(buffer, "PNG", compress_level=3)
        encoded = buffer.getvalue()
        name = hashlib.sha256(encoded).hexdigest()[:40] + ".png"
        _write(self.sources / name, encoded)
        return Source(name, Size(image.width, image.height), original)

    def _discard(self, job_id: str) -> None:
        for path in self.pictures.glob(f"*/{job_id.lower()}-*"):
            path.unlink(missing_ok=True)

    def _sweep(self, days: int, most_bytes: float) -> int:
        files = []
        for folder in (self.pictures, self.sources):
            for path in folder.rglob("*"):
                with contextlib.suppress(FileNotFoundError):
                    if path.is_file():
                        stat = path.stat()
                        files.append((stat.st_mtime, stat.st_size, path))
        files.sort()
        total, gone, oldest = sum(size for _, size, _ in files), 0, time.time() - days * 86400
        for modified, size, path in files:
            if modified > oldest and total <= most_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
            gone += 1
        lately = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 2 * 86400))
        for folder in self.pictures.iterdir():
            if folder.name < lately:  # a newer one may be about to be written into
                with contextlib.suppress(OSError):  # not empty, or not a folder
                    folder.rmdir()
        return gone


def open_source(data: bytes, field: str) -> Image.Image:
    """Decode a handed-in picture by its bytes. Raises BadRequest for anything but a sound PNG, JPEG or WebP."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        image = Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF"))
        if image.width * image.height > MAX_SOURCE_PIXELS:
            raise BadRequest(
                f"The {field} is {image.width}×{image.height}; please make it smaller than 50 megapixels.", field=field
            )
        image.load()
        return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise BadRequest(
            f"The {field} is no picture that Easel can read: use PNG, JPEG or WebP.", field=field
        ) from None
    except Image.DecompressionBombError:
        raise BadRequest(f"The {field} is huge; please make it smaller than 50 megapixels.", field=field) from None
    except (OSError, SyntaxError, ValueError, struct.error):
        raise BadRequest(f"The {field} seems to be damaged; please try another file.", field=field) from None


def _opaque(image: Image.Image, behind: str) -> Image.Image:
    """What people see of it: under a transparent pixel a file may hold any colour. In a mask, nothing is chosen there."""
    if not image.has_transparency_data:
        return image
    from PIL import Image

    seen = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", seen.size, behind), seen)


def _within_model(image: Image.Image, capabilities: Capabilities | None) -> Image.Image:
    """Shrink a picture whose longer side is beyond what the model draws; it would be shrunk there anyway."""
    most = int(capabilities.side.high) if capabilities else max(image.size)
    if max(image.size) > most:
        image.thumbnail((most, most))
    return image


def fit(path: Path, *, most: int) -> tuple[bytes, str]:
    """The file's bytes and media type, re-encoded as JPEG (quality 92, then less) when it has more than `most` bytes."""
    data = path.read_bytes()
    if len(data) <= most:
        return data, media_type(data) or "application/octet-stream"
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        picture = image.convert("RGB")
    for quality in (92, 85, 75, 60, 40):
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= most:
            break
    return buffer.getvalue(), "image/jpeg"


def media_type(data: bytes) -> str | None:
    """By the first bytes; None for what is no PNG, JPEG or WebP."""
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def describe(path: Path, text: str) -> None:
    """Write `text` into a PNG's `parameters` chunk without touching a pixel; other files stay as they are.

    An iTXt chunk (UTF-8) goes right behind the header, where image tools look; repeated calls leave one.
    """
    data = path.read_bytes()
    chunk = _itxt("parameters", text)
    if not data.startswith(_PNG) or chunk in data[:65536]:
        return
    header_end = 8 + 25  # signature, IHDR
    _write(path, data[:header_end] + chunk + data[header_end:])


def parameters_of(data: bytes) -> str | None:
    """The `parameters` text of a PNG, None if it has none."""
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        text = image.info.get("parameters")
    return str(text) if text else None


def _itxt(keyword: str, text: str) -> bytes:
    body = b"iTXt" + keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, also when two people hand in the same picture at once."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    part.write_bytes(data)
    os.replace(part, path)  # noqa: PTH105 - the module's one atomic step, on two Paths
