"""Where uploads lie: a folder for each person, in it a picture by our own id and beside it what else is known of it.

The files are all there is, so that every process that shares the folder knows what any of them took in, also after a
restart. An id that isn't made like ours is nobody's, and never becomes a path.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.images import Size
from commands.spec import Attachment

KEPT = 3600.0
"""Seconds."""
MOST_EACH = 20
MOST_BYTES = 1024 * 1024 * 1024
"""Of everybody's together; the oldest go first."""
_ID = re.compile(r"[0-9a-f]{32}")
_NOTED = ".json"


@dataclass(frozen=True, slots=True)
class Upload:
    id: str
    person: str
    name: str
    path: Path
    media_type: str
    size: Size
    bytes: int

    @property
    def attachment(self) -> Attachment:
        return Attachment(self.id, self.name, self.bytes)


class Shelf:
    """`clock` says the time as files carry it."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._clock = clock
        self._put = 0
        root.mkdir(parents=True, exist_ok=True)

    def place(self, person: str) -> tuple[str, Path]:
        """An id, and where its picture is to be written: it is found once it was `put`."""
        made = secrets.token_hex(16)
        folder = self._root / person  # signed by us (people.py)
        folder.mkdir(exist_ok=True)
        return made, folder / made

    def put(self, upload: Upload) -> None:
        """Let it be found, by its person alone. Their oldest make room, and everybody's where there is too much."""
        told = {"name": upload.name, "media_type": upload.media_type, "size": [upload.size.width, upload.size.height]}
        half = upload.path.with_suffix(".half")
        half.write_text(json.dumps(told))
        half.replace(_note(upload.path))
        own = sorted(upload.path.parent.glob(f"*{_NOTED}"), key=_age, reverse=True)
        for note in own[MOST_EACH:]:
            _drop(note.with_suffix(""))
        self._put += upload.bytes
        if self._put > MOST_BYTES / 20:  # others put some, too; to look at all of it each time would be slow
            self.sweep()

    def get(self, upload: str, person: str) -> Upload | None:
        """None for one that isn't this person's, or is kept no more."""
        if not _ID.fullmatch(upload):
            return None
        path = self._root / person / upload
        try:
            told, stat = json.loads(_note(path).read_bytes()), path.stat()
        except (FileNotFoundError, ValueError):
            return None
        if stat.st_mtime <= self._clock() - KEPT:
            return None
        return Upload(upload, person, told["name"], path, told["media_type"], Size(*told["size"]), stat.st_size)

    def sweep(self) -> int:
        """Delete what is too old, or too much; returns how many files went."""
        self._put = 0
        oldest = self._clock() - KEPT
        files = sorted(self._files(), key=lambda found: found[1].st_mtime)
        old = [path for path, stat in files if stat.st_mtime <= oldest]
        for path in old:
            path.unlink(missing_ok=True)
        young = [(path, stat.st_size) for path, stat in files if stat.st_mtime > oldest]
        too_much = _too_much([(path, size) for path, size in young if path.suffix != _NOTED and _note(path).exists()])
        for path in too_much:
            _drop(path)
        self._tidy(oldest)
        return len(old) + len(too_much)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                with suppress(FileNotFoundError):  # another process may tidy up, too
                    path = Path(folder, name)
                    yield path, path.stat()

    def _tidy(self, oldest: float) -> None:
        """People's folders go once nothing has come to them for long."""
        for folder in self._root.iterdir():
            with suppress(OSError):  # not empty, or gone already
                if folder.stat().st_mtime <= oldest:
                    folder.rmdir()


def _too_much(kept: list[tuple[Path, int]]) -> list[Path]:
    """What has to go of these files and their bytes, the oldest first."""
    over = sum(size for _, size in kept) - MOST_BYTES
    gone = []
    for path, size in kept:
        if over <= 0:
            break
        gone.append(path)
        over -= size
    return gone


def _note(path: Path) -> Path:
    return path.with_suffix(_NOTED)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _drop(path: Path) -> None:
    _note(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
