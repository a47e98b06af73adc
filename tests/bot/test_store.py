"""What is remembered, on both databases."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.errors import BadSettings
from bot.images import Flag, Lora, Picture, Size
from bot.jobs import Cancelled, Failed, Finished, Job, Requester, Uncertain
from bot.store import Database, Store
from bot.store import migrate as migrations
from bot.store.database import NEVER_IDLE
from bot.store.tables import metadata
from tests.bot.making import ANNA, BEN, SQUARE, job, request
from tests.servers.postgres import new_database


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    return Store(database, tmp_path)


async def accepted(store: Store, made: Job, key: str | None = None) -> Job:
    kept = await store.accept(made, delivery_key=key or made.id, ordinal=0, message_key="double:1", kind="k")
    assert kept is not None
    return kept


def picture(root: Path, index: int = 1, flag: Flag = Flag.NO) -> Picture:
    return Picture(index, root / f"p-{index}.png", "image/png", Size(64, 64), flag)


async def test_a_job_comes_back_as_it_was(store: Store) -> None:
    made = await accepted(store, job(private=True, spoiler=True, notes=("said",), locale="de"))
    record = await store.get(made.id)
    assert record.job == replace(made, created_at=record.job.created_at)
    assert abs((record.job.created_at - made.created_at).total_seconds()) < 0.001
    assert (record.state, record.outcome, record.public, record.deleted) == ("waiting", None, False, False)


async def test_a_replay_is_the_same_job(store: Store) -> None:
    made = await accepted(store, job(), "interaction-1")
    assert await store.accept(job(), delivery_key="interaction-1", ordinal=0, message_key="m", kind="k") is None
    assert await store.accept(job(), delivery_key="interaction-1", ordinal=1, message_key="m", kind="k") is not None
    found = await store.delivered_as("double", "interaction-1", 0)
    assert found is not None
    assert found.job.id == made.id


async def test_many_at_once_are_all_kept_and_a_failing_one_takes_no_other_with_it(store: Store) -> None:
    made = [job() for _ in range(60)]
    broken = replace(job(), requester=replace(ANNA, name=None))  # type: ignore[arg-type]
    results = await asyncio.gather(
        *(accepted(store, one) for one in [*made[:30], broken, *made[30:]]), return_exceptions=True
    )
    assert sum(isinstance(result, Exception) for result in results) == 1
    assert {record.job.id for record in await store.open()} == {one.id for one in made}


@pytest.mark.parametrize(
    "outcome", [Failed("Moderated", "Refused."), Cancelled(paid=False), Cancelled(paid=True), Uncertain()]
)
async def test_an_end_comes_back_and_the_first_one_stands(store: Store, outcome: object) -> None:
    made = await accepted(store, job())
    await store.ended(await store.get(made.id), outcome, 0.0, {})  # type: ignore[arg-type]
    await store.ended(await store.get(made.id), Failed("Other", "Later."), 0.0, {})
    assert (await store.get(made.id)).outcome == outcome


async def test_pictures_and_what_is_withheld_come_back(store: Store, tmp_path: Path) -> None:
    made = await accepted(store, job())
    first, second = picture(tmp_path), picture(tmp_path, 2, Flag.YES)
    end = Finished((first, second), (), 7.4, 0.03)
    await store.ended(await store.get(made.id), end, 7.4, {first: False, second: True})
    await store.ended(await store.get(made.id), end, 7.4, {first: False, second: True})
    record = await store.get(made.id)
    assert record.outcome == end
    assert record.withheld == frozenset({2})


async def test_cancel_wins_once_and_never_after_the_end(store: Store) -> None:
    made, over = await accepted(store, job()), await accepted(store, job())
    assert sorted(await asyncio.gather(*(store.cancel(made.id) for _ in range(3)))) == [False, False, True]
    await store.ended(await store.get(over.id), Uncertain(), 0.0, {})
    assert not await store.cancel(over.id)


async def test_a_cancel_that_comes_at_the_very_end_is_refused_or_kept(store: Store) -> None:
    async def at_once() -> tuple[bool, bool]:
        """(told that it is cancelled, remembered so)"""
        made = await accepted(store, job())
        record = await store.get(made.id)
        told, _ = await asyncio.gather(store.cancel(made.id), store.ended(record, Finished((), (), 1.0, 0.0), 1.0, {}))
        return told, (await store.get(made.id)).outcome == Cancelled(paid=True)

    for told, kept in [await at_once() for _ in range(50)]:
        assert told == kept


async def test_a_closed_job_is_not_open_and_keeps_no_token(store: Store) -> None:
    made = await accepted(store, job())
    await store.ended(await store.get(made.id), Uncertain(), 0.0, {})
    await store.closed(made.id, address="double:1", public=True)
    assert await store.open() == []
    record = await store.get(made.id)
    assert (record.job.address, record.public, record.delivered) == ("double:1", True, True)
    lost = await accepted(store, job())
    await store.closed(lost.id, address="", public=False)
    assert not (await store.get(lost.id)).delivered


async def test_people_find_a_job_by_what_they_see(store: Store) -> None:
    made = await accepted(store, job())
    assert len(made.short) == 6
    for text in (made.short, made.short.upper(), f" #{made.short} ", made.short[:4], made.id, made.id[10:].lower()):
        found = await store.find(text)
        assert found is not None, text
        assert found.job.id == made.id
    for text in ("", "zzz", "no such", made.short[:3], "'; drop table jobs", made.short[:5] + "%"):
        assert await store.find(text) is None, text


async def test_jobs_of_one_moment_have_short_ids_as_short_as_others(store: Store) -> None:
    made = [job() for _ in range(50)]
    kept = await asyncio.gather(*(accepted(store, one) for one in made))
    assert {len(one.short) for one in kept} == {6}


async def test_two_jobs_with_one_beginning_get_different_short_ids(store: Store) -> None:
    first = await accepted(store, job())
    twin = replace(job(), id=first.id[:10] + first.id[10:17] + ("0" * 9))
    second = await accepted(store, twin)
    assert second.short.startswith(first.short)
    assert len(second.short) > len(first.short)
    found = await store.find(first.short)
    assert found is not None
    assert found.job.id == first.id


async def test_history_is_ones_own_newest_first_without_deleted_ones(store: Store) -> None:
    mine = [await accepted(store, job()) for _ in range(4)]
    await accepted(store, job(requester=BEN))
    await store.mark_deleted(mine[1].id)
    expected = sorted([mine[0].id, mine[2].id, mine[3].id], reverse=True)
    assert [record.job.id for record in await store.history(ANNA)] == expected
    assert [record.job.id for record in await store.history(ANNA, limit=1)] == expected[:1]
    assert [record.job.id for record in await store.history(ANNA, before=expected[0])] == expected[1:]
    last = await store.last(BEN)
    assert last is not None
    assert last.job.requester == BEN


async def test_a_message_leads_to_its_job(store: Store) -> None:
    made = await accepted(store, job())
    found = await store.by_message("double:1")
    assert found is not None
    assert found.job.id == made.id
    assert await store.by_message("double:2") is None


async def test_a_covered_job_stays_covered(store: Store) -> None:
    made = await accepted(store, job())
    await store.mark_spoiler(made.id)
    assert (await store.get(made.id)).job.spoiler


async def test_facts_are_kept_and_overwritten(store: Store) -> None:
    assert await store.fact("price") is None
    await store.set_fact("price", "0.015")
    await store.set_fact("price", "0.012")
    assert await store.fact("price") == "0.012"


async def test_a_fact_is_swapped_by_whoever_is_first(store: Store) -> None:
    for old in (None, "0"):
        swaps = [store.swap_fact("turn", old, str(number)) for number in ((0,) if old is None else range(1, 9))]
        assert (await asyncio.gather(*swaps)).count(True) == 1
    assert await store.fact("turn") in {str(number) for number in range(1, 9)}
    assert not await store.swap_fact("turn", None, "x")
    assert not await store.swap_fact("turn", "0", "x")


async def test_the_first_to_settle_a_fact_settles_it_for_all(store: Store) -> None:
    settled = await asyncio.gather(*(store.settle_fact("key", str(number)) for number in range(8)))
    assert set(settled) == {await store.fact("key")}


async def test_durations_come_back_oldest_first(store: Store) -> None:
    for seconds in (1.0, 2.0, 3.0):
        made = await accepted(store, job())
        await store.ended(await store.get(made.id), Finished((), (), seconds, 0.0), seconds, {})
    assert [seconds for _, seconds in await store.durations(2)] == [2.0, 3.0]


async def test_a_job_that_never_was(store: Store) -> None:
    with pytest.raises(LookupError):
        await store.get("never")


def test_the_migrations_make_exactly_these_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_second_upgrade_has_nothing_to_do(database: Database) -> None:
    assert migrations.current(database) == migrations.head()
    assert not migrations.upgrade(database)


def test_the_newest_file_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.head()


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    made = Database(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with made.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
    made.close()


def test_no_value_stands_in_an_error(database: Database) -> None:
    assert database.engine.hide_parameters  # prompts and tokens; errors are logged


async def test_a_place_shows_what_was_posted_there_newest_first(store: Store) -> None:
    first, private = await accepted(store, job()), await accepted(store, job(private=True))
    elsewhere = await accepted(store, job(place=replace(SQUARE, channel="other")))
    gone, last = await accepted(store, job()), await accepted(store, job(requester=BEN))
    await store.mark_deleted(gone.id)

    async def seen(by: Requester, **more: Any) -> list[str]:
        return [record.job.id for record in await store.posted(SQUARE, seen_by=by, limit=9, **more)]

    assert await seen(ANNA) == [last.id, private.id, first.id]
    assert await seen(BEN) == [last.id, first.id]
    assert await seen(ANNA, before=private.id) == [first.id]
    assert elsewhere.id not in await seen(ANNA)
    assert [record.job.id for record in await store.posted(SQUARE, seen_by=ANNA, limit=1)] == [last.id]


async def test_finished_pictures_are_found_by_prompt_lora_and_person(store: Store, tmp_path: Path) -> None:
    async def finished(**how: Any) -> str:
        asked = request(how.pop("prompt"), loras=how.pop("loras", ()))
        made = await accepted(store, job(asked, **how))
        end = Finished((picture(tmp_path),), (), 1.0, 0.0)
        await store.ended(await store.get(made.id), end, 1.0, {})
        return made.id

    fox = await finished(prompt="A red Fox, 100% wool", loras=(Lora("owner/yarn", 0.8, "yarn"),))
    owl = await finished(prompt="an owl", requester=BEN, loras=(Lora("owner/other", 1.0),))
    secret = await finished(prompt="a private fox", requester=BEN, private=True)
    await accepted(store, job(request("a fox still under way")))

    async def seen(by: Requester = ANNA, **more: Any) -> list[str]:
        return [record.job.id for record in await store.drawn(SQUARE, seen_by=by, limit=9, **more)]

    assert await seen() == [owl, fox]
    assert await seen(BEN) == [secret, owl, fox]
    assert await seen(BEN, mine=True) == [secret, owl]
    assert await seen(text="fox") == [fox]
    assert await seen(text="100%") == [fox]
    assert await seen(text="1%wool") == []
    assert await seen(lora="yarn") == [fox]
    assert await seen(lora="owner/other") == [owl]
    assert await seen(lora="yar") == []
    assert await seen(BEN, before=owl) == [fox]


async def test_a_connection_that_the_server_ended_is_replaced_unseen(postgres_url: str, tmp_path: Path) -> None:
    with closing(Database(new_database(postgres_url), "easel-7")) as database:
        migrations.upgrade(database)
        store = Store(database, tmp_path)
        await asyncio.gather(*(store.set_fact(str(number), "x") for number in range(12)))
        others = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'easel-7' AND pid <> pg_backend_pid()"
        )
        await database.write(lambda connection: connection.execute(others).close())
        assert await asyncio.gather(*(store.fact(str(number)) for number in range(12))) == ["x"] * 12


def upgrade_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations._MIGRATIONS))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_an_upgrade_lets_others_read_and_write_while_it_waits_for_a_backup(postgres_url: str) -> None:
    """What waits for a table holds up everybody behind it: so it waits for a moment at a time."""
    url = new_database(postgres_url)
    with closing(Database(url)) as old, closing(Database(url)) as new, ThreadPoolExecutor(1) as thread:
        upgrade_to(old, "0002")
        with old.engine.connect() as backup:
            backup.execute(NEVER_IDLE)  # as pg_dump says, too
            backup.execute(sa.text("SELECT count(*) FROM jobs")).one()
            upgrading = thread.submit(migrations.upgrade, new)
            waits = sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER%'"
            )
            with new.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as seen:
                while not seen.execute(waits).scalar_one():
                    time.sleep(0.02)
            with old.engine.begin() as writer:
                writer.execute(sa.text("SET LOCAL lock_timeout = '20s'"))
                writer.execute(sa.text("DELETE FROM jobs"))
            assert not upgrading.done()
        assert upgrading.result(30)
        assert migrations.current(new) == migrations.head()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_new_database_that_cant_keep_every_prompt_is_refused_with_the_way_out(
    encoding: str, postgres_url: str
) -> None:
    with (
        closing(Database(new_database(postgres_url, encoding=encoding))) as database,
        pytest.raises(BadSettings, match=f"keeps its text as {encoding}, .* ENCODING 'UTF8'"),
    ):
        migrations.upgrade(database)


def test_a_database_of_a_newer_version_is_refused_and_told(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadSettings, match="a newer version of Easel has upgraded this database"):
        migrations.upgrade(database)
