"""How the simulator answers over HTTP: the envelope around everything, and the ways to spoil an answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import web

from adapters.wavespeed.faults import Fault, Wire, envelope
from adapters.wavespeed.sim_rules import Refused


def answered(body: bytes, status: int = 200) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def success(data: object) -> web.Response:
    return answered(envelope(200, "success", data=data))


async def asked(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request's body. Raises Refused (400)."""
    try:
        body = await request.json()
    except ValueError:
        raise Refused(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be a JSON object.")
    return body


async def spoilt(request: web.Request, true: web.Response | None, fault: Fault) -> web.StreamResponse:
    """Answer as the fault says: with its own body or with the true one, and what happens to that on the wire."""
    if fault.wire is not Wire.SLOW:
        await asyncio.sleep(fault.seconds)
    if fault.wire is Wire.DROP:
        _hang_up(request)
        return web.Response()
    answer = true if true is not None and fault.status is None else _own(fault)
    body = answer.body if isinstance(answer.body, bytes) else b""
    half = len(body) // 2
    if fault.wire is Wire.TRUNCATE:
        return web.Response(status=answer.status, body=body[:half], content_type=answer.content_type)
    if fault.wire is Wire.WHOLE:
        return answer
    pause = fault.seconds if fault.wire is Wire.SLOW else None
    return await _in_two_parts(request, answer, (body[:half], body[half:]), pause)


def _own(fault: Fault) -> web.Response:
    return web.Response(
        status=fault.status or 500, body=fault.body, content_type=fault.media_type, headers=dict(fault.headers)
    )


async def _in_two_parts(
    request: web.Request, answer: web.Response, parts: tuple[bytes, bytes], pause: float | None
) -> web.StreamResponse:
    """Send headers and the first half; then pause and send the rest, or hang up when there is no pause."""
    stream = web.StreamResponse(status=answer.status)
    stream.content_type = answer.content_type
    stream.content_length = sum(map(len, parts))
    await stream.prepare(request)
    await stream.write(parts[0])
    if pause is None:
        _hang_up(request)
        return stream
    await asyncio.sleep(pause)
    with contextlib.suppress(ConnectionError):
        await stream.write(parts[1])
    return stream


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
