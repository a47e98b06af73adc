"""The playground in several processes on one Postgres: people may be at any of them, and see the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from adapters.wavespeed.faults import Script
from adapters.wavespeed.simulator import Simulator
from tests.adapters.web.test_uploads import png
from tests.adapters.web.visitor import Json, Visitor, Window
from tests.browser.playground import Playground
from tests.servers.postgres import new_database

pytestmark = pytest.mark.processes

WITHIN = 20.0
"""Seconds for what takes the picture's time, on a machine that is busy."""


class Pages:
    """Two processes that share a database and a folder, and the people who have their pages open."""

    def __init__(self, simulator: Simulator, data: Path, url: str, roles: Sequence[str]) -> None:
        self.simulator = simulator
        common = {"EASEL_DATABASE_URL": url, "EASEL_SLOTS": "2"}
        if "worker" in roles:
            common["EASEL_GATEWAYS"] = "1"
        self.processes = [
            Playground(simulator, data, **common, EASEL_SLOT=str(slot), EASEL_ROLE=role)
            for slot, role in enumerate(roles)
        ]
        self._people: list[Visitor] = []

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self.processes))

    async def visitor(self, slot: int, same: Visitor | None = None) -> Visitor:
        """Somebody at this process; `same` as somebody at another one, whose requests a proxy sends here."""
        visitor = Visitor(self.processes[slot].url, same.cookies if same else None, None)
        self._people.append(visitor)
        await visitor.arrive()
        return visitor

    async def close(self) -> None:
        for visitor in self._people:
            await visitor.close()
        for process in self.processes:
            await process.close()


@asynccontextmanager
async def pages(
    simulator: Simulator, data: Path, server: str, roles: Sequence[str] = ("all", "all")
) -> AsyncIterator[Pages]:
    made = Pages(simulator, data, new_database(server), roles)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.close)
        await made.start()
        yield made


@pytest.fixture
async def both(simulator: Simulator, tmp_path: Path, postgres_url: str) -> AsyncIterator[Pages]:
    async with pages(simulator, tmp_path / "data", postgres_url) as made:
        yield made


async def over(window: Window, key: str) -> Json:
    await window.until(lambda it: key in it.messages and not it.messages[key]["open"], WITHIN)
    return window.messages[key]


async def generating(window: Window, key: str) -> None:
    await window.until(lambda it: key in it.messages and it.messages[key]["since"], WITHIN)


async def test_what_is_asked_at_one_is_seen_at_the_other_and_can_be_drawn_on_there(both: Pages) -> None:
    ana, ben = await both.visitor(0), await both.visitor(1)
    window = await ben.window()
    image = await ana.upload(png(512, 512))
    key = await ana.drawing("a red fox", image=image["id"])
    await generating(window, key)
    await over(window, key)
    (shown,) = window.messages[key]["card"]["pictures"]
    assert (await ben.fetch(shown["url"]))[0] == 200
    moved = await both.visitor(1, ana)
    assert moved.me == ana.me
    again = await moved.drawing("as a watercolour", image=image["id"])
    own = await ana.window()
    await over(own, again)
    await moved.press(window.messages[key], "delete")
    for one in (window, own):
        await one.until(lambda it: key not in it.messages, WITHIN)
    assert len(both.simulator.charged) == 2


async def test_cancelled_at_another_process_than_its_own_it_is_over_in_every_window(both: Pages) -> None:
    both.simulator.script(Script(seconds=10.0), prompt="a slow fox")
    ana, ben = await both.visitor(0), await both.visitor(1)
    windows = [await ana.window(), await ben.window()]
    key = await ana.drawing("a slow fox")
    for window in windows:
        await generating(window, key)
    await (await both.visitor(1, ana)).press(windows[1].messages[key], "cancel")
    for window in windows:
        assert (await over(window, key))["card"]["title"] == "Cancelled"


async def test_what_was_under_way_when_its_process_died_ends_in_the_others_windows(both: Pages) -> None:
    both.simulator.script(Script(seconds=2.0), prompt="a phoenix")
    ana, ben = await both.visitor(0), await both.visitor(1)
    window = await ben.window()
    key = await ana.drawing("a phoenix")
    await generating(window, key)
    await both.processes[0].kill()
    await both.processes[0].start()
    await over(window, key)
    assert window.messages[key]["card"]["pictures"]
    assert len(both.simulator.charged) == 1


async def test_a_gateways_page_shows_what_a_worker_draws(
    simulator: Simulator, tmp_path: Path, postgres_url: str
) -> None:
    async with pages(simulator, tmp_path / "data", postgres_url, ("gateway", "worker")) as apart:
        ana = await apart.visitor(0)
        window = await ana.window()
        key = await ana.drawing("a red fox")
        await generating(window, key)
        await over(window, key)
        assert window.messages[key]["card"]["pictures"]
