"""Several processes on one Postgres are one bot: each job is answered once and paid once, whichever of them dies."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.wavespeed import faults
from bot.standing import STEP_DOWN
from bot.store import migrate
from tests.scenarios.easel_process import ROOT, EaselProcess
from tests.scenarios.fleet import ADOPT_AFTER, Fleet, fleet

pytestmark = pytest.mark.processes


async def test_two_processes_are_one_bot(postgres_url: str, tmp_path: Path) -> None:
    """Each answers for its shard, what one person may is counted over both, and no third one joins."""
    async with fleet(2, postgres_url, tmp_path, EASEL_LIMIT_PER_DAY="3", EASEL_ADOPT_AFTER="30") as here:
        other = EaselProcess(here.discord, here.simulator, tmp_path / "elsewhere")
        other.environment = here.bots[1].environment | {"EASEL_DATA_DIR": str(tmp_path / "elsewhere")}
        await other.start(online=False)
        for number in range(6):
            await here.imagine(number % 2, f"a fox {number}")
        ana = here.discord.user("ana")
        for number in range(3):
            await here.imagine(number % 2, f"a whale {number}", ana)
        for slot in (0, 1):
            told = await (await here.say(slot, {"prompt": "one more"}, ana)).told()
            assert "more than 3 pictures in 24 hours; you have 0 left" in told
        await here.end_well()
        assert sorted(await here.owners()) == ["easel-0"] * 5 + ["easel-1"] * 4
        assert await other.died(30) == 2
        assert "EASEL_SLOT: another Easel holds slot 1" in other.lines()

        await here.imagine(1, "a red fox")  # a killed one goes on with its own
        await here.simulator.until(lambda: len(here.simulator.submits) == 10)
        await here.bots[1].kill()
        await here.bots[1].start()
        await here.end_well()
        assert (await here.owners())[-1] == "easel-1"
    assert here.simulator.posts == 10


async def test_what_a_dead_process_left_is_adopted_by_a_peer(postgres_url: str, tmp_path: Path) -> None:
    """One job is at the API, and of one the POST is not answered."""
    async with fleet(2, postgres_url, tmp_path, seconds=2.0) as here:
        await here.imagine(1, "a red fox")
        await here.simulator.until(lambda: len(here.simulator.submits) == 1)
        here.simulator.plan("submit", faults.late(60.0))
        await here.imagine(1, "a blue whale")
        await here.simulator.until(lambda: len(here.simulator.submits) == 2)
        await here.bots[1].kill()
        while set(await here.owners()) != {"easel-0"}:
            await asyncio.sleep(0.1)
        await here.end_well()
        (adopted,) = [line for line in here.bots[0].lines().splitlines() if '"event": "adopted"' in line]
        assert json.loads(adopted)["silent_for"] <= ADOPT_AFTER + 2
        await here.bots[1].start()
        await here.imagine(1, "a green parrot")
        await here.end_well()


async def test_a_frozen_process_that_wakes_after_it_was_adopted_steps_down(postgres_url: str, tmp_path: Path) -> None:
    async with fleet(2, postgres_url, tmp_path, seconds=1.5) as here:
        here.simulator.plan("submit", faults.late(60.0))
        await here.imagine(1, "a red fox")
        await here.imagine(1, "a blue whale")
        await here.simulator.until(lambda: len(here.simulator.submits) == 2)
        here.freeze(1)
        while set(await here.owners()) != {"easel-0"}:
            await asyncio.sleep(0.1)
        here.wake(1)
        assert await here.bots[1].died() == STEP_DOWN
        await here.end_well()
        await here.bots[1].start()
        await here.imagine(1, "a green parrot")
        await here.end_well()


# ---- roles, and restarts one after the other ----


async def test_a_gateway_receives_and_a_worker_draws(postgres_url: str, tmp_path: Path) -> None:
    async with fleet(2, postgres_url, tmp_path, roles=("gateway", "worker")) as here:
        for number in range(4):
            await here.imagine(0, f"a fox {number}")
        await here.end_well()
        assert set(await here.owners()) == {"easel-1"}


async def test_what_a_gateway_accepted_waits_for_a_worker(postgres_url: str, tmp_path: Path) -> None:
    """Between two workers, and while a worker is away: nothing that was accepted is lost with it."""
    async with fleet(3, postgres_url, tmp_path, roles=("gateway", "worker", "worker"), seconds=2.0) as here:
        for number in range(6):
            await here.imagine(0, f"a fox {number}")
        await here.simulator.until(lambda: len(here.simulator.submits) == 6)
        await here.bots[1].kill()
        await here.imagine(0, "a late parrot")
        await here.end_well()
        assert "easel-2" in await here.owners()


async def stop_at_work(here: Fleet, slot: int) -> None:
    """Once people have asked at both."""
    for number in range(3):
        await here.imagine(slot, f"a fox {slot}{number}")
        await here.imagine(1 - slot, f"a whale {slot}{number}")
    assert await here.bots[slot].stop() < 10


async def test_a_rolling_restart_loses_no_command(postgres_url: str, tmp_path: Path) -> None:
    async with fleet(2, postgres_url, tmp_path, seconds=1.5) as here:
        for slot in (0, 1):
            await stop_at_work(here, slot)
            await here.bots[slot].start()
        await here.end_well()


async def test_a_hog_at_two_processes_does_not_hold_up_the_others_first_jobs(postgres_url: str, tmp_path: Path) -> None:
    """500 jobs of one person, and then 50 others: each one's first starts within two lengths of a job."""
    length = 3.0
    settings: dict[str, Any] = {
        "WAVESPEED_CONCURRENCY": "60",
        "WAVESPEED_IMAGES_PER_MINUTE": "5000",
        "EASEL_LIMIT_PER_PERSON": "30",
        "EASEL_QUEUE_PER_PERSON": "1000",
        "EASEL_LIMIT_PER_DAY": "1000",
        "EASEL_BUDGET_PER_DAY": "100",
    }
    async with fleet(2, postgres_url, tmp_path, seconds=length, **settings) as here:
        hog = here.discord.user("hog")
        for many in range(50, 501, 50):
            for number in range(50):
                room = here.rooms[number % 2]
                await here.discord.command("imagine", {"prompt": "hog"}, user=hog, channel=room, wait=False)
            await here.accepted(many)
        began = time.time()
        for number in range(50):
            await here.imagine(number % 2, "fox")
        came = time.time() - began

        def of_others() -> list[float]:
            return [submit.wall for submit in here.simulator.submits if submit.inputs["prompt"] == "fox"]

        await here.simulator.until(lambda: len(of_others()) == 50, 60)
        assert max(of_others()) - began < came + 2 * length
        assert sum(submit.inputs["prompt"] == "hog" for submit in here.simulator.submits) < 500  # it still waits


NEXT_STEP = '''
"""What a later version may need: a column of the busiest table, an index on it, a new table."""

import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("mood", sa.String(10), nullable=False, server_default="calm"))
    op.create_index("ix_jobs_mood", "jobs", ["mood"])
    op.create_table("moods", sa.Column("mood", sa.String(10), primary_key=True))
'''


def a_later_version(folder: Path) -> Path:
    for package in ("bot", "adapters", "commands"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    head = migrate.head()
    step = f"{int(head) + 1:04}"
    versions = folder / "bot" / "store" / "migrations" / "versions"
    (versions / f"{step}_moods.py").write_text(NEXT_STEP.format(next=step, head=head))
    return folder


async def test_an_upgrade_of_one_after_the_other_loses_no_command(postgres_url: str, tmp_path: Path) -> None:
    """The first one changes the tables while the other is at work, which can't be started again afterwards."""
    later = a_later_version(tmp_path / "later")
    async with fleet(2, postgres_url, tmp_path, seconds=1.5) as here:
        for slot in (0, 1):
            await stop_at_work(here, slot)
            here.bots[slot].root = later
            await here.bots[slot].start()
            await here.imagine(1 - slot, f"an owl {slot}")  # at the old one, with the new tables
        await here.end_well()
        assert {row.mood for row in await here.rows(sa.text("SELECT mood FROM jobs"))} == {"calm"}
        await here.bots[1].stop()
        here.bots[1].root = ROOT
        await here.bots[1].start(online=False)
        assert await here.bots[1].died() == 2
        assert "a newer version of Easel has upgraded this database" in here.bots[1].lines()
