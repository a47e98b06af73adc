"""The image API is down, slow, says 429, or takes the money and loses the answer."""

from __future__ import annotations

import asyncio

from adapters.wavespeed import faults
from adapters.wavespeed.faults import Door
from tests.chaos.world import LANES, World

MANY = 2000
"""More requests than come in the time."""


async def down(world: World) -> None:
    """Nothing listens there; what was under way is cut off."""
    await world.moment()
    await world.simulator.stop()
    world.doubts += LANES
    await asyncio.sleep(world.a_while(2.0, 20.0))
    await world.simulator.start()


async def slow(world: World) -> None:
    """Every answer takes seconds."""
    await world.moment()
    doors: tuple[Door, ...] = ("submit", "result", "output", "listing")
    for door in doors:
        world.simulator.plan(door, *[faults.late(world.dice.uniform(0.5, 4.0)) for _ in range(MANY)])
    await asyncio.sleep(world.a_while(4.0, 20.0))
    world.simulator.heal()


async def too_many(world: World) -> None:
    """429 at every door, for up to a minute."""
    await world.moment()
    doors: tuple[Door, ...] = ("submit", "result", "listing")
    for door in doors:
        world.simulator.plan(door, *[faults.too_many(world.dice.choice((None, "1", "3"))) for _ in range(MANY)])
    await asyncio.sleep(world.a_while(5.0, 60.0))
    world.simulator.heal()


async def answers_lost(world: World) -> None:
    """It accepts and charges, and what it answers is lost or nonsense; results and pictures break on the way, too."""
    for _ in range(12):
        lost = [
            faults.dropped(accepts=True),
            faults.truncated(),
            faults.cut(),
            faults.server_error(502, accepts=True),
            faults.nonsense(accepts=True),
        ]
        world.simulator.plan("submit", *_among(world, world.dice.choice(lost)))
    for door in ("result", "output", "listing"):
        for _ in range(8):
            broken = [faults.dropped(accepts=True), faults.truncated(), faults.cut(), faults.server_error(502)]
            world.simulator.plan(door, *_among(world, world.dice.choice(broken)))
    await world.all_asked.wait()


async def submits_lost(world: World) -> None:
    """Some never arrive, and nobody can know: these are the only ones that may be uncertain."""
    for _ in range(world.some(1, 4)):
        world.doubts += 1
        lost = [faults.dropped(accepts=False), faults.server_error(500), faults.server_error(504, seconds=1.0)]
        world.simulator.plan("submit", *_among(world, world.dice.choice(lost)))
    await world.all_asked.wait()


def _among(world: World, fault: faults.Fault) -> list[faults.Fault | None]:
    """A fault among good answers."""
    return [*[None] * world.dice.randint(0, 4), fault]
