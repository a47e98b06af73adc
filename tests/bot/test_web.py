"""Who gets in on Easel's HTTP port."""

from __future__ import annotations

import base64

import aiohttp
import pytest
from aiohttp import web

from bot.ports import Route
from bot.web import Web

TOKEN = "a-token-that-is-long"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


async def page(_request: web.Request) -> web.Response:
    return web.Response(text="the page")


ROUTES = [Route("GET", "/page", page), Route("POST", "/signed", page, guarded=False)]


async def status(server: Web, path: str, method: str = "GET", **headers: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{server.port}{path}", headers=headers) as answer,
    ):
        return answer.status


async def test_on_this_machine_nothing_is_asked() -> None:
    async with Web("127.0.0.1", 0, {}, ROUTES) as server:
        assert await status(server, "/page") == 200


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", 401),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("Basic !!!", 401),
        ("Bearer \udcff", 401),
        (f"Bearer {TOKEN}", 200),
        (basic("anyone", TOKEN), 200),
        (basic(TOKEN, ""), 401),
    ],
)
async def test_from_elsewhere_a_guarded_page_asks_for_the_token(authorization: str, code: int) -> None:
    async with Web("127.0.0.1", 0, {}, ROUTES, token=TOKEN) as server:
        headers = {"Authorization": authorization} if authorization else {}
        assert await status(server, "/page", **headers) == code


async def test_health_and_what_proves_itself_ask_for_none() -> None:
    async with Web("127.0.0.1", 0, {}, ROUTES, token=TOKEN) as server:
        assert await status(server, "/healthz") == 200
        assert await status(server, "/readyz") == 200
        assert await status(server, "/signed", "POST") == 200


async def test_without_a_token_it_is_closed_and_not_open() -> None:
    async with Web("127.0.0.1", 0, {}, ROUTES, token="") as server:
        assert await status(server, "/page", Authorization="Bearer ") == 403


async def test_an_address_to_click_on() -> None:
    async with Web("127.0.0.1", 0, {}) as server:
        assert server.address == f"http://127.0.0.1:{server.port}"
