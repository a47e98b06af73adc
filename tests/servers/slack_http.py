"""HTTP delivery of the local Slack: signed requests to the app's own address, retried as Slack retries events.

docs.slack.dev/authentication/verifying-requests-from-slack: `v0:timestamp:body`, HMAC-SHA256 under the signing secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.servers.slack_asked import COMMAND, EVENT, FIRST_ANSWER, Asked
from tests.servers.slack_state import State


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


def sign(secret: str, timestamp: str, body: str) -> str:
    base = f"v0:{timestamp}:{body}".encode()
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class Http:
    """`request_url` of the app, empty in Socket Mode."""

    def __init__(
        self, state: State, acked: Callable[[Asked, Any], object], lost: Callable[[Asked, str], object]
    ) -> None:
        self.state = state
        self.request_url = ""
        self._acked, self._lost = acked, lost
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def send(self, asked: Asked, *, retry: int = 0, reason: str = "") -> None:
        """One delivery, in the background."""
        task = asyncio.create_task(self._send(asked, retry, reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, asked: Asked, retry: int, reason: str) -> None:
        headers = {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason} if retry else {}
        try:
            answer = await self.request(*self.written(asked), headers=headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._lost(asked, "http_timeout" if isinstance(error, TimeoutError) else "connection_failed")
            return
        if answer.status == 200:
            self._acked(asked, answer.body)
        else:
            self._lost(asked, "http_error")

    @staticmethod
    def written(asked: Asked) -> tuple[str, str]:
        """Body and content type, as this kind of request has them."""
        if asked.kind == EVENT:
            return json.dumps(asked.payload), "application/json"
        fields = asked.payload if asked.kind == COMMAND else {"payload": json.dumps(asked.payload)}
        return urlencode(fields), "application/x-www-form-urlencoded"

    async def request(
        self,
        body: str,
        content_type: str,
        *,
        headers: dict[str, str] | None = None,
        age: float = 0.0,
        secret: str | None = None,
        signature: str | None = None,
    ) -> Answer:
        """POST this to the app, signed. `age` in seconds dates it back; another `secret` or `signature` forges it; the
        signature "" leaves it out. Raises aiohttp.ClientError and TimeoutError."""
        assert self._session is not None, "the server is not open"
        timestamp = str(int(time.time() - age))
        signed = sign(secret or self.state.signing_secret, timestamp, body) if signature is None else signature
        sent = {"Content-Type": content_type, "X-Slack-Request-Timestamp": timestamp, **(headers or {})}
        if signed:
            sent["X-Slack-Signature"] = signed
        limit = aiohttp.ClientTimeout(total=FIRST_ANSWER + 2)
        async with self._session.post(self.request_url, data=body.encode(), headers=sent, timeout=limit) as response:
            text = await response.text()
        try:
            return Answer(response.status, json.loads(text) if text else None)
        except ValueError:
            return Answer(response.status, {"text": text})
