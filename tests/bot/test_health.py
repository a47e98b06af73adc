from __future__ import annotations

import socket
from collections.abc import Callable

import aiohttp
import pytest

from bot.errors import BadSettings
from bot.health import Check
from bot.web import Web


def says(answer: bool) -> Check:
    async def check() -> bool:
        return answer

    return check


async def breaks() -> bool:
    raise ConnectionError("the database is away")


async def get(health: Web, path: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{health.port}{path}") as answer:
        return answer.status, await answer.json()


async def test_it_is_ready_when_all_it_needs_is() -> None:
    async with Web("127.0.0.1", 0, {"database": says(True), "discord": says(True)}) as health:
        assert await get(health, "/readyz") == (200, {"ready": True, "database": True, "discord": True})


@pytest.mark.parametrize("wrong", [lambda: says(False), lambda: breaks])
async def test_it_says_what_it_waits_for_and_lives_on(wrong: Callable[[], Check]) -> None:
    async with Web("127.0.0.1", 0, {"database": wrong(), "discord": says(True)}) as health:
        assert await get(health, "/readyz") == (503, {"ready": False, "database": False, "discord": True})
        assert await get(health, "/healthz") == (200, {"alive": True})


async def test_nothing_else_is_served() -> None:
    async with (
        Web("127.0.0.1", 0, {}) as health,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{health.port}/") as answer,
    ):
        assert answer.status == 404


async def test_a_taken_port_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadSettings, match="EASEL_HTTP_PORT"):
        await Web("127.0.0.1", taken.getsockname()[1], {}).__aenter__()
