"""Reads an answer that may hold pictures, putting them on disk as they stream by, so that no answer fills the memory.

A JSON string longer than `KEPT` is decoded from base64 into a file, and a short stand-in (`wire.SPILLED` and its
number) takes its place in the document. Whatever the size of the answer, a piece of it at a time is in memory.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from adapters.wavespeed.wire import SPILLED
from bot.errors import DiskFull

KEPT = 16 * 1024
"""Bytes; addresses and messages are far shorter, pictures far longer."""
MAX_DOCUMENT = 1024 * 1024
"""Bytes of the document without its pictures."""

_OPEN_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_UNICODE = re.compile(rb"\\u00([0-9a-fA-F]{2})")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANK = b" \t\r\n"
_UNUSUAL = (b"-", b"_", b" ", b"\t", b"\r", b"\n")


class TooLarge(ValueError):
    """The document itself is larger than any honest answer."""


class Base64File:
    """Base64 text, with or without a `data:` head, written to a file as it comes. `problem` says why it is no use."""

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self.problem = ""
        self._most = most
        self._size = 0
        self._head: bytes | None = b""
        self._rest = b""
        self._file: BinaryIO | None = None

    def write(self, text: bytes) -> None:
        if self.problem:
            return
        if self._head is not None:
            self._head += text
            body = _after_head(self._head)
            if body is None:
                self.problem = "" if len(self._head) < 512 else "not base64"
                return
            self._head, text = None, body
        if any(letter in text for letter in _UNUSUAL):
            text = text.translate(_URL_SAFE, _BLANK)
        text = self._rest + text
        whole = len(text) // 4 * 4
        # Padding ends a text, and only the last piece may hold it.
        self._rest = text[whole - 4 :] if text[whole - 1 : whole] == b"=" else text[whole:]
        self._decode(text[: len(text) - len(self._rest)])

    def finish(self) -> None:
        """The text is complete."""
        if self._head is not None:
            self.problem = self.problem or "not base64"
        if not self.problem and self._rest:
            self._decode(self._rest + b"=" * (-len(self._rest) % 4))
        self.close()
        if not self.problem and not self._size:
            self.problem = "empty"

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _decode(self, text: bytes) -> None:
        try:
            data = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            self.problem = "not base64"
            return
        self._size += len(data)
        if self._size > self._most:
            self.problem = "too large"
            return
        if data:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = self.path.open("wb")
            self._file.write(data)
        except OSError as error:
            raise no_room(error) from error


def no_room(error: OSError) -> DiskFull:
    """A picture could not be written: someone has to look at the disk."""
    return DiskFull(
        "Easel has no room left for pictures. The operator has to look at it.", detail=f"errno={error.errno}"
    )


def _after_head(text: bytes) -> bytes | None:
    """The base64 behind a `data:…;base64,` head, or all of it where there is no head; None while that is open."""
    start = text.lstrip(_BLANK)
    if start[:5].lower() != b"data:"[: len(start[:5])]:
        return text
    head, comma, body = start.partition(b",")
    if not comma or not head.lower().endswith(b";base64"):
        return None
    return body


class Sieve:
    """Feed it the answer's bytes in any pieces, then ask for the `document`. Close it in any case."""

    def __init__(self, place: Callable[[int], Path], most: int) -> None:
        """`place` names the file of the n-th picture (from 0); `most` is the bytes that one may have."""
        self.pictures: list[Base64File] = []
        self._place = place
        self._most = most
        self._json = bytearray()
        self._string_at = -1
        self._open: Base64File | None = None
        self._escape = b""
        self._unread = b""

    def feed(self, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            at = self._outside(piece, at) if self._string_at < 0 else self._inside(piece, at)
        if len(self._json) > MAX_DOCUMENT:
            raise TooLarge

    def document(self) -> bytes:
        """The JSON, with stand-ins for its pictures."""
        return bytes(self._json)

    def close(self) -> None:
        for picture in self.pictures:
            picture.close()

    def discard(self) -> None:
        """Close, and leave nothing on disk."""
        self.close()
        for picture in self.pictures:
            picture.path.unlink(missing_ok=True)

    def _outside(self, piece: bytes, at: int) -> int:
        quote = piece.find(b'"', at)
        end = len(piece) if quote < 0 else quote + 1
        self._json += piece[at:end]
        if quote >= 0:
            self._string_at = len(self._json)
        return end

    def _inside(self, piece: bytes, at: int) -> int:
        """Take what belongs to the string, up to its end or the end of the piece."""
        if self._escape:
            # The character behind a backslash never ends the string.
            self._take(self._escape + piece[at : at + 1])
            self._escape = b""
            return at + 1
        quote = piece.find(b'"', at)
        while quote >= 0 and _escaped(piece, at, quote):
            quote = piece.find(b'"', quote + 1)
        if quote >= 0:
            self._take(piece[at:quote])
            self._end()
            return quote + 1
        end = len(piece)
        if _escaped(piece, at, end):
            end -= 1
            self._escape = b"\\"
        self._take(piece[at:end])
        return len(piece)

    def _take(self, text: bytes) -> None:
        if self._open is not None:
            self._spill(text)
            return
        self._json += text
        if len(self._json) - self._string_at > KEPT:
            self._open = Base64File(self._place(len(self.pictures)), self._most)
            self.pictures.append(self._open)
            text = bytes(self._json[self._string_at :])
            del self._json[self._string_at :]
            self._json += (SPILLED.replace("\x00", "\\u0000") + str(len(self.pictures) - 1)).encode()
            self._spill(text)

    def _spill(self, text: bytes) -> None:
        assert self._open is not None
        text = self._unread + text
        cut = _OPEN_ESCAPE.search(text[-6:])
        self._unread = cut[0] if cut else b""
        self._open.write(_unescaped(text[: len(text) - len(self._unread)]))

    def _end(self) -> None:
        if self._open is not None:
            self._open.write(self._unread)
            self._open.finish()
            self._open, self._unread = None, b""
        self._json += b'"'
        self._string_at = -1


def _escaped(piece: bytes, start: int, at: int) -> bool:
    """Whether an odd number of backslashes stands right before `at`."""
    before = at
    while before > start and piece[before - 1] == ord("\\"):
        before -= 1
    return (at - before) % 2 == 1


def _unescaped(text: bytes) -> bytes:
    """The escapes that base64 can be written with; any other leaves a backslash, which is no base64."""
    if b"\\" not in text:
        return text
    text = text.replace(rb"\/", b"/").replace(rb"\n", b"").replace(rb"\r", b"").replace(rb"\t", b"")
    return _UNICODE.sub(lambda found: bytes([int(found[1], 16)]), text)
