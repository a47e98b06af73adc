"""From SQLite to Postgres: everything or nothing, and never in use in both places."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot import folder, moving
from bot.doctor import database as look_at
from bot.errors import BadSettings, OperatorMustAct
from bot.images import Flag, Lora, Picture, Size
from bot.jobs import Failed, Finished
from bot.ledger import Ledger
from bot.ports import Ticket
from bot.settings import Settings
from bot.store import Database, Store
from bot.store.migrate import upgrade
from bot.store.tables import facts, jobs, metadata
from bot.vault import Vault
from tests.bot.making import ANNA, SQUARE, job, request
from tests.command_line import CommandLine
from tests.servers.postgres import new_database

KEY = "k" * 32
ODD = "a “fox”\n\t\\ 🦊 — \u2028 it's \x7f 100%"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'data' / 'easel.sqlite'}")) as made:
        upgrade(made)
        yield made


@pytest.fixture
def address(postgres_url: str) -> str:
    return new_database(postgres_url)


@pytest.fixture
def target(address: str) -> Iterator[Database]:
    with closing(Database(address)) as made:
        yield made


async def lived(database: Database, root: Path) -> Store:
    """A store in which something of everything happened."""
    store, money, vault = Store(database, root), Ledger(database, "old"), Vault(database, [KEY])

    async def accepted(**how: Any) -> str:
        made = job(how.pop("asked", None), **how)
        kept = await store.accept(made, delivery_key=made.id, ordinal=0, message_key=f"m{made.id}", kind="k")
        assert kept is not None
        await money.intend(kept, 0.1 + 0.2)
        return kept.id

    done = await accepted(asked=request(ODD, loras=(Lora("owner/yarn", 0.30000000000000004, "yarn"),)))
    assert await money.begin_post(done)
    assert await money.submitted(done, Ticket("prediction", job().created_at))
    picture = Picture(1, root / "d" / "p-1.png", "image/png", Size(64, 64), Flag.YES)
    await store.ended(await store.get(done), Finished((picture,), (), 1 / 3, 0.015), 1 / 3, {picture: True})
    await store.closed(done, address="double:1", public=True)
    failed = await accepted(requester=replace(ANNA, name=ODD), place=replace(SQUARE, community=None))
    await store.ended(await store.get(failed), Failed("Moderated", "Other words."), 0.0, {})
    await accepted(notes=(ODD,), private=True)  # runs
    waiting = await store.accept(job(), delivery_key="waiting", ordinal=3, message_key="", kind="k")
    assert waiting is not None
    await store.cancel(waiting.id)
    await store.set_fact("price", "0.015")
    await vault.put("slack:installation:a", "xoxb-secret")
    return store


async def records(store: Store) -> list[Any]:
    return [await store.get(one.job.id) for one in await store.history(ANNA, limit=100)]


async def test_everything_arrives_as_it_was(source: Database, target: Database, tmp_path: Path) -> None:
    before = await records(await lived(source, tmp_path))
    moved = await asyncio.to_thread(moving.move, source, target)
    assert {table.name: table.rows for table in moved.tables} == {
        "jobs": 4,
        "pictures": 1,
        "ledger": 3,
        "facts": 1,
        "secrets": 1,
    }
    assert (moved.under_way, moved.again) == (3, False)
    assert await records(Store(target, tmp_path)) == before
    assert await Vault(target, [KEY]).get("slack:installation:a") == "xoxb-secret"
    assert await Store(target, tmp_path).fact(moving.MARK) is None
    entries = [await Ledger(one, "x").entry(record.job.id) for record in before for one in (source, target)]
    assert entries[::2] == entries[1::2]


async def test_what_was_open_can_still_end(source: Database, target: Database, tmp_path: Path) -> None:
    """Its outcome is NULL there, too: a JSON null would count as an end."""
    await lived(source, tmp_path)
    await asyncio.to_thread(moving.move, source, target)
    store = Store(target, tmp_path)
    (running,) = [record for record in await store.open() if record.job.notes == (ODD,)]
    ended = await store.ended(running, Failed("X", "x"), 0.0, {})
    assert ended.outcome == (await store.get(running.job.id)).outcome == Failed("X", "x")


async def test_the_file_is_marked_and_not_started_any_more(
    source: Database, target: Database, address: str, tmp_path: Path
) -> None:
    await lived(source, tmp_path)
    moving.check_in_use(source)
    await asyncio.to_thread(moving.move, source, target)
    with pytest.raises(BadSettings, match="was moved to postgresql://"):
        moving.check_in_use(source)
    found = look_at(Settings(data_dir=tmp_path / "data", _env_file=None))
    assert not found.ok
    assert "Set EASEL_DATABASE_URL" in found.advice
    moving.check_in_use(target)
    assert moving.undo(source)
    assert not moving.undo(source)
    moving.check_in_use(source)


async def test_a_second_move_finds_everything_there(source: Database, target: Database, tmp_path: Path) -> None:
    await lived(source, tmp_path)
    first = await asyncio.to_thread(moving.move, source, target)
    second = await asyncio.to_thread(moving.move, source, target)
    assert (second.tables, second.again) == (first.tables, True)


async def test_a_target_with_other_rows_is_refused_and_stays_as_it_is(
    source: Database, target: Database, tmp_path: Path
) -> None:
    await lived(source, tmp_path)
    upgrade(target)
    await Store(target, tmp_path).set_fact("price", "1")
    with pytest.raises(BadSettings, match="not empty"):
        await asyncio.to_thread(moving.move, source, target)
    moving.check_in_use(source)
    assert await Store(target, tmp_path).open() == []


async def test_a_target_where_easel_went_on_is_refused(source: Database, target: Database, tmp_path: Path) -> None:
    await lived(source, tmp_path)
    await asyncio.to_thread(moving.move, source, target)
    await Store(target, tmp_path).set_fact("price", "2")
    with pytest.raises(BadSettings, match="has been at work there"):
        await asyncio.to_thread(moving.move, source, target)


async def test_a_target_whose_engine_remembers_runs_is_refused(
    source: Database, target: Database, tmp_path: Path
) -> None:
    await lived(source, tmp_path)
    with target.engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA dbos"))
        connection.execute(sa.text("CREATE TABLE dbos.workflow_status (workflow_uuid TEXT)"))
        connection.execute(sa.text("INSERT INTO dbos.workflow_status VALUES ('of earlier')"))
    with pytest.raises(BadSettings, match="not empty"):
        await asyncio.to_thread(moving.move, source, target)
    with target.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM dbos.workflow_status"))
    assert (await asyncio.to_thread(moving.move, source, target)).under_way == 3


async def test_one_file_is_moved_to_one_place(
    source: Database, target: Database, postgres_url: str, tmp_path: Path
) -> None:
    await lived(source, tmp_path)
    await asyncio.to_thread(moving.move, source, target)
    with closing(Database(new_database(postgres_url))) as other:
        with pytest.raises(BadSettings, match=r"moved to postgresql://.* already"):
            await asyncio.to_thread(moving.move, source, other)
        assert moving.undo(source)
        await asyncio.to_thread(moving.move, source, other)


def cut(database: Database) -> None:
    """End every connection to this database, at the server."""
    engine = sa.create_engine(database.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()


@pytest.mark.parametrize("at", ["INSERT INTO pictures", "INSERT INTO secrets", "COMMIT"])
async def test_an_interrupted_move_leaves_nothing_and_the_next_one_ends_it(
    at: str, source: Database, target: Database, tmp_path: Path
) -> None:
    await lived(source, tmp_path)
    upgrade(target)
    broken = True

    @sa.event.listens_for(target.engine, "before_cursor_execute")
    def in_the_middle(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        if broken and statement.startswith(at):
            cut(target)

    @sa.event.listens_for(target.engine, "commit")
    def at_the_end(_connection: object) -> None:
        if broken and at == "COMMIT":
            cut(target)

    with pytest.raises(OperatorMustAct, match="connection broke"):
        await asyncio.to_thread(moving.move, source, target)
    broken = False
    with target.engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert connection.execute(sa.select(table)).first() is None
    if at == "COMMIT":  # nobody knows which side is the right one: neither is started
        with pytest.raises(BadSettings):
            moving.check_in_use(source)
    else:
        moving.check_in_use(source)
    moved = await asyncio.to_thread(moving.move, source, target)
    assert (moved.under_way, moved.again) == (3, False)


async def test_a_row_that_arrives_otherwise_is_noticed(source: Database, target: Database, tmp_path: Path) -> None:
    await lived(source, tmp_path)
    upgrade(target)
    with target.engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION meddle() RETURNS trigger AS "
                "$$ BEGIN NEW.price := NEW.price + 0.001; RETURN NEW; END $$ LANGUAGE plpgsql"
            )
        )
        connection.execute(sa.text("CREATE TRIGGER t BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION meddle()"))
    with pytest.raises(OperatorMustAct, match="ledger did not arrive as it was"):
        await asyncio.to_thread(moving.move, source, target)
    moving.check_in_use(source)
    assert await Store(target, tmp_path).open() == []


async def test_a_row_that_does_not_fit_is_told_without_its_words(
    source: Database, target: Database, tmp_path: Path
) -> None:
    await lived(source, tmp_path)
    with source.engine.begin() as connection:
        connection.execute(jobs.update().values(message_key=sa.literal("secret word ") + jobs.c.id + "x" * 300))
    with pytest.raises(OperatorMustAct, match=r"A row of jobs can't be carried \(value too long") as told:
        await asyncio.to_thread(moving.move, source, target)
    assert "secret word" not in str(told.value)


async def test_many_rows_in_any_order_have_one_digest(source: Database, target: Database, tmp_path: Path) -> None:
    """Names that two databases sort differently, more than are held in memory at once."""
    values = [{"key": f"{'aA_bB-'[number % 6]}{number}", "value": str(number)} for number in range(2500)]
    with source.engine.begin() as connection:
        connection.execute(facts.insert(), values)
    moved = await asyncio.to_thread(moving.move, source, target)
    assert next(table.rows for table in moved.tables if table.name == "facts") == 2500


# ---- the command ----


async def test_the_command_moves_once_and_tells_what(source: Database, address: str, tmp_path: Path) -> None:
    await lived(source, tmp_path)
    line = CommandLine(tmp_path, {})
    ended = await line.run("move", address)
    assert ended.code == 0, ended.err
    told = dict(text.split()[:2] for text in ended.out.splitlines() if "✓" in text)
    assert told == {"jobs": "4", "pictures": "1", "ledger": "3", "facts": "1", "secrets": "1"}
    assert "Jobs under way: 3." in ended.out
    again = await CommandLine(tmp_path, {"EASEL_DATABASE_URL": address}).run("move")
    assert again.code == 0, again.err
    assert "all there already" in again.out
    start = await CommandLine(tmp_path, {"EASEL_HTTP_PORT": "0"}).run()
    assert start.code == 2
    assert "was moved to postgresql://" in start.err
    undone = await line.run("move", "--undo")
    assert (undone.code, undone.out) == (0, "data/easel.sqlite can be started again.\n")


async def test_a_running_bot_is_not_moved(source: Database, address: str, tmp_path: Path) -> None:
    with folder.held(tmp_path / "data"):
        ended = await CommandLine(tmp_path, {}).run("move", address)
    assert ended.code == 2
    assert "Another Easel is at work" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("move",), "Where to?"),
        (("move", "sqlite:///other.sqlite"), "Where to?"),
        (("move", "postgresql://nobody:hidden@127.0.0.1:9/x"), "postgresql://nobody@127.0.0.1:9/x can't be used"),
    ],
)
async def test_where_it_can_not_go_is_said(
    source: Database, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = await CommandLine(tmp_path, {}).run(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "hidden" not in ended.err + ended.out
    assert "Traceback" not in ended.err


async def test_where_nothing_is_nothing_is_moved(tmp_path: Path) -> None:
    ended = await CommandLine(tmp_path, {}).run("move", "postgresql://x/y")
    assert ended.code == 2
    assert "nothing to move" in ended.err
    assert not (tmp_path / "data").exists()
