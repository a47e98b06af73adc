from collections.abc import AsyncIterator

import pytest

from adapters.wavespeed.simulator import Simulator
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        yield server


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=1.0) as server:
        yield server
