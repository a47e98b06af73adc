"""How real processes stop, and how a second one beside them is refused."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.wavespeed.simulator import Simulator
from tests.bot.command_line import easel, ended, process
from tests.scenarios.easel_process import STARTS_WITHIN
from tests.servers.discord import DiscordServer


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=60.0) as server:
        yield server


def account(simulator: Simulator) -> dict[str, str]:
    return {"WAVESPEED_API_KEY": "a-key", "WAVESPEED_BASE_URL": simulator.base_url}


async def test_a_second_process_is_refused_and_a_stop_loses_nothing(tmp_path: Path, simulator: Simulator) -> None:
    async with process(tmp_path, "imagine", "a blue whale", **account(simulator)) as first:
        await simulator.until(lambda: bool(simulator.submits), STARTS_WITHIN)
        told = await easel(tmp_path, "imagine", "a red fox", **account(simulator))
        assert told.code == 2
        assert "Another Easel is at work in the data folder" in told.err
        assert simulator.posts == 1
        first.send_signal(signal.SIGTERM)
        stopped = await ended(first, 10)
    assert stopped.code == 130
    assert "Stopped" in stopped.err
    assert "Traceback" not in stopped.err


async def test_a_stop_is_heeded_while_discord_is_down(tmp_path: Path, simulator: Simulator) -> None:
    down = {"DISCORD_TOKEN": "t", "DISCORD_API_BASE": "http://127.0.0.1:9"}
    async with process(tmp_path, **down, **account(simulator)) as running:
        assert running.stderr is not None
        async for line in running.stderr:
            if b"does not answer" in line:
                break
        running.send_signal(signal.SIGTERM)
        assert (await ended(running, 10)).code == 0


async def test_the_bot_stops_on_a_signal_and_tells_a_taken_port(tmp_path: Path, simulator: Simulator) -> None:
    async with DiscordServer() as discord:
        chat = {"DISCORD_TOKEN": discord.token, "DISCORD_API_BASE": discord.url}
        async with process(tmp_path, "run", **chat, **account(simulator)) as running:
            assert running.stderr is not None
            async for line in running.stderr:
                if b'"started"' in line:
                    break
            port = line.decode().rsplit("http://127.0.0.1:", 1)[1].split('"')[0]
            again = {"EASEL_DATA_DIR": str(tmp_path / "other"), "EASEL_HTTP_PORT": port}
            refused = await easel(tmp_path, **again, **chat, **account(simulator))
            assert refused.code == 2
            assert f"EASEL_HTTP_PORT: {port}" in refused.err
            began = time.monotonic()
            running.send_signal(signal.SIGINT)
            stopped = await ended(running, 10)
    assert stopped.code == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in stopped.err
