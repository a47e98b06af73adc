"""How what people do reaches the app: by socket or HTTP, within 3 s, again if it is an event, and what its
acknowledgement changes on the person's screen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from tests.servers.slack_asked import COMMAND, EVENT, FIRST_ANSWER, Asked
from tests.servers.slack_blocks import block_problems
from tests.servers.slack_elements import MESSAGE, option_groups, options
from tests.servers.slack_http import Http
from tests.servers.slack_socket import Socket
from tests.servers.slack_state import State
from tests.servers.slack_views import Views

RETRIES = (0.1, 1.0, 5.0)
"""Seconds until an event comes again. Slack's own: nearly at once, 1 minute, 5 minutes."""
TIMED_OUT, UNREACHABLE = "operation_timeout", "dispatch_failed"


class Delivery:
    def __init__(self, state: State, views: Views) -> None:
        self.state = state
        self.views = views
        self.retries: tuple[float, ...] = RETRIES
        self.socket = Socket(state, self.acked, self.lost)
        self.http = Http(state, self.acked, self.lost)
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.socket.close()
        await self.http.close()

    def deliver(self, asked: Asked, retry: int = 0, reason: str = "") -> None:
        """Send it out now; what becomes of it is in `asked`."""
        asked.attempts, asked.waiting = asked.attempts + 1, True
        attempt = asked.attempts
        self.state.timers.later(FIRST_ANSWER, lambda: self._too_late(asked, attempt))
        if self.http.request_url:
            self.http.send(asked, retry=retry, reason=reason)
            return
        self._spawn(self._by_socket(asked, retry, reason))

    def again(self, asked: Asked) -> None:
        """A repeated delivery of what was acknowledged already; its acknowledgement changes nothing."""
        asked.attempts += 1
        if self.http.request_url:
            self.http.send(asked, retry=1, reason="http_timeout")
        else:
            self._spawn(self._by_socket(asked, 1, "timeout"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _by_socket(self, asked: Asked, retry: int, reason: str) -> None:
        if not await self.socket.send(asked, retry=retry, reason=reason):
            self.lost(asked, "connection_failed")

    def lost(self, asked: Asked, reason: str) -> None:
        """This delivery came to nothing: an event comes again, the person reads a failure for anything else."""
        asked.waiting = False
        if asked.over:
            return
        if asked.kind == EVENT:
            self._again(asked, reason)
        else:
            self._fails(asked, UNREACHABLE)

    def _again(self, asked: Asked, reason: str) -> None:
        number = asked.attempts
        if number <= len(self.retries):
            self.state.timers.later(self.retries[number - 1], lambda: self._retry(asked, number, reason))
        else:
            self._fails(asked, UNREACHABLE)

    def _retry(self, asked: Asked, number: int, reason: str) -> None:
        if not asked.over and asked.attempts == number:
            self.deliver(asked, number, reason)

    def _too_late(self, asked: Asked, attempt: int) -> None:
        if asked.over or asked.attempts != attempt or not asked.waiting:
            return
        self.state.violate(asked.name, [f"not acknowledged within {FIRST_ANSWER:g} s (attempt {attempt})"])
        if asked.kind == EVENT:
            self._again(asked, "timeout")
        else:
            self._fails(asked, TIMED_OUT)

    def _fails(self, asked: Asked, how: str) -> None:
        asked.failed = how
        self._tell(asked)

    def _tell(self, asked: Asked) -> None:
        asked.changes.tell()
        self.state.tell()

    # ---- acknowledgements ----

    def acked(self, asked: Asked, body: Any) -> None:
        after = self.state.clock() - asked.asked_at
        if asked.failed is not None:
            self.state.violate(asked.name, [f"acknowledged after {after:.1f} s: too late"])
            return
        if asked.acked is not None:
            return
        asked.acked, asked.ack_body = after, body
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            self._apply(asked, body)
        self._tell(asked)

    def _apply(self, asked: Asked, body: Any) -> None:
        kind = asked.payload.get("type")
        if asked.kind == COMMAND:
            self._command(asked, body)
        elif kind == "view_submission":
            self.views.submitted(asked, body)
        elif kind == "block_suggestion":
            self._suggestion(asked, body)

    def _command(self, asked: Asked, body: Any) -> None:
        """The acknowledgement of a command may be a message, for this person alone unless it says otherwise."""
        if not body:
            return
        text, blocks = body.get("text") or "", body.get("blocks") or []
        problems = block_problems(blocks, MESSAGE)
        if problems or (blocks and not text):
            self.state.violate(asked.name, problems or ["text is missing beside blocks"])
            return
        assert asked.channel is not None
        only_for = None if body.get("response_type") == "in_channel" else asked.user
        made = self.state.post(
            asked.channel,
            asked.team.bot,
            text,
            blocks=blocks,
            only_for=only_for,
            bot_id=asked.team.install.bot_id,  # type: ignore[union-attr]
        )
        asked.answers.append(made)

    def _suggestion(self, asked: Asked, body: Any) -> None:
        given = body or {}
        if "option_groups" in given:
            found = list(option_groups(given["option_groups"], "/option_groups"))
        else:
            found = list(options(given.get("options"), "/options", least=0))
        if found:
            self.state.violate(asked.name, [f"{sentence} at {pointer}" for pointer, sentence in found])
            asked.ack_body = {"options": []}
