"""What the simulated account does not forget when its process ends: its predictions, in one SQLite file.

Each is written before its submit is answered, so what anybody was told of outlives a kill. A power cut is another
matter: nothing waits for the disk here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import structlog

from adapters.wavespeed.sim_predictions import Moment, Prediction, verdict

log = structlog.get_logger(__name__)

KEPT = 24 * 3600
"""Seconds after which a prediction, and its price, are forgotten: the simulated money comes back by itself."""

_TABLE = """
    CREATE TABLE IF NOT EXISTS predictions (
        id TEXT PRIMARY KEY, version INTEGER NOT NULL, inputs TEXT NOT NULL, seed INTEGER NOT NULL,
        created REAL NOT NULL, starts REAL NOT NULL, ends REAL NOT NULL, readable INTEGER NOT NULL,
        image BLOB, mask BLOB, cost REAL NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
    )
"""


class Memory:
    """Times in the file are Unix seconds; `epoch` is what makes them of the simulator's own clock.

    How a prediction ends is remembered by what its prompt and sources ask for; a test's script is not.
    """

    def __init__(self, path: Path, epoch: float) -> None:
        """Opens the file, or makes it. One that is no database any more is put aside. Raises OSError."""
        self._epoch = epoch
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = _opened(path)
        except sqlite3.OperationalError as error:
            raise OSError(f"the simulator's memory can't be opened: {error}") from error
        except sqlite3.DatabaseError:
            log.warning("the simulator's memory is damaged; it begins a new one")
            _put_aside(path)
            self._database = _opened(path)

    def close(self) -> None:
        self._database.close()

    def keep(self, prediction: Prediction, *, readable: bool, cost: float) -> None:
        """`readable`: its sources were found. `cost` in US$."""
        row = (
            prediction.id,
            prediction.version,
            json.dumps(prediction.inputs),
            prediction.seed,
            prediction.created.wall,
            prediction.starts + self._epoch,
            prediction.ends + self._epoch,
            readable,
            prediction.image,
            prediction.mask,
            cost,
        )
        names = "id, version, inputs, seed, created, starts, ends, readable, image, mask, cost"
        with self._database:
            self._database.execute(f"INSERT INTO predictions ({names}) VALUES ({', '.join('?' * 11)})", row)  # noqa: S608 - names of ours

    def recall(self, now: float) -> Iterator[tuple[Prediction, float]]:
        """Every prediction that is not forgotten yet, oldest first, and what it cost."""
        self.forget(now)
        with closing(self._database.execute("SELECT * FROM predictions ORDER BY created, rowid")) as rows:
            for row in rows:
                yield self._prediction(row), row["cost"]

    def hide(self, names: list[str]) -> None:
        with self._database:
            self._database.executemany("UPDATE predictions SET deleted = 1 WHERE id = ?", [(name,) for name in names])

    def forget(self, now: float) -> None:
        """Let go of what is too old by now, on the simulator's clock."""
        with self._database:
            self._database.execute("DELETE FROM predictions WHERE created < ?", (now + self._epoch - KEPT,))

    def _prediction(self, row: sqlite3.Row) -> Prediction:
        inputs = json.loads(row["inputs"])
        return Prediction(
            id=row["id"],
            version=row["version"],
            inputs=inputs,
            seed=row["seed"],
            created=Moment(row["created"] - self._epoch, row["created"]),
            starts=row["starts"] - self._epoch,
            ends=row["ends"] - self._epoch,
            script=verdict(inputs, media=bool(row["readable"])),
            image=row["image"],
            mask=row["mask"],
            deleted=bool(row["deleted"]),
        )


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    try:
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA auto_vacuum = FULL")  # before WAL, which makes the file, and then it is too late
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.execute(_TABLE)
    except BaseException:
        database.close()
        raise
    return database


def _put_aside(path: Path) -> None:
    path.replace(path.with_name(path.name + ".damaged"))
    for suffix in ("-wal", "-shm"):  # they belong to the one that goes
        path.with_name(path.name + suffix).unlink(missing_ok=True)
