"""What other sites, other names and other people can't do here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from pydantic import SecretStr

from adapters.web import connect, diagnose, wanted, wire
from adapters.web.client import Web
from adapters.web.guard import Guard
from adapters.web.settings import WebSettings
from adapters.web.wire import MOST_BODY, Refusal
from bot.errors import BadSettings
from bot.settings import Settings
from tests.adapters.web.house import TOKEN, Playground
from tests.adapters.web.visitor import POSTING, Visitor


@pytest.fixture
async def ana(house: Playground) -> Visitor:
    return await house.visitor()


def say() -> dict[str, str]:
    return {"request_id": str(uuid4()), "text": "a red fox"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Easel": "1", "Origin": "https://evil.example"}, 403),
        ({"X-Easel": "1", "Origin": "null"}, 403),
        ({"X-Easel": "1", "Origin": "http://127.0.0.1:1"}, 403),
        ({"X-Easel": "1", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"X-Easel": "1", "Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Easel": "1", "Host": "evil.example"}, 421),
        ({"X-Easel": "1", "Host": "127.0.0.1.evil.example:8040"}, 421),
        ({"X-Easel": "1", "Host": "[::1"}, 421),
        ({"X-Easel": "1", "Host": "localhost:8040"}, 200),
        ({"X-Easel": "1", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_a_post_comes_from_our_page_or_is_refused(ana: Visitor, headers: dict[str, str], status: int) -> None:
    window = await ana.window()
    assert await ana.status("POST", "/api/say", json=say(), headers=headers) == status
    if status == 200:
        await window.until(lambda it: it.messages)
    else:
        assert (await ana.get("/api/start"))["messages"] == []


async def test_our_own_origin_is_let_in(house: Playground, ana: Visitor) -> None:
    assert await ana.status("POST", "/api/say", json=say(), headers={**POSTING, "Origin": house.url}) == 200


async def test_a_form_of_another_site_is_no_json(ana: Visitor) -> None:
    assert await ana.status("POST", "/api/say", data=b'{"text":"x"}', headers=POSTING) == 415


@pytest.mark.parametrize("path", ["/", "/gallery", "/api/start", "/api/gallery", "/api/events", "/pictures/x/1"])
async def test_a_name_that_is_not_ours_reads_nothing(ana: Visitor, path: str) -> None:
    assert await ana.status("GET", path, headers={"Host": "rebound.example"}) == 421


async def test_another_site_reads_nothing_but_may_link_here(ana: Visitor) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert await ana.status("GET", "/api/start", headers=elsewhere) == 403
    assert await ana.status("GET", "/api/events", headers=elsewhere) == 403
    assert await ana.status("GET", "/", headers=elsewhere) == 200


@pytest.mark.parametrize("path", ["/", "/api/start", "/static/icon.svg", "/static/nothing.js", "/pictures/x/1"])
async def test_every_answer_is_under_the_policy(ana: Visitor, path: str) -> None:
    async with ana.session.get(ana.url + path) as answer:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


async def test_the_stream_is_under_the_policy_too(ana: Visitor) -> None:
    window = await ana.window()
    assert "frame-ancestors 'none'" in window.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fclient.py",
        "/static/%2e%2e/client.py",
        "/static/x/..%2fclient.py",
        "/static//etc/passwd",
        "/pictures/..%2f..%2feasel.sqlite/1",
        "/pictures/01ARZ3NDEKTSV4RRFFQ69G5FAV/..%2f1",
        "/pictures/01ARZ3NDEKTSV4RRFFQ69G5FAV/1",
        "/pictures/%00/1",
        "/api/uploads/..%2f..%2feasel.sqlite",
    ],
)
async def test_no_path_of_a_persons_reaches_the_disk(ana: Visitor, path: str) -> None:
    from yarl import URL

    async with ana.session.get(URL(ana.url + path, encoded=True)) as answer:
        assert answer.status == 404
        assert b"SQLite" not in await answer.read()


async def test_too_much_is_refused_as_soon_as_it_is(ana: Visitor) -> None:
    long = {**say(), "text": "x" * MOST_BODY}
    assert await ana.status("POST", "/api/say", json=long, headers=POSTING) == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 65536

    headers = {**POSTING, "Content-Type": "application/json"}
    with suppress(aiohttp.ClientError):  # it may be cut off while we still send
        assert await ana.status("POST", "/api/say", data=endless(), headers=headers) == 413


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "nonsense",
        "[" * 50_000,
        '{"text": 5}',
        '{"request_id": "../x"}',
        '{"request_id": 5}',
        '{"request_id": null}',
    ],
)
async def test_nonsense_is_refused(ana: Visitor, body: str) -> None:
    headers = {**POSTING, "Content-Type": "application/json"}
    async with ana.session.post(f"{ana.url}/api/say", data=body.encode(), headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["kind"] == "error"


@pytest.mark.parametrize(
    "more", [{"options": []}, {"options": {"prompt": {}}}, {"options": {"prompt": ["x"]}}, {"image": 5}]
)
async def test_options_of_the_wrong_kind_are_refused(ana: Visitor, more: dict[str, object]) -> None:
    body = {"request_id": str(uuid4()), "command": "imagine", "options": {"prompt": "x"}, **more}
    status = await ana.status("POST", "/api/run", json=body, headers=POSTING)
    assert status == (200 if more == {"options": []} else 400)


async def test_a_body_that_never_ends_is_not_waited_for(
    house: Playground, ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "BODY_WITHIN", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rsplit(":", 1)[1]))
    lines = {**POSTING, "Host": "localhost", "Content-Type": "application/json", "Content-Length": "1000"}
    writer.write(b"POST /api/say HTTP/1.1\r\n")
    writer.write("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b'\r\n{"text": "a')
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()


async def test_too_fast_is_told_when_to_go_on(ana: Visitor) -> None:
    for _ in range(40):
        body = {"request_id": str(uuid4()), "text": "/queue"}
        async with ana.session.post(f"{ana.url}/api/say", json=body, headers=POSTING) as answer:
            if answer.status == 429:
                assert int(answer.headers["Retry-After"]) >= 1
                return
            assert answer.status == 200
    pytest.fail("forty at once were let through")


async def test_what_people_write_stays_text(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    nasty = "</script><img src=x onerror=alert(1)> \u2028 {{ 7*7 }}\nevent: reload"
    message = await window.over(await ana.drawing(nasty))
    assert message["card"]["lines"][0] == {"text": nasty, "style": "quote"}
    assert "reload" not in window.events
    _, page = await ana.fetch("/?" + "q=<script>")
    assert b"alert(1)" not in page
    assert b"<script>" not in page


async def test_beyond_this_machine_it_asks_for_the_token(tmp_path: Path) -> None:
    public = "https://easel.example.org"
    async with Playground(tmp_path, web_token=SecretStr(TOKEN), public_url=public) as house:
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/api/start", "/api/events", "/static/icon.svg", "/pictures/x/1"):
                for given in ({}, {"Authorization": "Bearer \udcff"}):
                    async with session.get(house.url + path, headers=given) as answer:
                        assert answer.status == 401
        ana = await house.visitor(headers={"Authorization": f"Bearer {TOKEN}", "Host": "easel.example.org"})
        headers = {**POSTING, "Origin": public}
        assert await ana.status("POST", "/api/say", json=say(), headers=headers) == 200
        headers = {**POSTING, "Origin": "https://other.example.org"}
        assert await ana.status("POST", "/api/say", json=say(), headers=headers) == 403


async def test_only_who_reaches_a_closed_port_moderates(tmp_path: Path) -> None:
    async with Playground(tmp_path / "closed") as house:
        ana, ben = await house.visitors(2)
        window = await ben.window()
        message = await window.over(await ana.drawing("a red fox"))
        assert (await ben.press(message, "delete"))["card"]["title"] == "Deleted"
    async with Playground(tmp_path / "open", web_token=SecretStr(TOKEN), public_url="http://127.0.0.1:1") as house:
        signed = {"Authorization": f"Bearer {TOKEN}"}
        ana, ben = await house.visitor(headers=signed), await house.visitor(headers=signed)
        window = await ben.window()
        message = await window.over(await ana.drawing("a red fox"))
        assert (await ben.press(message, "delete"))["card"]["title"] == "That didn't work"


def settings(**how: Any) -> Settings:
    return Settings(_env_file=None, **how)


def test_open_to_others_without_a_token_it_does_not_start() -> None:
    for how in ({"http_host": "0.0.0.0"}, {"public_url": "https://easel.example.org"}):
        with pytest.raises(BadSettings, match="EASEL_WEB_TOKEN"):
            connect(WebSettings(_env_file=None), settings(**how))
    assert isinstance(connect(WebSettings(_env_file=None), settings(http_host="0.0.0.0", web_token=TOKEN)), Web)


async def test_doctor_says_where_it_is_and_what_it_lacks() -> None:
    (well,) = await diagnose(settings())
    assert (well.ok, "http://127.0.0.1:8040" in well.advice) == (True, True)
    (ill,) = await diagnose(settings(http_host="0.0.0.0"))
    assert not ill.ok
    (asks,) = await diagnose(settings(public_url="https://easel.example.org", web_token=TOKEN))
    assert "https://easel.example.org; it asks for EASEL_WEB_TOKEN" in asks.advice
    assert (wanted(alone=True), wanted(alone=False)) == (True, False)


@pytest.mark.parametrize(
    ("how", "host", "ours"),
    [
        ({}, "127.0.0.1:8040", True),
        ({}, "[::1]:8040", True),
        ({}, "LOCALHOST", True),
        ({}, "192.168.1.7", False),
        ({}, "", False),
        ({"http_host": "192.168.1.7"}, "192.168.1.7:8040", True),
        ({"http_host": "192.168.1.7"}, "192.168.1.8:8040", False),
        ({"http_host": "0.0.0.0"}, "192.168.1.8:8040", True),
        ({"http_host": "0.0.0.0"}, "easel.evil.example", False),
        ({"http_host": "0.0.0.0", "public_url": "https://Easel.example.org"}, "easel.example.org", True),
    ],
)
def test_only_our_own_names_are_answered(how: dict[str, str], host: str, ours: bool) -> None:
    from aiohttp.test_utils import make_mocked_request

    request = make_mocked_request("GET", "/", headers={"Host": host})
    guard = Guard(settings(**how))
    if ours:
        guard.check(request)
    else:
        with pytest.raises(Refusal):
            guard.check(request)


@pytest.mark.parametrize("broken", ["\ud83d", "\0"])
async def test_no_text_makes_the_channel_unreadable(house: Playground, broken: str) -> None:
    ana, ben = await house.visitors(2)
    window = await ben.window()
    message = await window.over(await ana.drawing(f"a red{broken} fox"))
    assert [line["text"] for line in message["card"]["lines"] if line["style"] == "quote"] == ["a red fox"]
    assert (await ben.get("/api/start"))["messages"] == [message]
    for path, more in (
        ("/api/press", {"verb": "details", "job": broken}),
        ("/api/use", {"name": "details", "message": broken}),
        ("/api/run", {"command": "imagine", "options": {"prompt": "x", "size": broken + "9", broken: broken}}),
        ("/api/me", {"name": broken}),
    ):
        assert (await ana.post(path, **more))["kind"] in ("error", "note"), path
