"""One run: people ask, a fault happens, everything is put right again, and every job is accounted for."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import traceback
from pathlib import Path

from tests.chaos.account import Account, Evidence, ended, settle, time_out
from tests.chaos.books import by_number
from tests.chaos.kinds import POSTGRES, SQLITE, Kind
from tests.chaos.world import ADOPT_AFTER, World, until_known, world
from tests.servers.postgres import Postgres

JOBS = 30
PER_SECOND = 10.0
"""How fast people ask."""
RUN_WITHIN = 500.0
DECIDED_WITHIN = 5.0
"""Seconds after which a command that was neither accepted nor refused is taken for lost: it was acknowledged, and then
came a kill."""


async def run(
    kind: Kind, seed: int, folder: Path, *, postgres: Postgres | None = None, jobs: int = JOBS, long: bool = True
) -> Account:
    """Throw the fault into a world of its own. What breaks the run itself is a problem in its account."""
    database = POSTGRES if postgres else SQLITE
    dice = random.Random(f"{kind.name}/{database}/{seed}")
    chats = dice.choice(kind.chats)
    account = Account(kind.name, seed, database, "+".join(chats))
    begun = time.monotonic()
    try:
        async with (
            asyncio.timeout(RUN_WITHIN),
            world(
                dice,
                folder,
                chats=chats,
                postgres=postgres,
                slots=kind.slots,
                gateways=kind.gateways,
                long=long,
                environment=kind.environment,
            ) as here,
        ):
            await _live(here, kind, jobs, account)
            await until_closed(here, kind.patience)
            account_of(here, account)
            if not kind.may_end:
                ended(account)
    except Exception as error:
        account.problem(f"the run broke: {error!r}\n{traceback.format_exc()}")
    account.seconds = time.monotonic() - begun
    return account


async def _live(here: World, kind: Kind, jobs: int, account: Account) -> None:
    await asyncio.gather(*(bot.start() for bot in here.bots))
    for fault in kind.faults:
        before = len(here.asked)
        here.all_taken = here.all_told = False
        async with asyncio.TaskGroup() as group:
            group.create_task(here.ask_all(jobs, jobs / PER_SECOND))
            group.create_task(fault(here))
        if here.all_taken or here.all_told:
            await asyncio.to_thread(_promised, here, list(here.asked)[before:], account)
    await _ask_again(here, jobs * len(kind.faults))


def _promised(here: World, asked: list[int], account: Account) -> None:
    """What the fault that is over promised of those who asked. The next one may be a kill, which promises nothing."""
    _known(here)
    lines = by_number(here.books.lines(), here.asked)
    refused = [here.asked[number] for number in asked if number not in lines]
    if here.all_taken and refused:
        account.problem(f"refused: {len(refused)} commands: {refused}")
    if here.all_told and any(not ask.refused for ask in refused):
        account.problem(f"lost without a word: {[ask for ask in refused if not ask.refused]}")


async def _ask_again(here: World, jobs: int) -> None:
    """People whose command was lost ask once more."""
    while (missing := jobs - await asyncio.to_thread(_known, here)) > 0:
        for _ in range(missing):
            await here.ask()


def _known(here: World) -> int:
    """How many were accepted, once that is certain of each that was asked."""
    until = time.monotonic() + DECIDED_WITHIN
    while True:
        found = by_number(here.books.lines(), here.asked)
        if all(number in found or ask.refused for number, ask in here.asked.items()) or time.monotonic() > until:
            return len(found)
        time.sleep(0.1)


async def until_closed(here: World, seconds: float) -> None:
    """Until no job is open and nothing that is seen still grows; what does so for good, the account tells."""

    async def closed() -> bool:
        return not await asyncio.to_thread(here.books.still_open)

    with contextlib.suppress(TimeoutError):
        await until_known(closed, seconds)


def account_of(here: World, account: Account) -> Account:
    """What became of every job."""
    lines = by_number(here.books.lines(), here.asked)
    seen = [seen for crowd in here.crowds for seen in crowd.seen()]
    account.crashes, account.doubts, account.adopted = here.crashes, here.doubts, here.adopted
    account.resumed = [seconds for bot in here.bots for seconds in bot.resumed()]
    account.exits = [code for bot in here.bots for code in bot.exits]
    settle(account, Evidence(here.asked, lines, seen, here.simulator))
    if here.long:
        time_out(account, ADOPT_AFTER)
    for crowd in here.crowds:
        for violation in crowd.violations():
            account.problem(f"a rule of the platform was broken: {violation}")
    return account
