"""What is well and what is not, in plain words with what to do about it. It changes nothing: it only looks."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from bot.errors import BadSettings

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from bot.settings import Settings

ANSWERS_WITHIN = 5
"""Seconds for a database to accept a connection."""
_SLOTS = 'SELECT slot, role, "of", extract(epoch FROM clock_timestamp())::float - beat_at FROM slots ORDER BY slot'


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `advice` says what was found or, when it isn't `ok`, what to do."""

    name: str
    ok: bool
    advice: str

    def __str__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.name}: {self.advice}"


class Diagnosing(Protocol):
    """What an adapter's module offers for this."""

    async def diagnose(self) -> list[Check]: ...


async def diagnose() -> AsyncIterator[Check]:
    """Everything, one after the other, as it is found. Never raises for what is merely wrong."""
    from bot.adapters import platforms, stand_ins
    from bot.app import read_all
    from bot.settings import Settings, read

    try:
        read_all()
        yield Check("Settings", True, "they make sense")
    except BadSettings as error:
        for line in str(error).splitlines()[1:]:
            yield Check("Setting", False, line.strip())
    try:
        settings = read(Settings)[0]
    except BadSettings:
        return
    async for check in _adapter(settings.backend):
        yield check
    yield _flags(settings)
    names = platforms(settings)
    if not settings.platforms and set(names) <= set(stand_ins()):
        advice = f"none yet, so only {', '.join(names)} is served. {' '.join(_missing())}"
        yield Check("Chat platform", False, advice)
    for name in names:
        async for check in _adapter(name):
            yield check
    yield await asyncio.to_thread(database, settings)
    if settings.slots > 1 and (found := await asyncio.to_thread(peers, settings)) is not None:
        yield found
    yield room(settings.data_dir)
    yield loras(settings.lora_file)


def _missing() -> Iterator[str]:
    """For each chat platform with an account: what has to be set first."""
    from bot.adapters import accounts, adapter
    from bot.settings import read

    for name in accounts():
        try:
            read(adapter(name).settings_kind())
        except BadSettings as error:
            yield f"For {name}, {str(error).splitlines()[1].strip()}."


async def _adapter(name: str) -> AsyncIterator[Check]:
    from bot.adapters import adapter

    try:
        found = await cast(Diagnosing, adapter(name)).diagnose()
    except BadSettings:  # its settings are told already
        return
    for check in found:
        yield check


def _flags(settings: Settings) -> Check:
    """Whether pictures come with a safety verdict, and what becomes of those without."""
    from bot.app import backend_of

    name = "NSFW flags"
    without = "covered as a spoiler" if settings.unknown_nsfw == "spoiler" else "shown openly"
    try:
        capabilities = backend_of(settings).capabilities
    except BadSettings:
        return Check(name, True, f"a picture without one is {without} (EASEL_UNKNOWN_NSFW={settings.unknown_nsfw})")
    if capabilities.flags_nsfw and settings.safety_checker:
        return Check(name, True, f"the API tells them; a picture without one is {without}")
    why = "this API version may never tell them" if settings.safety_checker else "EASEL_SAFETY_CHECKER is off"
    return Check(
        name,
        True,
        f"{why}, so every picture may be {without}. "
        f"EASEL_UNKNOWN_NSFW={settings.unknown_nsfw} decides that: spoiler covers, show trusts.",
    )


def database(settings: Settings) -> Check:
    """Whether it answers and is up to date; it is neither made nor migrated here."""
    import sqlalchemy as sa

    url = sa.make_url(settings.database)
    where = url.database if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return Check("Database", True, f"not there yet; the first start makes {where}")
    engine = _looking(url)
    try:
        with engine.connect() as connection:
            return _revision(connection, str(where))
    except sa.exc.SQLAlchemyError as error:
        why = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return Check("Database", False, f"{where} can't be read ({why}). Look at EASEL_DATABASE_URL.")
    finally:
        engine.dispose()


def _looking(url: URL) -> Engine:
    """An engine that leaves no trace: SQLite in its read-only mode, as a still file where no process has it open."""
    import sqlalchemy as sa

    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, connect_args={"connect_timeout": ANSWERS_WITHIN, "client_encoding": "UTF8"})
    file = Path(str(url.database)).absolute()
    still = "" if file.with_name(f"{file.name}-wal").exists() else "&immutable=1"
    return sa.create_engine(f"sqlite:///{file.as_uri()}?mode=ro{still}&uri=true")


def _revision(connection: Connection, where: str) -> Check:
    import sqlalchemy as sa

    from bot.ledger import State
    from bot.moving import moved_to
    from bot.store import migrate
    from bot.store.tables import ledger

    found, newest = migrate.revision(connection), migrate.head()
    if found is None:
        try:
            migrate.check_encoding(connection)
        except BadSettings as error:
            return Check("Database", False, str(error))
        return Check("Database", True, f"{where} is empty; the first start fills it")
    if found > newest:
        return Check("Database", False, f"{where} belongs to a newer Easel ({found}). Install that version again.")
    if found < newest:
        return Check("Database", False, f"{where} is at {found}, {newest} is needed. Run `python -m bot migrate`.")
    if (place := moved_to(connection)) is not None:
        return Check("Database", False, f"{where} was moved to {place}. Set EASEL_DATABASE_URL to that.")
    lost = connection.execute(
        sa.select(sa.func.count()).select_from(ledger).where(ledger.c.state == State.UNCERTAIN)
    ).scalar_one()
    jobs = "1 job" if lost == 1 else f"{lost} jobs"
    said = f"; {jobs} may have been paid for without a picture" if lost else ""
    return Check("Database", True, f"{where} is up to date{said}")


# ---- several processes ----


def peers(settings: Settings) -> Check | None:
    """Which slots are at work, and whether those agree with our settings. None if the database does not tell."""
    import sqlalchemy as sa

    engine = _looking(sa.make_url(settings.database))
    try:
        with engine.connect() as connection:
            there = sa.inspect(connection).has_table("slots")
            found = [_Slot(*row) for row in connection.execute(sa.text(_SLOTS))] if there else []
    except sa.exc.SQLAlchemyError:  # told as the database's trouble
        return None
    finally:
        engine.dispose()
    return _agree(settings, found)


@dataclass(frozen=True, slots=True)
class _Slot:
    """`of` is how many it believes there are, `silent_for` in seconds, by the server's clock."""

    slot: int
    role: str
    of: int
    silent_for: float

    @property
    def at_work(self) -> bool:
        from bot.standing import SILENT

        return self.silent_for < SILENT

    def __str__(self) -> str:
        return f"{self.slot} ({self.role})" if self.at_work else f"{self.slot} (silent for {self.silent_for:.0f} s)"


def _agree(settings: Settings, found: Sequence[_Slot]) -> Check:
    """Our own slot may be absent: it is perhaps about to start."""
    at_work = {one.slot: one for one in found if one.at_work}
    odd = [one for one in at_work.values() if not _fits(one, settings)]
    silent = {one.slot: str(one) for one in found}
    absent = [slot for slot in range(settings.slots) if slot not in at_work]
    if odd:
        told = ", ".join(map(str, odd))
        advice = f"slot {told} does not fit. Set EASEL_SLOTS and EASEL_GATEWAYS alike for all processes, and restart."
        return Check("Slots", False, advice)
    if not at_work:
        return Check("Slots", True, f"none of {settings.slots} is at work yet")
    told = f"{', '.join(map(str, at_work.values()))} of {settings.slots} at work"
    if absent:
        told += f"; not there: {', '.join(silent.get(slot, str(slot)) for slot in absent)}"
    if set(absent) - {settings.slot}:
        return Check("Slots", False, f"{told}. Start what is not there, or set EASEL_SLOTS lower for all processes.")
    return Check("Slots", True, f"{told}. All of them need the same data folder: EASEL_DATA_DIR")


def _fits(one: _Slot, settings: Settings) -> bool:
    return one.of == settings.slots and (one.role == "worker") is (one.slot >= settings.receivers)


# ---- this machine ----


def room(data_dir: Path) -> Check:
    """Whether there is room for pictures, and whether we may write there."""
    from bot.pictures import SPARE_BYTES

    there = next(folder for folder in (data_dir.absolute(), *data_dir.absolute().parents) if folder.is_dir())
    if not os.access(there, os.W_OK):
        return Check("Disk", False, f"{there} can't be written. Give it to Easel's user, or set EASEL_DATA_DIR.")
    free = shutil.disk_usage(there).free
    if free <= SPARE_BYTES:
        return Check("Disk", False, f"{free / 1e9:.1f} GB free, too little for pictures. Make room in {there}.")
    return Check("Disk", True, f"{free / 1e9:.1f} GB free for {data_dir}")


def loras(file: Path | None) -> Check:
    from bot.library import Library

    try:
        found = Library.load(file).entries
    except BadSettings as error:
        return Check("LoRAs", False, str(error))
    return Check(
        "LoRAs", True, f"{len(found)} in {file or 'the starter set; EASEL_LORA_FILE names a list of your own'}"
    )
