"""The simulator's memory: what it accepted outlives its process, also a killed one."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.wavespeed import simulated
from adapters.wavespeed.sim_memory import KEPT
from adapters.wavespeed.simulator import Simulator
from bot.images import ImageRequest
from bot.ports import Rendered, Ticket
from tests.adapters.wavespeed.values import picture, request

MODEL = "wavespeed-ai/flux-dev-lora"
LATER = 4.0
"""Seconds that a picture takes here: long enough that its first process is dead before it ends."""

DOOMED = f"""
import asyncio, sys
from pathlib import Path
from adapters.wavespeed import simulated
from tests.adapters.wavespeed.values import request

async def main():
    async with simulated(seconds={LATER}, memory=Path(sys.argv[1])) as backend, backend:
        prepared = await backend.prepare(request(), {{}})
        async with backend.turn(1):
            ticket = await backend.submit(prepared)
        print(ticket.id, ticket.submitted_at.timestamp(), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "simulator.sqlite"


class Clock:
    """The simulator's own clock, which a test puts on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@asynccontextmanager
async def opened(memory: Path, **options: Any) -> AsyncIterator[Simulator]:
    async with Simulator(memory=memory, seconds=0.0, post_latency=0.0, **options) as simulator:
        yield simulator


async def call(simulator: Simulator, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    headers = {"Authorization": "Bearer any"}
    async with aiohttp.request(method, simulator.base_url + path, json=body, headers=headers) as answer:
        return (await answer.json())["data"]


async def submit(simulator: Simulator, **inputs: Any) -> str:
    body = {"prompt": "a red fox", "size": "512*512", "seed": 1} | inputs
    return str((await call(simulator, "POST", f"/api/v2/{MODEL}", body))["id"])


async def result(simulator: Simulator, name: str) -> Any:
    return await call(simulator, "GET", f"/api/v2/predictions/{name}/result")


async def output(simulator: Simulator, name: str) -> bytes:
    return base64.b64decode((await result(simulator, name))["outputs"][0])


async def drawn(backend: Any, ticket: Ticket, asked: ImageRequest, into: Path) -> bytes:
    async for seen in backend.watch(ticket, asked, into, None):
        if isinstance(seen, Rendered):
            return seen.pictures[0].path.read_bytes()
    raise AssertionError("the watch ended without a picture")


async def test_what_a_killed_process_accepted_ends_in_the_same_picture(memory: Path, tmp_path: Path) -> None:
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DOOMED, str(memory), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    assert doomed.stdout is not None
    async with asyncio.timeout(30):
        name, at = (await doomed.stdout.readline()).decode().split()
    doomed.kill()
    assert await doomed.wait() == -9
    ticket = Ticket(name, datetime.fromtimestamp(float(at), UTC))

    async with simulated(seconds=LATER, memory=memory) as backend, backend:
        found = await drawn(backend, ticket, request(), tmp_path / "after")
        took = (datetime.now(UTC) - ticket.submitted_at).total_seconds()
        listed = await backend.sightings(await backend.prepare(request(), {}), ticket.submitted_at)
    assert [(sighting.ticket.id, sighting.request_matches) for sighting in listed] == [(name, True)]
    assert took >= LATER * 0.26, "512×512 takes a third of 1024×1024, less a fifth"

    async with simulated(seconds=0.0) as backend, backend:
        prepared = await backend.prepare(request(), {})
        async with backend.turn(1):
            other = await backend.submit(prepared)
        assert found == await drawn(backend, other, request(), tmp_path / "plain")


async def test_who_only_looks_around_gets_pngs_which_can_carry_their_parameters(tmp_path: Path) -> None:
    async with simulated(seconds=0.0) as backend, backend:
        prepared = await backend.prepare(request(), {})
        async with backend.turn(1):
            ticket = await backend.submit(prepared)
        assert (await drawn(backend, ticket, request(), tmp_path / "plain")).startswith(b"\x89PNG")


async def test_an_end_keeps_its_moment_on_the_wall(memory: Path) -> None:
    async with Simulator(memory=memory, seconds=60.0, post_latency=0.0) as before:
        name = await submit(before)
        was = before.predictions[name]
        ends = was.ends - was.created.monotonic + was.created.wall
    async with Simulator(memory=memory, seconds=60.0, clock=lambda: time.monotonic() - 5000) as after:
        now = after.predictions[name]
        assert now.created.wall == was.created.wall
        assert now.ends - now.created.monotonic + now.created.wall == pytest.approx(ends, abs=0.01)
        assert (await result(after, name))["status"] in ("created", "processing")


async def test_pictures_of_sources_and_the_money_come_back_too(memory: Path) -> None:
    source = "data:image/png;base64," + base64.b64encode(picture()).decode()
    async with opened(memory) as before:
        name = await submit(before, image=source, mask_image=source, num_images=2)
        painted, balance, charged = await output(before, name), before.account.balance, dict(before.charged)
    async with opened(memory) as after:
        assert await output(after, name) == painted
        assert (after.account.balance, dict(after.charged)) == (balance, charged)
        assert balance == pytest.approx(50.0 - 0.03)


@pytest.mark.parametrize(
    "inputs", [{"prompt": "please refuse this"}, {"image": "https://elsewhere.example/x.png"}], ids=["words", "source"]
)
async def test_what_was_going_to_fail_still_fails(memory: Path, inputs: dict[str, str]) -> None:
    async with opened(memory) as before:
        name = await submit(before, **inputs)
        told = await result(before, name)
    async with opened(memory) as after:
        again = await result(after, name)
    assert told["status"] == "failed"
    assert {**again, "urls": None} == {**told, "urls": None}


async def test_what_was_deleted_stays_so(memory: Path) -> None:
    async with opened(memory) as before:
        gone, kept = await submit(before), await submit(before)
        await call(before, "POST", "/api/v3/predictions/delete", {"ids": [gone]})
    async with opened(memory) as after:
        listed = await call(after, "POST", "/api/v3/predictions", {"page": 1, "page_size": 10})
    assert [item["id"] for item in listed["items"]] == [kept]


async def test_a_day_later_it_forgets_and_the_money_is_back(memory: Path) -> None:
    clock = Clock()
    async with opened(memory, clock=clock) as simulator:
        old = await submit(simulator)
        clock.ahead = KEPT + 1
        new = await submit(simulator)
        assert set(simulator.predictions) == {new}
        assert simulator.account.balance == pytest.approx(50.0 - 0.015)
    with sqlite3.connect(memory) as database:
        assert [row[0] for row in database.execute("SELECT id FROM predictions")] == [new]
    database.close()
    assert old != new


async def test_a_start_forgets_what_became_old_meanwhile(memory: Path) -> None:
    async with opened(memory) as before:
        await submit(before)
    with sqlite3.connect(memory) as database:
        long_ago = (datetime.now(UTC) - timedelta(seconds=KEPT + 60)).timestamp()
        database.execute("UPDATE predictions SET created = ?", (long_ago,))
    database.close()
    async with opened(memory) as after:
        assert not after.predictions
        assert after.account.balance == 50.0


async def test_places_of_the_account_stay_taken(memory: Path) -> None:
    async with Simulator(memory=memory, seconds=60.0, concurrency=1, post_latency=0.0) as before:
        first = await submit(before)
    async with Simulator(memory=memory, seconds=60.0, concurrency=1, post_latency=0.0) as after:
        second = await submit(after)
        assert after.predictions[second].starts >= after.predictions[first].ends


async def test_a_damaged_memory_is_put_aside(memory: Path) -> None:
    memory.parent.mkdir(parents=True)
    memory.write_bytes(b"this is no database" * 100)
    async with opened(memory) as simulator:
        name = await submit(simulator)
    assert memory.with_name(memory.name + ".damaged").exists()
    async with opened(memory) as simulator:
        assert set(simulator.predictions) == {name}


async def test_a_memory_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="memory can't be opened"):
        async with opened(tmp_path):  # a folder
            pass


async def test_people_can_be_told_that_it_is_a_simulation() -> None:
    async with simulated() as backend:
        assert backend.capabilities.simulated
