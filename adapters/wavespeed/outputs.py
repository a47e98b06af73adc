"""Brings a finished task's pictures to our disk, each by itself: one that can't be had doesn't take the others along."""

from __future__ import annotations

import asyncio
import contextlib
import os
import zlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import aiohttp
import stamina
from PIL import Image, UnidentifiedImageError
from yarl import URL

from adapters.wavespeed.sieve import Base64File, no_room
from adapters.wavespeed.transport import Outside, PrivateAddress
from adapters.wavespeed.wire import Inline, Output, Prediction, Remote, Spilled
from bot import metrics
from bot.images import Flag, Missing, Picture, Size

MAX_PIXELS = 4096 * 4096
"""Far above what the model draws, far below what would fill the memory."""
HOPS = 4
SUFFIX = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
T = TypeVar("T")


class Unusable(Exception):
    """Why a picture can't be had, in words for people.

    `soon`: another try in a moment may help. `later`: the way there is broken, the picture itself may well exist.
    """

    def __init__(self, reason: str, *, soon: bool = False, later: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.soon = soon or later
        self.later = later


@dataclass(frozen=True, slots=True)
class Collected:
    """`later` says that some of the missing may be had at another time."""

    pictures: tuple[Picture, ...]
    missing: tuple[Missing, ...]
    later: bool


class Outputs:
    def __init__(
        self, session: aiohttp.ClientSession, resolver: Outside, threads: ThreadPoolExecutor, most: int
    ) -> None:
        """`most` is the bytes that a picture may have."""
        self._session = session
        self._resolver = resolver
        self._threads = threads
        self._most = most

    async def collect(self, found: Prediction, count: int, into: Path, spilled: Sequence[Base64File]) -> Collected:
        """Fetch and check every output. Files are `into`-1.png, …; a repeated call writes the same files."""
        ends = await self._all(
            self._one(index, output, flag, into, spilled)
            for index, (output, flag) in enumerate(zip(found.outputs, found.flags, strict=True), start=1)
        )
        lost = [Missing(index, end.reason) for index, end in enumerate(ends, 1) if isinstance(end, Unusable)]
        unsent = range(len(ends) + 1, count + 1)
        lost += [Missing(index, "the image service sent no picture here") for index in unsent]
        return Collected(
            tuple(end for end in ends if isinstance(end, Picture)),
            tuple(lost),
            any(isinstance(end, Unusable) and end.later for end in ends),
        )

    async def _all(self, works: Iterable[Coroutine[None, None, Picture | Unusable]]) -> list[Picture | Unusable]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in works]
        except ExceptionGroup as errors:  # a full disk: the first says it all
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _one(
        self, index: int, output: Output, flag: Flag, into: Path, spilled: Sequence[Base64File]
    ) -> Picture | Unusable:
        part = Path(f"{into}-{index}.part")
        try:
            if isinstance(output, Remote):
                return await self._remote(output.url, part, into, index, flag)
            if isinstance(output, Inline):
                await self._in_thread(lambda: _unpack(output.text, part, self._most))
            elif isinstance(output, Spilled):
                part = _spilled(spilled, output.number)
            else:
                raise Unusable("what came is no picture")
            return await self._in_thread(lambda: settle(part, into, index, flag))
        except Unusable as error:
            return error
        finally:
            discard(part)

    async def _remote(self, url: str, part: Path, into: Path, index: int, flag: Flag) -> Picture:
        async for attempt in stamina.retry_context(on=_soon, attempts=4, timeout=120, wait_initial=0.4, wait_max=8):
            with attempt:
                with metrics.request("output"):
                    await self._download(url, part)
                return await self._in_thread(lambda: settle(part, into, index, flag))
        raise AssertionError("the last attempt raises")

    async def _download(self, address: str, part: Path) -> None:
        try:
            url = URL(address)
            for _ in range(HOPS):
                await self._allowed(url)
                async with self._session.get(url, allow_redirects=False) as response:
                    if 300 <= response.status < 400:
                        url = url.join(URL(response.headers.get("Location", "")))
                        continue
                    await self._store(response, part)
                    return
        except (aiohttp.ClientConnectorError, PrivateAddress) as error:
            private = isinstance(getattr(error, "os_error", error), PrivateAddress)
            raise (_refused() if private else _unreachable()) from error
        except aiohttp.InvalidURL as error:
            raise _refused() from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unreachable() from error
        except ValueError as error:  # no address at all
            raise _refused() from error
        raise _refused()

    async def _allowed(self, url: URL) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise _refused()
        await self._resolver.check_url(url)

    async def _store(self, response: aiohttp.ClientResponse, part: Path) -> None:
        if response.status != 200:
            later = response.status >= 500 or response.status == 429
            raise Unusable("the image service doesn't hand it out", soon=True, later=later)
        if (response.content_length or 0) > self._most:
            raise _too_large(self._most)
        size = 0
        with _writing(part) as file:
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > self._most:
                    raise _too_large(self._most)
                _write(file, piece)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def discard(path: Path) -> None:
    """Take a file away that may not be there; a disk that refuses was complained of when it was written to."""
    with contextlib.suppress(OSError):
        path.unlink()


def _soon(error: Exception) -> bool:
    return isinstance(error, Unusable) and error.soon


def _refused() -> Unusable:
    return Unusable("its address is not one that Easel may open")


def _unreachable() -> Unusable:
    return Unusable("it could not be fetched", later=True)


def _too_large(most: int) -> Unusable:
    return Unusable(f"it is larger than {most / 1024 / 1024:.3g} MB")


def _writing(part: Path) -> BinaryIO:
    try:
        return part.open("wb")
    except OSError as error:
        raise no_room(error) from error


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise no_room(error) from error


def _spilled(spilled: Sequence[Base64File], number: int) -> Path:
    if number >= len(spilled):
        raise Unusable("what came is no picture")
    return _sound(spilled[number])


def _unpack(text: str, part: Path, most: int) -> None:
    file = Base64File(part, most)
    file.write(text.encode("ascii", "replace"))
    file.finish()
    _sound(file)


def _sound(file: Base64File) -> Path:
    if file.problem:
        raise Unusable("it is too large" if file.problem == "too large" else "what came is no picture")
    return file.path


def settle(part: Path, into: Path, index: int, flag: Flag) -> Picture:
    """Check the file and give it its name. Raises Unusable."""
    kind, size = examine(part)
    path = Path(f"{into}-{index}{SUFFIX[kind]}")
    try:
        os.replace(part, path)  # noqa: PTH105 - the two names are one thought
    except OSError as error:
        raise no_room(error) from error
    return Picture(index, path, Image.MIME[kind], size, flag)


def examine(path: Path) -> tuple[str, Size]:
    """The kind (by its first bytes) and size of a whole, decodable picture. Raises Unusable."""
    with path.open("rb") as file:
        kind = sniff(file.read(16))
    if kind is None:
        raise Unusable("what came is no picture", soon=True)
    try:
        with Image.open(path, formats=[kind]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unusable("it has too many pixels")
            size = Size(image.width, image.height)
            if kind != "PNG":
                # A JPEG is decoded at an eighth: every byte is read, few pixels are made.
                image.draft("L", (size.width // 8, size.height // 8))
                image.load()
        if kind == "PNG":
            check_png(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unusable("it has too many pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, zlib.error) as error:
        raise Unusable("the picture is broken", soon=True) from error
    return kind, size


def sniff(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    return "WEBP" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def check_png(path: Path) -> None:
    """Raise ValueError or zlib.error unless every chunk is there, as it was written, and the pixels begin soundly.

    Each chunk carries its checksum, so this proves as much as decoding at a thirtieth of the time.
    """
    with path.open("rb") as file:
        file.seek(8)
        pixels = zlib.decompressobj()
        begun = False
        while True:
            length, kind = int.from_bytes(file.read(4)), file.read(4)
            head = _check_chunk(file, length, kind)
            if kind == b"IDAT" and not begun:
                begun = bool(pixels.decompress(head, 4096))
            if kind == b"IEND":
                break
        if not begun:
            raise ValueError("no pixels")


def _check_chunk(file: BinaryIO, length: int, kind: bytes) -> bytes:
    """Read over one chunk in pieces; returns its first bytes."""
    if len(kind) != 4:
        raise ValueError("cut off")
    checksum, head, left = zlib.crc32(kind), b"", length
    while left:
        piece = file.read(min(left, 256 * 1024))
        if not piece:
            raise ValueError("cut off")
        head = head or piece[:8192]
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    if int.from_bytes(file.read(4)) != checksum:
        raise ValueError("damaged")
    return head
