from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.discord.address import EPOCH_MS, TOKEN_LIFE, Address
from adapters.discord.reply import Wires
from adapters.discord.rest import Rest
from bot.easel import Easel
from tests.adapters.discord import desk as desks
from tests.adapters.discord.desk import CHANNEL, MESSAGE, Desk
from tests.doubles.backend import V2


def snowflake(seconds: float) -> str:
    return str((int(seconds * 1000) - EPOCH_MS) << 22)


@pytest.fixture
def easel() -> Easel:
    return cast(Easel, SimpleNamespace(capabilities=V2))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desks.opened() as opened:
        yield opened


@pytest.fixture
async def wires(desk: Desk) -> AsyncIterator[Wires]:
    async with Rest(desk.url + "/api/v10", "bot-token") as rest:
        yield Wires(rest)


@pytest.fixture
def address() -> Callable[..., Address]:
    def make(*, left: float = TOKEN_LIFE, **changes: Any) -> Address:
        """An address whose token has `left` seconds to live."""
        now = time.time()
        fields: dict[str, Any] = {
            "channel": CHANNEL,
            "message": MESSAGE,
            "application": "100",
            "requester": "42",
            "nonce": "1234567890123456789",
            "token": "interaction-token",
            "expires": now + left,
        }
        return Address(**(fields | changes))

    return make


@pytest.fixture
def interaction() -> Callable[..., dict[str, Any]]:
    def make(**changes: Any) -> dict[str, Any]:
        return {
            "id": snowflake(time.time()),
            "application_id": "100",
            "token": "interaction-token",
            "type": 2,
            "data": {"id": "1", "type": 1, "name": "imagine", "options": []},
            "guild_id": "300",
            "channel_id": CHANNEL,
            "channel": {"id": CHANNEL, "type": 0, "nsfw": False},
            "member": {"user": {"id": "42", "username": "ada", "global_name": "Ada"}, "permissions": "0"},
            "locale": "en-GB",
            "app_permissions": str((1 << 10) | (1 << 11) | (1 << 15) | (1 << 38)),
            "authorizing_integration_owners": {"0": "300"},
            "context": 0,
            "attachment_size_limit": 10485760,
        } | changes

    return make
