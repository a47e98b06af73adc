"""The simulator's files: pictures that are painted when they are first asked for, and what was uploaded."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import struct
import zlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial

from PIL import Image

from adapters.wavespeed.painter import Scene, encode, opened, paint
from adapters.wavespeed.sim_predictions import Prediction

MEDIA_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
UPLOAD_LIMIT = 20_000_000
"""Bytes of one uploaded picture; the documentation's pages disagree, this is the smallest figure."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file. `data` is None while only its ticket was drawn."""

    name: str
    filename: str
    media_type: str
    size: int
    data: bytes | None = None


class Shelf:
    """Uploads by name; the oldest go when more than `room` bytes lie there."""

    def __init__(self, room: int = 256_000_000) -> None:
        self._room = room
        self._files: OrderedDict[str, Upload] = OrderedDict()

    def put(self, upload: Upload) -> None:
        self._files[upload.name] = upload
        while sum(len(file.data or b"") for file in self._files.values()) > self._room and len(self._files) > 1:
            self._files.popitem(last=False)

    def get(self, name: str) -> Upload | None:
        return self._files.get(name)

    @property
    def received(self) -> list[Upload]:
        """Those whose bytes have come, oldest first."""
        return [upload for upload in self._files.values() if upload.data is not None]


class Studio:
    """Paints in one worker thread and remembers the latest pictures.

    `form` is the format where the request names none. `least` pads every picture to that many bytes. With
    `one_picture` everything shows the same 1024×1024 picture, which costs nothing.
    """

    def __init__(self, *, form: str, least: int | None, one_picture: bool, room: int = 48_000_000) -> None:
        self.form = form
        self._least = least
        self._one = one_picture
        self._room = room
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._worker: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End the worker thread; the next picture starts another."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
            self._worker = None

    def form_of(self, prediction: Prediction) -> str:
        return self.form if self._one else prediction.form or self.form

    async def picture(self, prediction: Prediction, index: int) -> bytes:
        """The bytes of one output, painted now if it has not been lately."""
        if prediction.script.picture is not None:
            return prediction.script.picture
        if self._one:
            return self._same[0]
        key = (prediction.id, index)
        if key not in self._pictures:
            self._worker = self._worker or ThreadPoolExecutor(1, "painter")
            work = partial(self._paint, prediction.scene(index), self.form_of(prediction))
            data = await asyncio.get_running_loop().run_in_executor(self._worker, work)
            self._remember(key, data)
            return data
        self._pictures.move_to_end(key)
        return self._pictures[key]

    async def in_base64(self, prediction: Prediction, index: int) -> str:
        if self._one and prediction.script.picture is None:
            return self._same[1]
        return base64.b64encode(await self.picture(prediction, index)).decode()

    def _paint(self, scene: Scene, form: str) -> bytes:
        return padded(encode(paint(scene), form), self._least or 0)

    def _remember(self, key: tuple[str, int], data: bytes) -> None:
        self._pictures[key] = data
        while sum(map(len, self._pictures.values())) > self._room and len(self._pictures) > 1:
            self._pictures.popitem(last=False)

    @cached_property
    def _same(self) -> tuple[bytes, str]:
        data = self._paint(Scene("one picture for everything", 1024, 1024, 0), self.form)
        return data, base64.b64encode(data).decode()


def padded(data: bytes, least: int) -> bytes:
    """The same picture with noise in its metadata, of at least `least` bytes. WebP is left as it is."""
    short = least - len(data)
    if short <= 0:
        return data
    if data.startswith(b"\x89PNG"):
        noise = b"paDd" + os.urandom(max(0, short - 12))
        chunk = struct.pack(">I", len(noise) - 4) + noise + struct.pack(">I", zlib.crc32(noise))
        end = data.rindex(b"IEND") - 4
        return data[:end] + chunk + data[end:]
    if data.startswith(b"\xff\xd8"):
        sizes = [min(65_533, max(short - start, 4) - 4) for start in range(0, short, 65_537)]
        segments = (b"\xff\xfe" + struct.pack(">H", size + 2) + os.urandom(size) for size in sizes)
        return data[:2] + b"".join(segments) + data[2:]
    return data


def unwrapped(text: str) -> bytes | None:
    """The bytes of a data URI or of bare base64; None when it is neither."""
    _, comma, rest = text.partition(",") if text.startswith("data:") else ("", ",", text)
    try:
        return base64.b64decode(rest, validate=True) if comma else None
    except binascii.Error:
        return None


def readable(data: bytes | None) -> bool:
    """Whether these are the bytes of a picture."""
    try:
        return data is not None and opened(data, (8, 8), "L") is not None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def filled(upload: Upload, data: bytes) -> Upload:
    return replace(upload, data=data, size=len(data))
