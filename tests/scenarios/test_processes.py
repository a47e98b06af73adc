"""Several processes on one Postgres are one bot: each job is answered once and paid once, whichever of them dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

from adapters.wavespeed import faults
from bot.standing import STEP_DOWN
from tests.scenarios.easel_process import EaselProcess
from tests.scenarios.fleet import ADOPT_AFTER, fleet


async def test_each_process_answers_for_its_shard(postgres_url: str, tmp_path: Path) -> None:
    async with fleet(2, postgres_url, tmp_path) as here:
        for number in range(6):
            await here.imagine(number % 2, f"a fox {number}")
        await here.end_well()
        assert sorted(await here.owners()) == ["easel-0"] * 3 + ["easel-1"] * 3


async def test_a_second_process_on_one_slot_is_refused_and_told_why(postgres_url: str, tmp_path: Path) -> None:
    async with fleet(2, postgres_url, tmp_path) as here:
        other = here.bots[1]
        again = EaselProcess(here.discord, here.simulator, tmp_path / "elsewhere")
        again.environment = other.environment | {"EASEL_DATA_DIR": str(tmp_path / "elsewhere")}
        await again.start(online=False)
        assert await again.died(30) == 2
        assert "EASEL_SLOT: another Easel holds slot 1" in again.lines()
        await here.imagine(1, "a fox")
        await here.end_well()


async def test_what_a_dead_process_left_is_adopted_by_a_peer(postgres_url: str, tmp_path: Path) -> None:
    """One job is at the API, and of one the POST is not answered."""
    async with fleet(2, postgres_url, tmp_path, seconds=2.0) as here:
        await here.imagine(1, "a red fox")
        await here.simulator.until(lambda: len(here.simulator.submits) == 1)
        here.simulator.plan("submit", faults.late(60.0))
        await here.imagine(1, "a blue whale")
        await here.simulator.until(lambda: len(here.simulator.submits) == 2)
        await here.bots[1].kill()
        died = asyncio.get_running_loop().time()
        while set(await here.owners()) != {"easel-0"}:
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - died < ADOPT_AFTER + 2.0
        await here.end_well()
        await here.bots[1].start()
        await here.imagine(1, "a green parrot")
        await here.end_well()
        assert (await here.owners())[-1] == "easel-1"


async def test_a_process_that_is_restarted_goes_on_with_its_own(postgres_url: str, tmp_path: Path) -> None:
    async with fleet(2, postgres_url, tmp_path, seconds=1.5) as here:
        for number in range(4):
            await here.imagine(1, f"a fox {number}")
        await here.accepted(4)
        await here.bots[1].kill()
        await here.bots[1].start()
        await here.end_well()
        assert await here.owners() == ["easel-1"] * 4


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
