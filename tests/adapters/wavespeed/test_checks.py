from __future__ import annotations

from typing import Any

import adapters.wavespeed
from adapters.wavespeed import checks, faults
from adapters.wavespeed.settings import WaveSpeedSettings
from adapters.wavespeed.simulator import Simulator
from bot.doctor import Check


async def found(simulator: Simulator, **more: Any) -> dict[str, Check]:
    settings = WaveSpeedSettings(_env_file=None, api_key="a-key", base_url=simulator.base_url, **more)
    return {check.name: check for check in await checks.diagnose(settings)}


async def test_a_good_account_costs_nothing_to_look_at() -> None:
    async with Simulator(balance=3.0, price=0.015) as simulator:
        told = await found(simulator, tier="gold")
    assert all(check.ok for check in told.values())
    assert "$3.00, enough for about 200 pictures" in told["WaveSpeedAI balance"].advice
    assert "$0.015" in told["WaveSpeedAI price"].advice
    assert "v2" in told["WaveSpeedAI API"].advice
    assert "tier gold" in told["WaveSpeedAI API"].advice
    assert simulator.posts == 0


async def test_it_looks_the_same_way_with_the_other_version() -> None:
    async with Simulator() as simulator:
        told = await found(simulator, api_version="v3")
    assert all(check.ok for check in told.values())
    assert "v3" in told["WaveSpeedAI API"].advice


async def test_an_empty_account_says_where_to_top_up() -> None:
    async with Simulator(balance=0.01) as simulator:
        told = await found(simulator)
    assert not told["WaveSpeedAI balance"].ok
    assert "Top up" in told["WaveSpeedAI balance"].advice


async def test_a_refused_key_says_where_a_new_one_is() -> None:
    async with Simulator(key="another") as simulator:
        told = await found(simulator)
    assert [name for name, check in told.items() if not check.ok] == ["WaveSpeedAI key"]
    assert "wavespeed.ai/accesskey" in told["WaveSpeedAI key"].advice
    assert "a-key" not in str(told)


async def test_a_suspended_account_is_no_good_news() -> None:
    async with Simulator() as simulator:
        simulator.fail_next("balance", faults.SUSPENDED)
        told = await found(simulator)
    assert not all(check.ok for check in told.values())


async def test_an_api_that_is_down_is_told_without_its_body() -> None:
    async with Simulator() as simulator:
        simulator.fail_next("balance", faults.server_error(502), times=20)
        told = await found(simulator)
    assert not told["WaveSpeedAI"].ok
    assert "Gateway Error" not in told["WaveSpeedAI"].advice


async def test_the_simulated_backend_ignores_what_the_operator_set(monkeypatch: Any) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "the-operators")
    monkeypatch.setenv("WAVESPEED_BASE_URL", "https://api.wavespeed.ai")
    monkeypatch.setenv("WAVESPEED_API_VERSION", "v3")
    async with adapters.wavespeed.simulated() as backend, backend:
        assert await backend.balance() == 50.0
        assert backend.capabilities.flags_nsfw
