"""The two ways out: to the API with the key, and to wherever pictures lie without it.

The key is only ever sent to `WAVESPEED_BASE_URL`: addresses are built from ids, never taken from an answer, and
redirects are not followed. A submit is sent at most once; reads are repeated.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import stamina
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from adapters.wavespeed import wire
from adapters.wavespeed.settings import WaveSpeedSettings
from adapters.wavespeed.sieve import Sieve, TooLarge
from adapters.wavespeed.verdicts import Call, Trouble, classify
from bot import metrics
from bot.errors import RateLimited, Unreachable

SMALL = 64 * 1024
"""Bytes of an answer that is read in one go; what is larger goes through a sieve."""
LONGEST_WAIT = 45.0
"""Seconds of a Retry-After that a read waits for; whoever is told more is told so."""
UNOPENED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Errors after which surely nothing was sent."""


class Api:
    """Speaks with the API, with the key. Errors come out classified."""

    def __init__(self, settings: WaveSpeedSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        # A submit may take longer to be answered than a read; neither waits for a free connection, we gate ourselves.
        self._submit = aiohttp.ClientTimeout(
            total=settings.submit_timeout + settings.connect_timeout,
            sock_connect=settings.connect_timeout,
            sock_read=settings.submit_timeout,
        )
        self._read = aiohttp.ClientTimeout(
            total=settings.read_timeout * 4, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=10),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Authorization": f"Bearer {self._settings.api_key.get_secret_value()}",
                "User-Agent": "easel-bot",
                # Pictures don't shrink, and an answer can't grow beyond what was sent.
                "Accept-Encoding": "identity",
            },
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def once(
        self, call: Call, method: str, path: str, body: object = None, sieve: Sieve | None = None
    ) -> dict[str, Any] | list[Any]:
        """Make one call, one time, and return the answer's `data`. Raises what `classify` says of anything else."""
        with metrics.request(call.value):
            return await self._once(call, method, path, body, sieve)

    async def _once(
        self, call: Call, method: str, path: str, body: object, sieve: Sieve | None
    ) -> dict[str, Any] | list[Any]:
        if self._session is None or self._session.closed:
            raise classify(Trouble(call, unopened=True))
        payload: Any = body if isinstance(body, aiohttp.FormData) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if isinstance(payload, bytes) else None
        timeout = self._submit if call is Call.SUBMIT else self._read
        try:
            async with self._session.request(
                method,
                self._settings.base_url + path,
                data=payload,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                text = await _text(response, sieve)
                return _opened(call, response, text)
        except UNOPENED as error:
            raise classify(Trouble(call, unopened=True)) from error
        except (aiohttp.ClientError, TimeoutError, OSError, TooLarge) as error:
            # Whatever else happened to a submit, nobody can know whether it was taken.
            raise classify(Trouble(call)) from error

    async def read(self, call: Call, method: str, path: str, body: Callable[[], object] | None = None) -> Any:
        """Make a call that costs nothing, again if need be, for up to 45 s. Waits as long as Retry-After asks."""
        async for attempt in stamina.retry_context(on=_again, attempts=5, timeout=45, wait_initial=0.3, wait_max=8):
            with attempt:
                return await self.once(call, method, path, body() if body else None)
        raise AssertionError("the last attempt raises")


def _again(error: Exception) -> bool | float:
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_WAIT else False
    return isinstance(error, RateLimited | Unreachable)


async def _text(response: aiohttp.ClientResponse, sieve: Sieve | None) -> bytes:
    if response.status >= 400:
        return await _error_text(response)
    if response.content_length is not None and response.content_length <= SMALL:
        return await response.read()
    sieve = sieve or Sieve(_nowhere, 0)
    async for piece in response.content.iter_any():
        sieve.feed(piece)
    return sieve.document()


async def _error_text(response: aiohttp.ClientResponse) -> bytes:
    """The status is told already, so a body that breaks off changes nothing."""
    text = b""
    try:
        async for piece in response.content.iter_any():
            text += piece
            if len(text) > SMALL:
                break
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""
    return text


def _nowhere(number: int) -> Path:
    raise TooLarge("an answer without pictures has no long texts")


def _opened(call: Call, response: aiohttp.ClientResponse, text: bytes) -> dict[str, Any] | list[Any]:
    """Take `data` out of the envelope {code, message, data}."""
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError):
        envelope = None
    envelope = envelope if isinstance(envelope, dict) else {}
    code, data = envelope.get("code"), envelope.get("data")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    if 200 <= response.status < 300:
        if isinstance(data, dict) and ((call is Call.SUBMIT and data.get("id")) or (call is Call.RESULT and data)):
            # The task exists, whatever else the envelope says; a failure is then told of the task.
            return data if code in (None, 200) else {"code": code, **data}
        if isinstance(data, dict | list) and code in (None, 200):
            return data
    said = f"{envelope.get('message', '')} {data.get('error', '') if isinstance(data, dict) else ''}"
    after = wire.retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
    raise classify(Trouble(call, response.status, code, said[:2000], after))


class PrivateAddress(OSError):
    """A name or address that lies in a private network."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also when it is wrapped into IPv6."""
    found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None) or _nat64(found)
        found = inner or found
    return found.is_global and not found.is_multicast


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    inside = address in ipaddress.ip_network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if inside else None


class Outside(AbstractResolver):
    """Finds addresses for pictures, and refuses private ones unless the API itself lies on one.

    It is the connector's own resolver, so what was checked is what is connected to: a name can't be bound anew between
    the two.
    """

    def __init__(self, base_url: str) -> None:
        self._base = URL(base_url)
        self._plain = ThreadedResolver()
        self._at_home: bool | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._plain.resolve(host, port, family)
        for entry in found:
            await self.check(entry["host"])
        return found

    async def check(self, address: str) -> None:
        """Raise PrivateAddress unless this IP address may be connected to."""
        if not is_public(address) and not await self._api_is_private():
            raise PrivateAddress("the address lies in a private network")

    async def check_url(self, url: URL) -> None:
        """Check what the connector would not ask us about: addresses written as numbers."""
        host = url.host or ""
        try:
            ipaddress.ip_address(host.split("%")[0])
        except ValueError:
            return
        await self.check(host)

    async def close(self) -> None:
        await self._plain.close()

    async def _api_is_private(self) -> bool:
        if self._at_home is None:
            try:
                entries = await self._plain.resolve(self._base.host or "", self._base.port or 0, socket.AF_UNSPEC)
            except OSError:
                return False
            self._at_home = any(not is_public(entry["host"]) for entry in entries)
        return self._at_home


def outside(resolver: Outside, *, connect: float, read: float) -> aiohttp.ClientSession:
    """A session without any key, for the hosts that pictures lie on."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, limit=64, ttl_dns_cache=60, keepalive_timeout=10),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "easel-bot", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=90, sock_connect=connect, sock_read=read),
        read_bufsize=64 * 1024,
    )
