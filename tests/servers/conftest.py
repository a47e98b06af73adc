"""The local Slack, which most tests here are of; those of another server bring their own."""

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import SlackServer
from tests.servers.slack_parts import calling


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as opened:
        yield opened


@pytest.fixture
async def client(server: SlackServer) -> AsyncIterator[AsyncWebClient]:
    async with calling(server) as made:
        yield made
