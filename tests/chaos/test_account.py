"""The account of a run finds what is wrong: each kind of trouble, told to it as evidence, is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import pytest

from adapters.wavespeed.simulator import Simulator
from bot.standing import STEP_DOWN
from tests.chaos.account import Account, Evidence, ended, settle, time_out
from tests.chaos.books import Line
from tests.chaos.people import Seen, prompt_of
from tests.chaos.pictures import marked, number_in

ANSWER = Seen(f"{prompt_of(7)} done", (marked(7),), final=True, mark="discord 1")


@dataclass(frozen=True, slots=True)
class Asked:
    refused: bool = False


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=0.1) as server:
        await pay(server)
        yield server


async def pay(simulator: Simulator) -> None:
    address = f"{simulator.base_url}/api/v2/wavespeed-ai/flux-dev-lora"
    headers = {"Authorization": "Bearer a-key"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(address, json={"prompt": prompt_of(7)}) as answer,
    ):
        assert answer.status == 200


def line(simulator: Simulator) -> Line:
    return Line("a-job", prompt_of(7), True, "finished", "", "submitted", simulator.submits[0].id)


def account_of(simulator: Simulator, *seen: Seen, line: Line | None, doubts: int = 0) -> Account:
    lines = {7: [line]} if line else {}
    return settle(Account("test", 1, doubts=doubts), Evidence({7: Asked()}, lines, seen, simulator))


async def test_one_answer_with_its_own_picture_is_good(simulator: Simulator) -> None:
    account = account_of(simulator, ANSWER, line=line(simulator))
    assert account.good
    assert account.jobs == 1


async def test_a_job_without_an_answer_is_lost(simulator: Simulator) -> None:
    assert account_of(simulator, line=line(simulator)).lost == 1


async def test_a_message_that_still_grows_is_lost(simulator: Simulator) -> None:
    assert account_of(simulator, replace(ANSWER, final=False), line=line(simulator)).lost == 1


async def test_an_answer_without_its_picture_is_lost(simulator: Simulator) -> None:
    assert account_of(simulator, replace(ANSWER, pictures=()), line=line(simulator)).lost == 1


async def test_two_answers_are_counted(simulator: Simulator) -> None:
    assert account_of(simulator, ANSWER, ANSWER, line=line(simulator)).two == 1


async def test_anothers_picture_is_wrong(simulator: Simulator) -> None:
    assert account_of(simulator, replace(ANSWER, pictures=(marked(8),)), line=line(simulator)).wrong == 1


async def test_paid_twice_is_counted(simulator: Simulator) -> None:
    await pay(simulator)
    assert account_of(simulator, ANSWER, line=line(simulator)).twice == 1


async def test_a_prediction_that_was_paid_for_something_else_is_wrong(simulator: Simulator) -> None:
    assert account_of(simulator, ANSWER, line=replace(line(simulator), prediction="another")).wrong == 1


async def test_what_was_paid_and_never_accepted_is_a_problem(simulator: Simulator) -> None:
    assert not account_of(simulator, line=None).good


async def test_an_uncertain_job_is_told_and_bounded(simulator: Simulator) -> None:
    lost = replace(line(simulator), end="uncertain", money="uncertain", prediction="")
    told = replace(ANSWER, text=f"{prompt_of(7)} This one got lost on the way", pictures=())
    assert account_of(simulator, told, line=lost, doubts=1).good
    assert not account_of(simulator, told, line=lost, doubts=0).good
    assert account_of(simulator, replace(told, text=prompt_of(7)), line=lost, doubts=1).untold == 1


async def test_a_failed_job_is_counted(simulator: Simulator) -> None:
    failed = replace(line(simulator), end="failed", why="Internal")
    assert account_of(simulator, replace(ANSWER, pictures=()), line=failed).failed == 1


def test_who_waits_too_long_for_a_process_that_is_gone_is_a_problem() -> None:
    account = Account("test", 1, adopted=[5.4, 6.9], resumed=[(9.0, 4.9)])
    time_out(account, 5.0)
    assert account.good
    account = Account("test", 1, adopted=[7.1], resumed=[(9.0, 5.1)])
    time_out(account, 5.0)
    assert account.problems == ["adopted after 7.1 s, of at most 7 s", "resumed after 5.1 s, of at most 5 s"]


def test_who_ended_by_itself_without_having_stepped_down_is_a_problem() -> None:
    account = Account("test", 1, exits=[STEP_DOWN])
    ended(account)
    assert account.good
    account.exits.append(1)
    ended(account)
    assert account.problems == ["processes ended by themselves: [1]"]


def test_a_picture_shows_its_number_and_no_other() -> None:
    assert [number_in(marked(number)) for number in (0, 7, 123_456)] == [0, 7, 123_456]
    assert number_in(b"no picture") is None
