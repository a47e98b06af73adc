"""An answer that could not be shown is shown later, whatever becomes of the database meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot import app, intake, workflow
from bot.cards import Card
from bot.easel import Easel
from bot.ports import DeliveryFailed, Keep
from bot.settings import Settings
from tests.bench.heart_doubles import QuietBackend, QuietPlatform, QuietReply
from tests.bench.heart_process import Crowd
from tests.servers.postgres import new_database


@dataclass(slots=True, eq=False)
class BusyReply(QuietReply):
    """The platform is busy when it is closed for the first time."""

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        raise DeliveryFailed("rate limit", gone=False)


@dataclass
class BusyPlatform(QuietPlatform):
    reopened: dict[str, QuietReply] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def open(self) -> QuietReply:
        return BusyReply(super().open().address)

    def reopen(self, address: str) -> QuietReply:
        return self.reopened.setdefault(address, QuietReply(address))

    async def all_closed(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.reopened) < count:
                await asyncio.sleep(0.02)
            await asyncio.gather(*(reply.closed.wait() for reply in self.reopened.values()))


@asynccontextmanager
async def asked(postgres_url: str, root: Path, platform: BusyPlatform) -> AsyncIterator[Easel]:
    """Three jobs, in one process on Postgres."""
    url = new_database(postgres_url)
    settings = Settings(data_dir=root, database_url=url, _env_file=None)
    backend = QuietBackend(seconds=0.05, at_once=5)
    async with app.opened(settings, backend, [platform]) as easel:
        crowd = Crowd(easel, backend, platform)
        for number in range(3):
            await crowd.ask(str(number))
        yield easel


Flow = Callable[[str], Coroutine[object, object, None]]


async def test_a_redelivery_begins_also_while_the_database_is_away(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, refused = workflow._begin, list[str]()

    async def cut_off(flow: Flow, name: str, job_id: str) -> None:
        if flow is workflow.redeliver and refused.count(job_id) < 2:
            refused.append(job_id)
            raise sa.exc.OperationalError("INSERT", {}, OSError("server closed the connection"))
        await begin(flow, name, job_id)

    monkeypatch.setattr(workflow, "_begin", cut_off)
    platform = BusyPlatform()
    async with asked(postgres_url, tmp_path, platform):
        await platform.all_closed(3)
    assert len(refused) == 6


async def test_one_that_was_lost_is_found_and_begun_whatever_the_engines_tables_say(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run broke, and its end could not be written down either: there it is pending for good."""
    monkeypatch.setattr(intake, "LEFT_EVERY", 0.3)
    broken: list[str] = []

    async def breaks(_name: str, job_id: str) -> None:
        broken.append(job_id)
        raise RuntimeError("the run broke")

    async def pending(_engine: Any) -> set[str]:
        return set(broken)

    monkeypatch.setattr(workflow, "_redelivery", breaks)
    monkeypatch.setattr(workflow.Engine, "under_way", pending)
    platform = BusyPlatform()
    async with asked(postgres_url, tmp_path, platform) as easel:
        await platform.all_closed(3)
        assert len(broken) == 3
        async with asyncio.timeout(5):
            while await easel.store.open():
                await asyncio.sleep(0.02)
