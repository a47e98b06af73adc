"""The page before several processes on one Postgres, through a proxy that sends each connection to the next of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from adapters.wavespeed.faults import Script
from adapters.wavespeed.simulator import Simulator
from tests.browser.playground import Playground
from tests.browser.visitor import WAIT, Visitor, visitor
from tests.servers.postgres import new_database
from tests.servers.proxy import Proxy, proxy

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.processes]


@dataclass
class Shared:
    """Two processes behind one address."""

    processes: list[Playground]
    proxy: Proxy
    browser: Browser
    people: list[Visitor] = field(default_factory=list)

    async def visit(self) -> Visitor:
        person = await visitor(self.browser, self.proxy)
        self.people.append(person)
        await person.come()
        return person


@asynccontextmanager
async def shared(browser: Browser, simulator: Simulator, data: Path, server: str) -> AsyncIterator[Shared]:
    common = {"EASEL_DATABASE_URL": new_database(server), "EASEL_SLOTS": "2"}
    processes = [Playground(simulator, data, **common, EASEL_SLOT=str(slot)) for slot in range(2)]
    try:
        await asyncio.gather(*(process.start() for process in processes))
        async with proxy(lambda: [process.url for process in processes]) as before:
            made = Shared(processes, before, browser)
            yield made
            for person in made.people:
                await person.page.context.close()
                person.check()
    finally:
        for process in processes:
            await process.close()


async def test_people_at_several_processes_are_in_one_channel_also_while_one_restarts(
    browser: Browser, tmp_path: Path, postgres_url: str
) -> None:
    photo = tmp_path / "harbour.png"
    Image.new("RGB", (800, 600), "teal").save(photo)
    async with (
        Simulator(seconds=1.0, picture="png") as simulator,
        shared(browser, simulator, tmp_path / "data", postgres_url) as easel,
    ):
        people = [await easel.visit() for _ in range(3)]
        for number, person in enumerate(people):
            await person.page.locator("#file").set_input_files(photo)
            await expect(person.page.get_by_role("group", name=re.compile("harbour"))).to_contain_text("800×600")
            await person.say(f"harbour number {number}")
        for person in people:
            for number in range(len(people)):
                message = person.message(f"harbour number {number}")
                await expect(message.locator(".picture.here")).to_be_visible(timeout=WAIT)
        assert all(easel.proxy.sent[process.url] for process in easel.processes)

        simulator.script(*[Script(seconds=6.0)] * 3, prompt="through a restart")
        for number, person in enumerate(people):
            await person.say(f"through a restart {number}")
        for person in people:
            for number in range(len(people)):
                await expect(person.message(f"through a restart {number}")).to_be_visible(timeout=WAIT)
        for person in people:
            person.offline = True
        await easel.processes[0].stop()
        await easel.processes[0].start()
        for person in people:
            for number in range(len(people)):
                message = person.message(f"through a restart {number}")
                await expect(message.locator(".picture.here")).to_be_visible(timeout=WAIT)
                await expect(message).to_have_count(1)
        assert len(simulator.charged) == 2 * len(people)
