"""The command line: `python -m bot` runs the bot, and its subcommands do the rest."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import importlib
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from bot.settings import Settings

M_ARENA_MAX = -8
"""glibc's mallopt(3)."""

Arguments = argparse.Namespace
T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> None:
    """Exits with 0, 1 when it failed, 2 when settings or arguments make no sense."""
    arguments = _parser(sys.argv[1:] if argv is None else argv).parse_args(argv)
    sys.exit(_guarded(arguments))


def _guarded(arguments: Arguments) -> int:
    from bot.errors import BadSettings, EaselError

    run: Callable[[Arguments], int] = arguments.run
    try:
        return run(arguments)
    except BadSettings as error:
        return _fail(str(error), 2)
    except EaselError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _unexpected(error)


def _fail(message: str, code: int = 1) -> int:
    print(message, file=sys.stderr)
    return code


def _unexpected(error: Exception) -> int:
    """One line; who wants to know more asks for it."""
    from bot.settings import raw

    if raw("EASEL_LOG_LEVEL") == "DEBUG":
        raise error
    if isinstance(error, OSError) and error.errno is not None:
        return _fail(f"The system refuses: {error.strerror or error}. EASEL_LOG_LEVEL=DEBUG tells more.")
    if isinstance(damage := getattr(error, "orig", None), sqlite3.DatabaseError):
        return _fail(
            f"A database in the data folder can't be used ({damage}). "
            "If it is damaged, put back a backup of easel.sqlite and engine.sqlite. EASEL_LOG_LEVEL=DEBUG tells more."
        )
    if type(damage).__module__.startswith("psycopg") and isinstance(damage, Exception):
        return _fail(
            f"EASEL_DATABASE_URL: Postgres can't be used ({str(damage).strip().splitlines()[0]}). "
            "`python -m bot doctor` looks at it; EASEL_LOG_LEVEL=DEBUG tells more."
        )
    return _fail(f"Something went wrong ({type(error).__name__}). EASEL_LOG_LEVEL=DEBUG tells more.")


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    from bot import adapters

    parser = argparse.ArgumentParser(
        prog="python -m bot", description="Easel draws pictures from words for people in a chat."
    )
    parser.set_defaults(run=_run)
    commands = parser.add_subparsers(title="commands", metavar="")
    commands.add_parser("run", help="run the bot (also without any command)").set_defaults(run=_run)
    commands.add_parser("doctor", help="look whether all is well, and say what to do").set_defaults(run=_doctor)
    commands.add_parser("migrate", help="bring the database up to date").set_defaults(run=_migrate)
    move = commands.add_parser("move", help="carry everything from SQLite to an empty Postgres")
    move.add_argument("to", nargs="?", default="", metavar="postgresql://…", help="default: EASEL_DATABASE_URL")
    move.add_argument("--undo", action="store_true", help="let the SQLite file that was moved be started again")
    move.set_defaults(run=_move)
    imagine = commands.add_parser("imagine", help="draw one picture here, without a chat")
    if "imagine" in argv:
        _arguments_of_imagine(imagine)
    imagine.set_defaults(run=_imagine)
    adapters.add_commands(commands)
    return parser


def _arguments_of_imagine(parser: argparse.ArgumentParser) -> None:
    _module("terminal").add_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("pictures"), metavar="FOLDER", help="where it is saved")


def _module(adapter: str) -> Any:
    """An adapter by name: the heart knows none of them."""
    return importlib.import_module(f"adapters.{adapter}")


# ---- run ----


def _run(_arguments: Arguments) -> int:
    from bot import logs
    from bot.adapters import platforms
    from bot.app import read_all, serve

    _few_arenas()
    drawing = _stand_in()
    settings = read_all(draws=drawing is None)
    logs.configure(settings.log_level)
    names = platforms(settings)
    with asyncio.Runner(loop_factory=_quick_loop()) as runner:
        runner.run(serve(settings, names, drawing, _welcome(names, simulated=drawing is not None)))
    return 0


def _stand_in() -> contextlib.AbstractAsyncContextManager[Any] | None:
    """A free image API for who has no key yet and only looks around; None where the real one is meant."""
    from bot.adapters import adapter, platforms, stand_ins
    from bot.errors import BadSettings
    from bot.settings import Settings, read

    try:
        settings = read(Settings)[0]
        backend: Any = adapter(settings.backend)
    except BadSettings:  # told with all others, by who reads them next
        return None
    if not set(platforms(settings)) <= set(stand_ins()) or not hasattr(backend, "stand_in"):
        return None
    found: contextlib.AbstractAsyncContextManager[Any] | None = backend.stand_in(settings.data_dir)
    return found


def _welcome(names: Sequence[str], *, simulated: bool) -> Callable[[str], None]:
    from bot.adapters import stand_ins

    def welcome(address: str) -> None:
        if not set(names) & set(stand_ins()):
            return
        print(f"Easel's playground is open: {address}")
        if simulated:
            print("Its pictures are simulated and cost nothing; the README leads to real ones in two minutes.")
        print("Ctrl-C ends it; nothing is lost.", flush=True)

    return welcome


def _quick_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's event loop; the usual one where there is none (Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _few_arenas() -> None:
    """One heap for each of our threads would hold on to tens of megabytes (glibc only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


# ---- imagine ----


def _imagine(arguments: Arguments) -> int:
    from bot.app import backend_of, read_all

    settings = read_all(chat=False)
    apart = _apart(settings, settings.data_dir / "terminal")
    backend = contextlib.nullcontext(backend_of(apart))
    return _interruptible(
        _draw(apart, arguments, arguments.out, backend),
        "Stopped. A picture that was accepted isn't lost: the next `imagine` goes on with it.",
    )


def _apart(settings: Settings, data_dir: Path, **other: object) -> Settings:
    """The same settings with a data folder and databases of its own: the bot itself may be running, in whatever slots."""
    alone = {"slots": 1, "slot": 0, "gateways": 0, "role": "all"}
    return settings.model_copy(update={"data_dir": data_dir, "database_url": "", **alone, **other})


async def _draw(
    settings: Settings, given: Arguments, out: Path, backend: contextlib.AbstractAsyncContextManager[Any]
) -> int:
    """Through intake, engine, ledger and API client, like any picture asked for in a chat."""
    from bot import logs
    from bot.app import opened

    logs.configure("DEBUG" if settings.log_level == "DEBUG" else "ERROR")  # the terminal belongs to the progress
    terminal = _module("terminal").connect(given, out)
    async with backend as client, opened(settings, client, [terminal]) as easel:
        await terminal.serve(easel)
    return 0 if terminal.saved else 1


def _interruptible(work: Coroutine[Any, Any, int], stopped: str) -> int:
    """Run it; Ctrl-C and SIGTERM end it with everything closed, and `stopped` is said."""
    try:
        return asyncio.run(_until_asked(work))
    except asyncio.CancelledError:
        return _fail(stopped, 130)


async def _until_asked(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


# ---- the rest ----


def _doctor(_arguments: Arguments) -> int:
    from bot import logs
    from bot.doctor import diagnose

    logs.configure("ERROR")

    async def look() -> bool:
        well = True
        async for check in diagnose():
            print(check, flush=True)
            well = well and check.ok
        return well

    if asyncio.run(look()):
        print("\nAll is well.")
        return 0
    print("\nWhat is marked with ✗ needs you.")
    return 1


def _migrate(_arguments: Arguments) -> int:
    from bot import folder
    from bot.settings import Settings, read
    from bot.store import Database
    from bot.store.migrate import current, upgrade
    from bot.workflow import upgrade as upgrade_engine

    settings = read(Settings)[0]
    with folder.held(settings.data_dir), contextlib.closing(Database(settings.database)) as database:
        before = current(database)
        changed = upgrade(database)
        upgrade_engine(settings.engine_database, settings.slots)
        print(f"{before or 'empty'} → {current(database)}" if changed else f"{before}: already up to date")
    return 0


def _move(arguments: Arguments) -> int:
    from bot import folder, moving
    from bot.errors import BadSettings
    from bot.settings import Settings, read
    from bot.store import Database

    settings = read(Settings)[0]
    file = _sqlite_file(settings)
    if not file.is_file():
        raise BadSettings(f"There is no SQLite database at {file}, so there is nothing to move.")
    with folder.held(settings.data_dir), contextlib.closing(Database(f"sqlite:///{file}")) as source:
        if arguments.undo:
            print(f"{file} can be started again." if moving.undo(source) else f"{file} was never moved.")
            return 0
        with contextlib.closing(Database(_postgres(settings, arguments.to))) as target:
            moved = moving.move(source, target)
    for table in moved.tables:
        print(f"{table.name:10} {table.rows:9,} rows  ✓ {table.digest[:16]}")
    print("It was all there already." if moved.again else "Everything is there, checked row by row.")
    print(f"Jobs under way: {moved.under_way}. They go on at the next start with EASEL_DATABASE_URL=postgresql://…")
    return 0


def _sqlite_file(settings: Settings) -> Path:
    """The one in use, or the one that was, when the settings name Postgres by now."""
    scheme, _, path = settings.database.partition(":///")
    return Path(path) if scheme == "sqlite" else settings.data_dir / "easel.sqlite"


def _postgres(settings: Settings, url: str) -> str:
    from bot.errors import BadSettings

    if url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        return settings.model_copy(update={"database_url": url}).database
    if url or settings.database.startswith("sqlite"):
        raise BadSettings("Where to? `python -m bot move postgresql://…`, or EASEL_DATABASE_URL set to it.")
    return settings.database


if __name__ == "__main__":
    main()
