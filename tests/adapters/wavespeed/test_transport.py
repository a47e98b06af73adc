from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from adapters.wavespeed.transport import Api, Outside, PrivateAddress, is_public
from adapters.wavespeed.verdicts import Call
from bot.errors import Ambiguous, EaselError, KeyRefused, RateLimited, Unreachable
from tests.adapters.wavespeed.elsewhere import Answer, elsewhere
from tests.adapters.wavespeed.values import KEY, settings

PATH = "/api/v2/wavespeed-ai/flux-dev-lora"
GOOD = json.dumps({"code": 200, "message": "success", "data": {"id": "abc", "status": "created"}}).encode()


@asynccontextmanager
async def api(base_url: str, **more: Any) -> AsyncIterator[Api]:
    found = Api(settings(base_url, **more))
    await found.open()
    try:
        yield found
    finally:
        await found.close()


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3)
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.content_length = 1000
    await stream.prepare(request)
    await stream.write(GOOD[:20])
    assert request.transport is not None
    request.transport.close()
    return stream


async def babble(request: web.Request) -> web.StreamResponse:
    """More JSON than any honest answer has."""
    return web.Response(body=json.dumps(["x" * 1000] * 5000).encode())


NONSENSE: list[Answer | bytes | int | str] = [
    reset,
    silent,
    cut,
    babble,
    500,
    502,
    503,
    504,
    b"<html>504 Gateway Time-out</html>",
    GOOD[:30],
    b"",
    b"[]",
    b"true",
    b"[" * 100_000,
    b'{"code": 200, "message": "success"}',
    b'{"code": 200, "data": null}',
    b'{"code": 500, "message": "internal error", "data": null}',
    "http://127.0.0.1:1/elsewhere",
]


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: getattr(answer, "__name__", str(answer)[:40]))
async def test_a_submit_whose_fate_is_unknown_is_ambiguous_and_sent_once(answer: Answer | bytes | int | str) -> None:
    async with elsewhere() as server, api(server.origin, submit_timeout=0.3) as found:
        server.on(PATH, answer)
        with pytest.raises(Ambiguous):
            await found.once(Call.SUBMIT, "POST", PATH, {"prompt": "x"})
        assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [reset, cut, 500, 502, b"<html>", b'{"code": 200, "data": null}'])
@pytest.mark.usefixtures("impatient")
async def test_a_read_is_repeated(answer: Answer | bytes | int) -> None:
    async with elsewhere() as server, api(server.origin) as found:
        server.on("/x", answer, answer, GOOD)
        assert await found.read(Call.READ, "GET", "/x") == {"id": "abc", "status": "created"}
        assert len(server.asked) >= 3


@pytest.mark.usefixtures("impatient")
async def test_a_read_that_never_works_says_so() -> None:
    async with elsewhere() as server, api(server.origin) as found:
        server.on("/x", 503)
        with pytest.raises(Unreachable):
            await found.read(Call.READ, "GET", "/x")
        assert len(server.asked) == 5


async def test_a_refused_key_is_not_repeated() -> None:
    async with elsewhere() as server, api(server.origin) as found:
        server.on("/x", 401)
        with pytest.raises(KeyRefused):
            await found.read(Call.READ, "GET", "/x")
        assert len(server.asked) == 1


async def test_a_connection_that_was_never_opened_is_a_proof() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        async with api(f"http://127.0.0.1:{taken.getsockname()[1]}") as found:
            with pytest.raises(Unreachable):
                await found.once(Call.SUBMIT, "POST", PATH, {})


async def test_a_handshake_that_fails_is_a_proof_too() -> None:
    async with elsewhere() as server, api(server.origin.replace("http:", "https:")) as found:
        with pytest.raises(Unreachable):
            await found.once(Call.SUBMIT, "POST", PATH, {})
        assert server.asked == []


async def test_before_it_is_open_and_after_it_is_closed_nothing_is_sent() -> None:
    async with elsewhere() as server:
        found = Api(settings(server.origin))
        with pytest.raises(Unreachable):
            await found.once(Call.SUBMIT, "POST", PATH, {})
        await found.open()
        await found.close()
        with pytest.raises(Unreachable):
            await found.once(Call.SUBMIT, "POST", PATH, {})
        assert server.asked == []


def throttled(retry_after: str | None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Retry-After": retry_after} if retry_after else {}
        return web.Response(status=429, headers=headers, text='{"code":429,"message":"too many requests"}')

    return answer


async def test_a_read_does_not_wait_for_an_hour() -> None:
    async with elsewhere() as server, api(server.origin) as found:
        server.on("/x", throttled("3600"))
        with pytest.raises(RateLimited):
            await asyncio.wait_for(found.read(Call.READ, "GET", "/x"), 5)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7.0, 7.0), (None, None, None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.0), ("soon", None, None)],
)
async def test_a_429_tells_how_long(header: str | None, low: float | None, high: float | None) -> None:
    async with elsewhere() as server, api(server.origin) as found:
        server.on(PATH, throttled(header))
        with pytest.raises(RateLimited) as caught:
            await found.once(Call.SUBMIT, "POST", PATH, {})
        assert caught.value.retry_after == low == high
        assert len(server.asked) == 1


async def test_a_read_waits_as_long_as_it_is_told() -> None:
    clock = asyncio.get_running_loop().time
    async with elsewhere() as server, api(server.origin) as found:
        server.on("/x", throttled("1"), GOOD)
        began = clock()
        await found.read(Call.READ, "GET", "/x")
        assert clock() - began >= 1.0


@pytest.mark.parametrize("call", [Call.SUBMIT, Call.RESULT])
async def test_a_redirect_is_never_followed(call: Call) -> None:
    async with elsewhere() as server, elsewhere() as thief, api(server.origin) as found:
        server.on("/x", thief.on("/steal", GOOD))
        with pytest.raises(EaselError):
            await found.once(call, "POST" if call is Call.SUBMIT else "GET", "/x")
        assert thief.asked == []
        assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "BadRequest"), (401, "KeyRefused"), (404, "BadSettings"), (413, "BadRequest")]
)
async def test_a_refusal_counts_even_if_its_body_breaks_off(status: int, kind: str) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(status=status)
        stream.content_length = 1000
        await stream.prepare(request)
        await stream.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return stream

    async with elsewhere() as server, api(server.origin) as found:
        server.on(PATH, broken)
        with pytest.raises(EaselError) as caught:
            await found.once(Call.SUBMIT, "POST", PATH, {})
        assert type(caught.value).__name__ == kind


async def test_an_accepted_prediction_counts_whatever_the_envelope_says() -> None:
    async with elsewhere() as server, api(server.origin) as found:
        server.on(PATH, b'{"code": 402, "message": "Insufficient credits", "data": {"id": "x", "status": "failed"}}')
        data = await found.once(Call.SUBMIT, "POST", PATH, {})
        assert data == {"id": "x", "status": "failed", "code": 402}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::",
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


async def test_names_and_numbers_that_lead_home_are_refused() -> None:
    resolver = Outside("https://8.8.8.8")
    with pytest.raises(PrivateAddress):
        await resolver.resolve("localhost", 80)
    for url in ("http://127.0.0.1/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest"):
        with pytest.raises(PrivateAddress):
            await resolver.check_url(URL(url))
    await resolver.check_url(URL("http://8.8.8.8/"))
    await resolver.close()


@pytest.mark.parametrize("base", ["http://127.0.0.1:8041", "http://localhost:8041", "http://[::1]:8041"])
async def test_home_is_allowed_when_the_api_lies_there(base: str) -> None:
    resolver = Outside(base)
    await resolver.check_url(URL("http://127.0.0.1/"))
    assert await resolver.resolve("localhost", 80)
    await resolver.close()
