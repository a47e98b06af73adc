"""Requests to Discord's REST API for messages and interactions, each with its own patience.

discord.py logs in, registers commands and holds the gateway. Messages go this way because its webhook adapter holds one
lock for each interaction: there a progress edit that sleeps on a rate limit would keep the final picture waiting.
"""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
import structlog
from yarl import URL

from adapters.discord.pace import CAREFUL_FOR, Buckets, Lane
from bot import __version__, metrics
from bot.tasks import within

log = structlog.get_logger(__name__)

ANSWERS_AT_ONCE = 100
"""Connections for answers to interactions, which have three seconds; uploads never stand before them."""
ANSWERS_FIRST = 0.5
"""Seconds that work waits for other people's first answers at the most."""
CONNECTIONS = 64
SLOW_UPLOAD = 60.0
"""Seconds for one request with pictures."""


class Refused(Exception):
    """Discord said no, and will say so again. `code` is its own (developers/topics/opcodes), 0 if it gave none."""

    def __init__(self, status: int, code: int) -> None:
        super().__init__(f"HTTP {status}, code {code}")
        self.status = status
        self.code = code


class Down(Exception):
    """Not now: a rate limit beyond our patience, a failing server, no connection."""

    def __init__(self, reason: str, retry_after: float | None = None, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.sent = sent
        """Whether Discord may have acted on it all the same."""


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    data: bytes
    media_type: str


@dataclass(slots=True)
class _Asked:
    method: str
    path: str
    bucket: str
    payload: dict[str, Any] | None
    uploads: Sequence[Upload]
    as_bot: bool
    repeatable: bool
    timeout: float

    @property
    def what(self) -> metrics.What:
        """How it is counted. Only first answers have no bucket: no rate limit holds for them."""
        match self.method:
            case "POST":
                return "post" if self.bucket else "answer"
            case "PATCH":
                return "edit"
            case "DELETE":
                return "delete"
            case _:
                return "other"


class Rest:
    """`base` ends in /api/v10; `processes` share the token. Open with `async with`."""

    def __init__(self, base: str, token: str, processes: int = 1) -> None:
        self._base = base
        self._authorization = {"Authorization": f"Bot {token}"}
        self._buckets = Buckets()
        self._lane = Lane.shared(processes)
        self._careful_until = 0.0
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._session: aiohttp.ClientSession | None = None
        self._answers: aiohttp.ClientSession | None = None
        self._answering = 0
        self._all_answered = asyncio.Event()

    async def __aenter__(self) -> Rest:
        self._session = _session(CONNECTIONS)
        self._answers = _session(ANSWERS_AT_ONCE)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for session in (self._session, self._answers):
            if session is not None:
                await session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """Also for files on Discord's CDN. It sends no credentials of its own."""
        if self._session is None:
            raise RuntimeError("the REST client is not open")
        return self._session

    def wait(self, bucket: str, *, as_bot: bool, spare: int = 0) -> float:
        """Seconds until a request may start that leaves `spare` ones in its bucket for what matters more."""
        now = time.monotonic()
        paced = as_bot or now < self._careful_until
        return max(self._buckets.wait(bucket, now, spare=spare), self._lane.wait(now) if paced else 0.0)

    async def answer(self, interaction: str, token: str, payload: dict[str, Any], *, timeout: float) -> Any:
        """Answer an interaction, once: no rate limit holds here, only its three seconds. Raises Refused or Down."""
        if self._answers is None:
            raise RuntimeError("the REST client is not open")
        path = f"/interactions/{interaction}/{token}/callback?with_response=true"
        asked = _Asked("POST", path, "", payload, (), False, False, timeout)
        self._answering += 1
        self._all_answered.clear()
        try:
            body = await self._send(self._answers, asked)
        finally:
            self._answering -= 1
            if not self._answering:
                self._all_answered.set()
        return json.loads(body) if body else {}

    async def answers_first(self) -> None:
        """Let first answers go out before the work that follows one: in a burst everyone is acknowledged, then served."""
        if self._answering:
            await within(ANSWERS_FIRST, self._all_answered)

    async def request(
        self,
        method: str,
        path: str,
        *,
        bucket: str,
        payload: dict[str, Any] | None = None,
        uploads: Sequence[Upload] = (),
        as_bot: bool = False,
        repeatable: bool = True,
        patience: float = 0.0,
        timeout: float = 15.0,
    ) -> bytes:
        """The answer's body. Waits at most `patience` seconds for rate limits and failing servers.

        A request that is not `repeatable` is sent once more only where Discord is known not to have acted on it.
        Raises Refused or Down.
        """
        asked = _Asked(method, path, bucket, payload, uploads, as_bot, repeatable, SLOW_UPLOAD if uploads else timeout)
        deadline = time.monotonic() + patience
        if not as_bot:
            return await self._patiently(asked, deadline)
        async with self._one_by_one(bucket, deadline):
            return await self._patiently(asked, deadline)

    @asynccontextmanager
    async def _one_by_one(self, bucket: str, deadline: float) -> AsyncIterator[None]:
        """Requests of one channel's bucket follow each other, so that its limit is seen and not run into."""
        lock = self._turns.setdefault(bucket, asyncio.Lock())
        try:
            await asyncio.wait_for(lock.acquire(), max(0.01, deadline - time.monotonic()))
        except TimeoutError:
            raise Down("others wait for the same channel", 5.0) from None
        try:
            yield
        finally:
            lock.release()

    async def _patiently(self, asked: _Asked, deadline: float) -> bytes:
        tries = 0
        while True:
            await self._my_turn(asked, deadline)
            tries += 1
            try:
                return await self._send(self.session, asked)
            except Down as down:
                wait = down.retry_after if down.retry_after is not None else 0.3 * 3 ** (tries - 1)
                spent = down.sent and not asked.repeatable
                if spent or time.monotonic() + wait > deadline:
                    raise
                await asyncio.sleep(wait)

    async def _my_turn(self, asked: _Asked, deadline: float) -> None:
        while True:
            now = time.monotonic()
            paced = asked.as_bot or now < self._careful_until
            wait = max(self._buckets.wait(asked.bucket, now), self._lane.wait(now) if paced else 0.0)
            if now + wait > deadline and wait > 0:
                raise Down("a rate limit", wait)
            if paced:
                self._lane.enter(now)
            if wait <= 0:
                return
            await asyncio.sleep(wait)
            if paced:
                return

    async def _send(self, session: aiohttp.ClientSession, asked: _Asked) -> bytes:
        if session.closed:
            raise Down("we stop")
        try:
            async with session.request(
                asked.method,
                URL(self._base + asked.path, encoded=True),
                headers=self._authorization if asked.as_bot else None,
                timeout=aiohttp.ClientTimeout(total=asked.timeout),
                **_content(asked),
            ) as response:
                body = await response.read()
        except aiohttp.ClientConnectorError:
            metrics.message("discord", asked.what, "failed")
            raise Down("no connection") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.message("discord", asked.what, "failed")
            raise Down(type(error).__name__, sent=True) from None
        return self._judge(asked, response, body)

    def _judge(self, asked: _Asked, response: aiohttp.ClientResponse, body: bytes) -> bytes:
        now = time.monotonic()
        status = response.status
        metrics.message("discord", asked.what, "ok" if status < 300 else "limited" if status == 429 else "failed")
        if status == 429:
            raise self._limited(asked, response, body, now)
        self._buckets.note(asked.bucket, response.headers, now)
        if status < 300:
            return body
        if status >= 500:
            raise Down(f"HTTP {status}", sent=True)
        raise Refused(status, _code(body))

    def _limited(self, asked: _Asked, response: aiohttp.ClientResponse, body: bytes, now: float) -> Down:
        told = _json(body)
        wait = float(told.get("retry_after") or response.headers.get("Retry-After") or 1.0)
        if told.get("global") or response.headers.get("X-RateLimit-Global"):
            self._lane.pause(now, wait)
            self._careful_until = now + wait + CAREFUL_FOR
        elif asked.bucket:
            self._buckets.refuse(asked.bucket, now, wait)
        log.debug("discord limits us", wait=round(wait, 2), everywhere=bool(told.get("global")))
        return Down("a rate limit", wait)


def _session(connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"DiscordBot (easel-bot, {__version__})"},
    )


def _content(asked: _Asked) -> dict[str, Any]:
    if asked.payload is None:
        return {}
    text = json.dumps(asked.payload, separators=(",", ":"))
    if not asked.uploads:
        return {"data": aiohttp.BytesPayload(text.encode(), content_type="application/json")}
    form = aiohttp.FormData(quote_fields=False)  # Discord does not read escaped brackets in names
    form.add_field("payload_json", text, content_type="application/json")
    for place, upload in enumerate(asked.uploads):
        form.add_field(f"files[{place}]", BytesIO(upload.data), filename=upload.name, content_type=upload.media_type)
    return {"data": form}


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(body: bytes) -> int:
    code = _json(body).get("code")
    return code if isinstance(code, int) else 0
