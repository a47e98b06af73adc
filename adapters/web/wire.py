"""The page's wire: JSON in, JSON out, and refusals that the page can show."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from adapters.web.pace import Pace
from adapters.web.views import Json, card_json
from bot import cards
from bot.cards import Card, Line, Tone

MOST_BODY = 128 * 1024
"""Bytes of a JSON body: a prompt at its longest, four bytes a letter, with room for the rest."""
BODY_WITHIN = 30.0
"""Seconds that it may take to arrive, over a line that carries anything at all."""
_REQUEST_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")


class Refusal(Exception):
    """Misuse of the wire, or too much of it; what a person may read of it is a card like any other error."""

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    def response(self) -> web.Response:
        headers = {"Retry-After": str(max(1, round(self.retry_after)))} if self.retry_after is not None else {}
        card = Card("That didn't work", (Line(str(self)),), Tone.BAD)
        return answer(error(card), status=self.status, headers=headers)


def answer(data: Json | list[Json], *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        text=json.dumps(data, ensure_ascii=False, separators=(",", ":")),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error(card: Card, field: str | None = None) -> Json:
    return {"kind": "error", "card": card_json(card), "field": field}


def refused(problem: Exception) -> Json:
    """An error in the words it brought, with the option that it is about."""
    return error(cards.refused(problem), getattr(problem, "field", None))


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request. Raises Refusal."""
    if request.content_type != "application/json":
        raise Refusal(415, "This takes JSON.")
    try:
        async with asyncio.timeout(BODY_WITHIN):
            text = await read(request, MOST_BODY)
        found = _sound(json.loads(text))
    except TimeoutError:
        raise Refusal(408, "That took too long to arrive. Please try again.") from None
    except (ValueError, RecursionError):
        raise Refusal(400, "That is no JSON.") from None
    if not isinstance(found, dict):
        raise Refusal(400, "That is no JSON object.")
    return found


def sound(text: str) -> str:
    """Without what no UTF-8 and no database can hold: halves of a cut emoji, and zero bytes.

    JSON carries both, and one row with them would be the end of every answer that tells of it.
    """
    return text.encode(errors="ignore").decode().replace("\0", "")


def _sound(found: Any) -> Any:
    match found:
        case str():
            return sound(found)
        case dict():
            return {sound(name): _sound(value) for name, value in found.items()}
        case list():
            return [_sound(value) for value in found]
        case _:
            return found


async def read(request: web.Request, most: int) -> bytes:
    """A body of at most so many bytes, refused as soon as there are more. Raises Refusal."""
    if (request.content_length or 0) > most:
        raise Refusal(413, too_large(most))
    found = bytearray()
    async for chunk in request.content.iter_any():
        found += chunk
        if len(found) > most:
            raise Refusal(413, too_large(most))
    return bytes(found)


def slow_down(pace: Pace, person: str) -> None:
    """Raise Refusal where it was too much."""
    wait = pace.wait(person)
    if wait:
        raise Refusal(429, "That was a little fast. Please try again in a moment.", retry_after=wait)


def too_large(most: int) -> str:
    return f"That is too large; {most // 1024 // 1024} MB is the most." if most >= 1024 * 1024 else "That is too long."


def text_of(data: Mapping[str, Any], name: str, most: int = 20_000) -> str:
    """A text of a body, empty if it is not there. Raises Refusal for anything else."""
    found = data.get(name)
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > most:
        raise Refusal(400, f"“{name}” is no text, or too long.")
    return found


def number_of(data: Mapping[str, Any], name: str) -> int:
    """A whole number of a body, 0 if it is not there. Raises Refusal for anything else."""
    found = data.get(name) or 0
    if not isinstance(found, int) or not 0 <= found <= 1_000_000:
        raise Refusal(400, f"“{name}” is no number.")
    return int(found)


def object_of(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object of a body, empty if it is not there. Raises Refusal for anything else."""
    found = data.get(name) or {}
    if not isinstance(found, dict) or len(found) > 100:
        raise Refusal(400, f"“{name}” is no object.")
    return found


def request_id(data: Mapping[str, Any]) -> str:
    """Raises Refusal where the page made none."""
    found = text_of(data, "request_id", 36)
    if not _REQUEST_ID.fullmatch(found):
        raise Refusal(400, "“request_id” is a UUID.")
    return found.lower()
