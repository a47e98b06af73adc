"""Old rows go and young ones stay, on both databases, without holding up a job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from ulid import ULID

from bot import app
from bot.images import Flag, Picture, Size
from bot.jobs import Job
from bot.ledger import Ledger
from bot.settings import Settings
from bot.store import Database, Store, rows
from bot.store.batches import T, Work
from bot.store.sweeping import DAY, Swept, sweep
from bot.store.tables import jobs, ledger, pictures
from tests.bench.heart_doubles import QuietBackend, QuietPlatform
from tests.bench.heart_process import Crowd
from tests.bot.house import House, NotingPlatform
from tests.bot.making import job
from tests.doubles.backend import PaintedBackend
from tests.servers.postgres import new_database

MANY = 7_000
"""Jobs, of three rows each."""


def of_age(days: float) -> Job:
    made_at = datetime.now(UTC) - timedelta(days=days)
    return replace(job(), id=str(ULID.from_datetime(made_at)), created_at=made_at)


def fill(database: Database, made: Iterable[Job], *, state: str = "closed", closed_after: float = 10.0) -> list[str]:
    """Rows as they are some time later: each job with a picture and a line in the ledger."""
    lines: dict[sa.Table, list[dict[str, Any]]] = {jobs: [], pictures: [], ledger: []}
    for one in made:
        at = one.created_at.timestamp()
        row = rows.job_to_row(replace(one, short=one.id[10:].lower()), "double:1", "k")
        closed = {"state": state, "closed_at": at + closed_after if state == "closed" else None}
        lines[jobs].append(row | {"delivery_key": one.id, "ordinal": 0} | closed)
        picture = Picture(1, Path("/there/p.png"), "image/png", Size(64, 64), Flag.NO)
        lines[pictures].append(rows.picture_to_row(one.id, picture, Path("/there"), withheld=False))
        charge = {"job_id": one.id, "person": one.requester.key, "state": "submitted", "pictures": 1}
        lines[ledger].append(charge | {"price": 0.015, "charged_at": at, "prediction_id": one.id})
    with database.engine.begin() as connection:
        for table, some in lines.items():
            connection.execute(table.insert(), some)
    return [row["id"] for row in lines[jobs]]


def left(database: Database) -> dict[str, set[str]]:
    with database.engine.begin() as connection:
        return {
            table.name: set(connection.execute(sa.select(column)).scalars())
            for table, column in ((jobs, jobs.c.id), (pictures, pictures.c.job_id), (ledger, ledger.c.job_id))
        }


async def test_a_job_goes_after_its_days_with_its_pictures_rows_and_the_ledger_stays(database: Database) -> None:
    (young,) = fill(database, [of_age(364)])
    (old,) = fill(database, [of_age(366)])
    assert await sweep(database, jobs_days=365) == Swept(jobs=1, lines=0)
    assert left(database) == {"jobs": {young}, "pictures": {young}, "ledger": {young, old}}


async def test_the_ledgers_lines_go_after_400_days_and_never_before_their_jobs(database: Database) -> None:
    lately, long_ago = fill(database, [of_age(399), of_age(401)])
    assert await sweep(database, jobs_days=30) == Swept(jobs=2, lines=1)
    assert left(database)["ledger"] == {lately}
    (kept,) = fill(database, [of_age(500)])
    assert await sweep(database, jobs_days=600) == Swept(jobs=0, lines=0)
    assert kept in left(database)["ledger"]
    assert long_ago not in left(database)["ledger"]


async def test_an_open_job_is_never_touched_however_old(database: Database) -> None:
    made = {
        *fill(database, [of_age(900)], state="running"),
        *fill(database, [of_age(900)], state="waiting"),
    }
    assert await sweep(database, jobs_days=1) == Swept(jobs=0, lines=0)
    assert left(database) == {"jobs": made, "pictures": made, "ledger": made}


async def test_what_counts_is_when_a_job_closed(database: Database) -> None:
    (late,) = fill(database, [of_age(40)], closed_after=20 * DAY)
    await sweep(database, jobs_days=30)
    assert left(database)["jobs"] == {late}


async def test_two_processes_may_sweep_at_once(database: Database) -> None:
    young = set(fill(database, [of_age(1) for _ in range(30)]))
    fill(database, [of_age(401) for _ in range(1000)])
    found = await asyncio.gather(*(sweep(database, jobs_days=365) for _ in range(3)))
    assert sum(swept.jobs for swept in found) == 1000
    await sweep(database, jobs_days=365)
    assert left(database) == {"jobs": young, "pictures": young, "ledger": young}


class Bites:
    """The database as the broom has it, and how many bites it took so far: a slow disk slows the jobs as well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.taken = 0

    async def write(self, work: Work[T]) -> T:
        self.taken += 1
        return await self._database.write(work)


@pytest.mark.timeout(180)
async def test_twenty_thousand_old_rows_hold_up_no_job(database: Database, tmp_path: Path) -> None:
    """A job is accepted and charged every few milliseconds meanwhile."""
    young = set(fill(database, [of_age(1) for _ in range(200)]))
    fill(database, (of_age(401) for _ in range(MANY)))
    store, money = Store(database, tmp_path), Ledger(database, "test")
    over, bites, passed = asyncio.Event(), Bites(database), []

    async def ask() -> None:
        while not over.is_set():
            before = bites.taken
            made = await store.accept(job(), delivery_key=str(ULID()), ordinal=0, message_key="m", kind="k")
            assert made is not None
            await money.intend(made, 0.015)
            passed.append(bites.taken - before)
            young.add(made.id)
            await asyncio.sleep(0.005)

    asking = asyncio.create_task(ask())
    assert await sweep(cast(Database, bites), jobs_days=365) == Swept(jobs=MANY, lines=MANY)
    over.set()
    await asking
    found = left(database)
    assert (found["jobs"], found["ledger"]) == (young, young)
    print(f"swept {MANY} jobs in {bites.taken} bites; beside it {len(passed)} jobs")
    assert bites.taken >= 70  # small ones
    assert len(passed) > bites.taken
    assert sorted(passed)[int(len(passed) * 0.99)] <= 3


# ---- the hourly round ----


class Untidy(NotingPlatform):
    async def sweep(self) -> int:
        raise RuntimeError("the vault is locked")


class Workflows:
    async def sweep(self, older_than: timedelta) -> int:
        return 3


async def test_a_gateway_has_no_runs_to_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_SWEEP", 0.0)
    async with House(tmp_path, PaintedBackend()) as house:
        url: dict[str, Any] = {
            "database_url": "postgresql://easel@host/easel",
            "slots": 2,
            "gateways": 1,
            "role": "gateway",
        }
        settings = Settings(data_dir=tmp_path, _env_file=None, **url)
        with capture_logs() as said:
            sweeping = asyncio.create_task(app._sweep(settings, house.database, house.life, None))  # type: ignore[arg-type]
            async with asyncio.timeout(10):
                while not (told := [line for line in said if line["event"] == "swept"]):
                    await asyncio.sleep(0.01)
            sweeping.cancel()
    assert told[0].keys() & {"files", "rows", "workflows"} == {"files", "rows"}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_finished_runs_are_forgotten_by_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str, kind: str
) -> None:
    monkeypatch.setattr(app, "FIRST_SWEEP", 0.5)
    monkeypatch.setattr(app, "SWEEP_EVERY", 0.5)
    monkeypatch.setattr(app, "WORKFLOWS_KEPT", timedelta(0))
    url = new_database(postgres_url) if kind == "postgres" else ""
    settings = Settings(data_dir=tmp_path, database_url=url, _env_file=None)
    backend, platform = QuietBackend(seconds=0.05, at_once=5), QuietPlatform()
    with capture_logs() as said:
        async with app.opened(settings, backend, [platform]) as easel:
            crowd = Crowd(easel, backend, platform)
            await asyncio.gather(*(crowd.ask_and_wait(str(number)) for number in range(5)))
            async with asyncio.timeout(20):
                while sum(int(line["workflows"]) for line in said if line["event"] == "swept") < 5:
                    await asyncio.sleep(0.05)
    engine = sa.create_engine(settings.engine_database)
    with engine.connect() as connection:
        table = "dbos.workflow_status" if kind == "postgres" else "workflow_status"
        assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
    engine.dispose()


async def test_each_broom_sweeps_and_a_broken_one_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "FIRST_SWEEP", 0.0)
    async with House(tmp_path, PaintedBackend()) as house:
        house.life.platforms = {"plain": house.platform, "untidy": Untidy({})}
        (old, kept) = fill(house.database, [of_age(40), of_age(20)])
        settings = Settings(data_dir=tmp_path, jobs_days=3, pictures_days=30, _env_file=None)
        with capture_logs() as said:
            sweeping = asyncio.create_task(app._sweep(settings, house.database, house.life, Workflows()))  # type: ignore[arg-type]
            async with asyncio.timeout(10):
                while not (told := [line for line in said if line["event"] == "swept"]):
                    await asyncio.sleep(0.01)
            sweeping.cancel()
        assert {name: told[0][name] for name in ("files", "workflows", "rows", "untidy")} == {
            "files": "0",
            "workflows": "3",
            "rows": "1 jobs, 0 lines",
            "untidy": "failed",
        }
        assert "plain" not in told[0]
        assert left(house.database)["jobs"] == {kept}  # as long as its picture may be there
        assert old != kept
