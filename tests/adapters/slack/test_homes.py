"""App Homes that are looked at: shown anew when something changes, wherever that happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from adapters.slack import homes
from adapters.slack.asked import Asked, Kind
from adapters.slack.homes import Homes


class Place:
    """One process's Homes, and whose were shown."""

    def __init__(self) -> None:
        self.homes = Homes()
        self.homes.show = self._show
        self.shown: list[str] = []

    async def _show(self, asked: Asked) -> None:
        self.shown.append(asked.user)


@pytest.fixture
async def places(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Place]]:
    """Two processes that hear each other."""
    monkeypatch.setattr(homes, "SOON", 0.02)
    both = [Place(), Place()]

    async def ring(*abouts: str) -> None:
        for place in both:
            for about in abouts:
                place.homes.heard(about)

    for place in both:
        place.homes.ring = ring
    yield both
    for place in both:
        await place.homes.close()


async def until(enough: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not enough():
            await asyncio.sleep(0.01)


def opened(user: str) -> Asked:
    return Asked(Kind.HOME, {"team_id": "T1", "event": {"user": user, "type": "app_home_opened"}})


async def test_a_home_follows_a_job_that_runs_in_another_process(places: list[Place]) -> None:
    here, there = places
    here.homes.opened(opened("U1"))
    there.homes.changed("T1", "U1")
    await until(lambda: bool(here.shown))
    assert (here.shown, there.shown) == (["U1"], [])


async def test_many_changes_are_shown_together(places: list[Place]) -> None:
    here, there = places
    for user in ("U1", "U2"):
        here.homes.opened(opened(user))
    for _ in range(5):
        there.homes.changed("T1", "U1")
    there.homes.changed("T1", "U2")
    await until(lambda: len(here.shown) == 2)
    assert sorted(here.shown) == ["U1", "U2"]


async def test_one_change_after_another_is_told(places: list[Place]) -> None:
    here, there = places
    here.homes.opened(opened("U1"))
    for count in (1, 2):
        there.homes.changed("T1", "U1")
        await until(lambda: len(here.shown) == count)  # noqa: B023 - asked at once


async def test_a_ring_that_fails_is_made_up_for_by_the_next(places: list[Place]) -> None:
    here, there = places
    here.homes.opened(opened("U1"))
    rings, calls = there.homes.ring, 0

    async def broken(*abouts: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the database is away")
        assert rings is not None
        await rings(*abouts)

    there.homes.ring = broken
    there.homes.changed("T1", "U1")
    await until(lambda: calls == 1)
    there.homes.changed("T1", "U1")
    await until(lambda: here.shown == ["U1"])
