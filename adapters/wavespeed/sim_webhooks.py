"""The simulator's webhook sender: the bare prediction, signed as the API's documentation says, well or badly."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

Signature = Literal["good", "bad", "old", "none"]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ATTEMPTS = 4
MAX_AGE = 300
"""Seconds after which a receiver refuses a signature."""


def local(url: str) -> bool:
    """Whether an address is on this machine: the simulator sends nowhere else."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK


def signed(body: bytes, secret: str, now: float, signature: Signature = "good") -> dict[str, str]:
    """The headers of one delivery. The key is the secret without `whsec_`, as plain text, never decoded."""
    event = secrets.token_hex(13)
    moment = str(int(now) - (2 * MAX_AGE if signature == "old" else 0))
    key = secret.removeprefix("whsec_") if signature != "bad" else "someone else's secret"
    mark = hmac.new(key.encode(), f"{event}.{moment}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json"}
    if signature != "none":
        headers |= {"webhook-id": event, "webhook-timestamp": moment, "webhook-signature": f"v3,{mark}"}
    return headers


async def deliver(
    url: str, prediction: dict[str, Any], secret: str, now: float, signature: Signature = "good", pause: float = 0.05
) -> int:
    """POST until it is answered with 2xx, at most 4 times, `pause` × 2, 4, 8 seconds apart. Returns how often."""
    body = json.dumps(prediction).encode()
    headers = signed(body, secret, now, signature)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        for attempt in range(1, ATTEMPTS):
            if await _sent(session, url, body, headers):
                return attempt
            await asyncio.sleep(pause * 2**attempt)
        await _sent(session, url, body, headers)
    return ATTEMPTS


async def _sent(session: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False
