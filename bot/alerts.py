"""Tells the operator when they have to act: a log line at ERROR, and a POST to `EASEL_ALERT_URL` if there is one."""

from __future__ import annotations

import asyncio
import time

import structlog

log = structlog.get_logger()

QUIET = 600.0
"""Seconds in which the same alert is not repeated."""


class Alerts:
    def __init__(self, url: str) -> None:
        """`url` is a Discord or Slack webhook; both find their own field in what is sent. Empty: only the log."""
        self._url = url
        self._last: dict[str, float] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def raise_(self, kind: str, message: str) -> None:
        """Alert now, unless this `kind` was raised within the last ten minutes. Never fails, never waits."""
        now = time.monotonic()
        if now - self._last.get(kind, -QUIET) < QUIET:
            return
        self._last[kind] = now
        log.error("operator must act", alert=kind, message=message)
        if self._url:
            task = asyncio.get_running_loop().create_task(self._send(f"Easel: {message}"))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Let what is being sent go out, for at most a second."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=1)

    async def _send(self, text: str) -> None:
        import aiohttp

        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.post(self._url, json={"content": text, "text": text}) as answer,
            ):
                if answer.status >= 400:
                    log.warning("alert not delivered", status=answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("alert not delivered", error=type(error).__name__)
