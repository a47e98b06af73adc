"""Calls of Slack's Web API, each with its own patience, sorted by what can be done about a failure."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from adapters.slack.pace import Held, held
from adapters.slack.quiet import sdk_logger
from bot import __version__, metrics

CONNECTIONS = 64
USUAL = 10.0
"""Seconds for one call, with the repetitions that it may have."""
LONGEST_PAUSE = 6.0
"""Seconds that a rate limit may hold up a call that may be repeated; a longer one is handed back."""
LONGEST_WAIT = 30.0
"""Seconds that a call waits for its turn where others were held up before it; a longer wait is handed back."""

GET = {"files.info", "users.info"}
FORMS = {
    "apps.connections.open",
    "auth.test",
    "chat.delete",
    "conversations.open",
    "files.completeUploadExternal",
    "files.delete",
    "files.getUploadURLExternal",
}
"""Methods that read a form; all others read JSON."""

DEAD_TOKEN = {
    "account_inactive",
    "invalid_auth",
    "not_authed",
    "not_allowed_token_type",
    "org_login_required",
    "token_expired",
    "token_revoked",
}
CLOSED_PLACE = {
    "cannot_reply_to_message",
    "channel_is_archived",
    "channel_not_found",
    "is_archived",
    "not_in_channel",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_thread_only_channel",
    "team_access_not_granted",
    "thread_not_found",
}
"""Nothing can be posted there."""
NO_MESSAGE = {"cant_update_message", "edit_window_closed", "message_not_found", "msg_not_found"} | CLOSED_PLACE
"""This message can't be edited again."""
TROUBLE = {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
"""Slack's own failures: it may have acted all the same."""


_COUNTED: Mapping[str, metrics.What] = {
    "chat.delete": "delete",
    "chat.postEphemeral": "answer",
    "chat.postMessage": "post",
    "chat.update": "edit",
    "files.completeUploadExternal": "post",
    "files.delete": "delete",
    "views.open": "answer",
}


class Refused(Exception):
    """Slack said no, and will say so again. `error` is its own word for it."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error

    @property
    def dead(self) -> bool:
        """Whether the token is no longer good."""
        return self.error in DEAD_TOKEN


class Down(Exception):
    """Not now: a rate limit beyond our patience, a failing server, no connection."""

    def __init__(self, reason: str, retry_after: float | None = None, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.sent = sent
        """Whether Slack may have acted on it all the same."""


class _RateLimits(AsyncRateLimitErrorRetryHandler):
    """The SDK's own, for calls that wait their turn together; `holds` are the methods that Slack has held up."""

    def __init__(self, holds: Holds, most: int) -> None:
        super().__init__(most)
        self._holds = holds

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        limited = await super()._can_retry_async(state=state, request=request, response=response, error=error)
        return limited and (_retry_after(response.headers if response else {}) or 0.0) <= LONGEST_PAUSE

    async def prepare_for_next_attempt_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> None:
        state.next_attempt_requested = True
        method, token = request.url.rpartition("/")[2].partition("?")[0], _token_of(request)
        self._holds.pause(method, token, _retry_after(response.headers if response else {}) or 1.0)
        await asyncio.sleep(self._holds.turn(method, token))
        state.increment_current_attempt()


class Holds:
    """Which methods Slack has held up, by workspace: its tokens are not kept."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int], Held] = {}

    def wait(self, method: str, token: str) -> float:
        """Seconds."""
        found = self._held.get((method, hash(token)))
        return found.wait(time.monotonic()) if found else 0.0

    def turn(self, method: str, token: str) -> float:
        """Take the next turn: the seconds until then."""
        wait = self.wait(method, token)
        if found := self._held.get((method, hash(token))):
            found.enter(time.monotonic())
        return wait

    def pause(self, method: str, token: str, seconds: float) -> None:
        """Slack said to wait. (A channel's limit on posts is the channel's own.)"""
        if method != "chat.postMessage":
            self._held.setdefault((method, hash(token)), held(method)).pause(time.monotonic(), seconds)


class Api:
    """`base` ends in /api/. Open with `async with`; `session` is for what goes beyond the Web API."""

    def __init__(self, base: str, *, own: str | None = None) -> None:
        """`own` is the origin that stands in for Slack's, if one does: files and answers may come from there, too."""
        self._base = base
        self._own = URL(own).origin() if own else None
        self._open: aiohttp.ClientSession | None = None
        self._holds = Holds()
        self._once: AsyncWebClient | None = None
        self._again: AsyncWebClient | None = None

    async def __aenter__(self) -> Api:
        self._open = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=60.0),
        )
        self._once = self.client(retrying=False)
        self._again = self.client(retrying=True)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._open is not None:
            await self._open.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._open is not None
        return self._open

    def client(self, *, retrying: bool) -> AsyncWebClient:
        """A client of the SDK's, without a token. One that is `retrying` is for calls that may be made twice."""
        handlers = [_RateLimits(self._holds, 2), AsyncServerErrorRetryHandler(), AsyncConnectionErrorRetryHandler()]
        return AsyncWebClient(
            base_url=self._base,
            session=self.session,
            logger=sdk_logger(),
            retry_handlers=list(handlers) if retrying else [],
            user_agent_suffix=f"Easel/{__version__}",
        )

    async def call(
        self, method: str, token: str, *, repeatable: bool = True, patience: float = USUAL, **said: Any
    ) -> dict[str, Any]:
        """Slack's answer. What is None isn't said. Raises Refused or Down.

        `repeatable`: made twice it does no harm, so that a lost answer, a failing server and a rate limit of seconds
        are tried again.
        """
        client = self._again if repeatable else self._once
        assert client is not None
        said = {name: value for name, value in said.items() if value is not None}
        if (wait := self._holds.wait(method, token)) > min(patience, LONGEST_WAIT):
            raise Down("rate limit", wait)
        await asyncio.sleep(self._holds.turn(method, token))
        try:
            return await self._answer(client, method, token, said, patience)
        except Down as down:
            if down.retry_after is not None and not down.sent:
                self._holds.pause(method, token, down.retry_after)
            raise

    async def _answer(
        self, client: AsyncWebClient, method: str, token: str, said: dict[str, Any], patience: float
    ) -> dict[str, Any]:
        async with _sorted_out(patience, _COUNTED.get(method, "other")):
            answer = await client.api_call(
                method,
                http_verb="GET" if method in GET else "POST",
                headers={"Authorization": f"Bearer {token}"},
                **{_manner(method): said},
            )
            return answer.data if isinstance(answer.data, dict) else {}

    async def respond(self, url: str, message: Mapping[str, Any], *, patience: float = 5.0) -> None:
        """Answer by a response_url. Raises Refused or Down."""
        if not self.trusts(URL(url)):
            raise Refused("untrusted_response_url")
        async with (
            _sorted_out(patience, "answer"),
            self.session.post(url, json=message, allow_redirects=False) as response,
        ):
            _check(response)

    async def send_file(self, url: str, data: bytes, *, patience: float = 60.0) -> None:
        """Upload bytes to where Slack said. Raises Refused or Down."""
        if not self.trusts(URL(url)):
            raise Refused("untrusted_upload_url")
        async with _sorted_out(patience, "other"), self.session.post(url, data=data, allow_redirects=False) as response:
            _check(response)

    def trusts(self, url: URL) -> bool:
        """Whether this is Slack, or the server in front of which we run: tokens and pictures go nowhere else."""
        host = url.host or ""
        slack = url.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))
        return slack or (self._own is not None and bool(host) and url.origin() == self._own)


def _manner(method: str) -> str:
    if method in GET:
        return "params"
    return "data" if method in FORMS else "json"


@asynccontextmanager
async def _sorted_out(patience: float, what: metrics.What) -> AsyncIterator[None]:
    """Count the block, and raise Refused or Down for whatever goes wrong in it."""
    try:
        async with _classified(patience):
            yield
    except Down as down:
        metrics.message("slack", what, "failed" if down.sent or down.retry_after is None else "limited")
        raise
    except Refused:
        metrics.message("slack", what, "failed")
        raise
    metrics.message("slack", what, "ok")


@asynccontextmanager
async def _classified(patience: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(patience):
            yield
    except SlackApiError as error:
        raise _meaning(error) from None
    except aiohttp.ClientConnectorError:
        raise Down("no connection") from None
    except TimeoutError:
        raise Down("no answer", sent=True) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Down(type(error).__name__, sent=True) from None


def _meaning(error: SlackApiError) -> Refused | Down:
    status = int(getattr(error.response, "status_code", 0) or 0)
    headers = getattr(error.response, "headers", {}) or {}
    data = getattr(error.response, "data", {})
    word = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or word in ("ratelimited", "rate_limited"):
        return Down("rate limit", _retry_after(headers) or 1.0)
    if status >= 500 or word in TROUBLE or not word:
        return Down(f"HTTP {status}", _retry_after(headers), sent=True)
    return Refused(word)


def _check(response: aiohttp.ClientResponse) -> None:
    """Of what is no method of the Web API."""
    if response.status == 429:
        raise Down("rate limit", _retry_after(response.headers) or 1.0)
    if response.status >= 500:
        raise Down(f"HTTP {response.status}", sent=True)
    if response.status != 200:
        raise Refused(f"http_{response.status}")


def _token_of(request: HttpRequest) -> str:
    found = request.headers.get("Authorization", "")
    return str(found[0] if isinstance(found, list) else found).removeprefix("Bearer ")


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            with contextlib.suppress(ValueError):
                return float(value[0] if isinstance(value, list) else value)
    return None
