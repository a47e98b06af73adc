"""The data folder belongs to one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import BadSettings


@contextmanager
def held(data_dir: Path, slot: int | None = None) -> Iterator[None]:
    """Hold the folder, made if it isn't there, until the block ends; the system lets go of it if we are killed.

    With a `slot`, hold only that of it: several processes on one database share a folder.

    Raises BadSettings when another process holds it: two would go on with the same jobs, and pay twice.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / ("easel.lock" if slot is None else f"easel-{slot}.lock")).open("ab")
    except OSError as error:
        raise BadSettings(f"EASEL_DATA_DIR: {data_dir} can't be written ({error.strerror}).") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSettings(_taken(data_dir, slot)) from None
        yield


def _taken(data_dir: Path, slot: int | None) -> str:
    if slot is not None:
        return (
            f"EASEL_SLOT: another Easel holds slot {slot} in {data_dir}. Stop that one, or give this one its own slot."
        )
    return (
        f"Another Easel is at work in the data folder {data_dir}. "
        "Stop that one first, or give this one a folder of its own with EASEL_DATA_DIR."
    )
