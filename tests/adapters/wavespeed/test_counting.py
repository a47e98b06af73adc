"""Every call to the API is counted, by what it was and how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.wavespeed import connect, faults
from adapters.wavespeed.simulator import Simulator
from bot.errors import Ambiguous, RateLimited
from bot.pacing import LEARNT_FROM, Usual
from bot.ports import Rendered
from tests.adapters.wavespeed.values import picture, request, settings
from tests.doubles.scrape import Growth

pytestmark = pytest.mark.usefixtures("impatient")
REQUESTS, LOOKS = "easel_api_requests_total", "easel_api_looks_total"
QUICK = Usual(0.05, 0.06, 0.9, LEARNT_FROM)


async def test_one_picture_is_counted_on_its_whole_way(tmp_path: Path) -> None:
    growth = Growth()
    asked = request(image="source.png")
    async with Simulator(seconds=0.05, post_latency=0.0) as simulator, connect(settings(simulator.base_url)) as client:
        simulator.fail_next("result", faults.server_error(503))
        await client.price(asked)
        await client.balance()
        prepared = await client.prepare(asked, {"source.png": picture()})
        async with client.turn(1):
            ticket = await client.submit(prepared)
        ends = [step async for step in client.watch(ticket, asked, tmp_path / "x", QUICK)]
        await client.sightings(prepared, ticket.submitted_at)
        polls = simulator.polls[ticket.id]
        looked = simulator.requests["result"]
    assert isinstance(ends[-1], Rendered)
    for kind in ("price", "balance", "upload", "submit", "listing"):
        assert growth(REQUESTS, kind=kind, result="ok") == growth(REQUESTS, kind=kind) == 1, kind
    assert growth(REQUESTS, kind="result", result="ok") == polls >= 1
    assert growth(REQUESTS, kind="result", result="Unreachable") == growth(LOOKS, found="nothing") == 1
    assert growth(LOOKS, found="ended") == 1
    assert growth(LOOKS) == looked


async def test_refusals_and_lost_submits_are_told_apart() -> None:
    growth = Growth()
    async with Simulator(seconds=0.05, post_latency=0.0) as simulator, connect(settings(simulator.base_url)) as client:
        simulator.plan("submit", faults.too_many("0"), faults.dropped(accepts=True))
        prepared = await client.prepare(request(), {})
        with pytest.raises(RateLimited):
            await client.submit(prepared)
        with pytest.raises(Ambiguous):
            await client.submit(prepared)
    assert growth(REQUESTS, kind="submit", result="RateLimited") == 1
    assert growth(REQUESTS, kind="submit", result="Ambiguous") == 1


async def test_files_are_counted_where_they_are_fetched(tmp_path: Path) -> None:
    growth = Growth()
    asked = request()
    async with (
        Simulator(seconds=0.0, post_latency=0.0) as simulator,
        connect(settings(simulator.base_url, api_version="v3")) as client,
    ):
        simulator.fail_next("output", faults.server_error(502))
        prepared = await client.prepare(asked, {})
        async with client.turn(1):
            ticket = await client.submit(prepared)
        async for _ in client.watch(ticket, asked, tmp_path / "x", QUICK):
            pass
    assert growth(REQUESTS, kind="output", result="ok") == growth(REQUESTS, kind="output", result="Unusable") == 1
