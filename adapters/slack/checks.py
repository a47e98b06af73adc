"""What `doctor` can tell of the Slack side: the token, its scopes, the way in, and where the bot is a member."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_sdk.errors import SlackApiError

from adapters.slack import names
from adapters.slack.api import Api
from bot.doctor import Check
from bot.settings import raw

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient
    from slack_sdk.web.async_slack_response import AsyncSlackResponse

    from adapters.slack.settings import SlackSettings

PATIENCE = 10
"""Seconds for one answer of Slack's."""
READ_CHANNELS = "channels:read"
MOST_LISTED = 1000
"""Channels on one page of users.conversations."""

_SIGNING_SECRET = re.compile(r"[0-9a-f]{32}")
_COPY = "Copy it again: api.slack.com/apps → your app"


class _No(Exception):
    """Slack said no; `word` is its own for it."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Silent(Exception):
    """No answer; the text says why."""


async def diagnose(settings: SlackSettings) -> list[Check]:
    """Never raises; what can't be looked at is not ok and says so."""
    async with Api(settings.api, own=settings.api_base) as api:
        client = api.client(retrying=False)
        client.timeout = PATIENCE
        try:
            return [
                *await _token(client, settings.bot_token.get_secret_value()),
                *await _way_in(client, settings),
                *_many(settings),
            ]
        except _Silent as silent:
            where = settings.api_base or "https://slack.com"
            return [Check("Slack", False, f"No answer from {where} ({silent}). Is the network open?")]


async def _ask(client: AsyncWebClient, method: str, token: str, **said: Any) -> AsyncSlackResponse:
    """Raises _No or _Silent."""
    try:
        return await client.api_call(method, data=said, headers={"Authorization": f"Bearer {token}"})
    except SlackApiError as error:
        answer = error.response
        word = answer.get("error") if isinstance(getattr(answer, "data", None), dict) else None
        if not word or answer.status_code == 429 or answer.status_code >= 500:
            raise _Silent(f"HTTP {answer.status_code}") from None
        raise _No(str(word)) from None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _Silent(type(error).__name__) from None


# ---- the bot's token ----


async def _token(client: AsyncWebClient, token: str) -> list[Check]:
    if not token:  # workspaces bring their own
        return []
    try:
        said = await _ask(client, "auth.test", token)
    except _No as no:
        advice = (
            f"Slack refuses it ({no.word}). {_COPY} → OAuth & Permissions → Bot User OAuth Token → SLACK_BOT_TOKEN."
        )
        return [Check("Slack token", False, advice)]
    if not said.get("bot_id"):
        advice = "It is a person's, not the bot's. The bot's begins with xoxb-: OAuth & Permissions → SLACK_BOT_TOKEN."
        return [Check("Slack token", False, advice)]
    bot = str(said.get("user") or "easel")
    found = Check("Slack token", True, f"it belongs to {bot} in {said.get('team') or said.get('team_id')}")
    granted = _granted(said)
    return [found, _scopes(granted), await _membership(client, token, bot, granted or ())]


def _granted(said: AsyncSlackResponse) -> list[str] | None:
    """Slack tells a token's scopes in a header of every answer."""
    told = next((value for name, value in said.headers.items() if name.lower() == "x-oauth-scopes"), None)
    return None if told is None else [scope.strip() for scope in str(told).split(",")]


def _scopes(granted: Sequence[str] | None) -> Check:
    if granted is None:
        return Check("Slack scopes", True, "Slack did not tell them")
    lacking = [scope for scope in names.SCOPES if scope not in granted]
    if lacking:
        advice = (
            f"{', '.join(lacking)} missing. Paste the manifest (`python -m bot manifest`) at api.slack.com/apps → "
            "your app → App Manifest, then Install App → Reinstall."
        )
        return Check("Slack scopes", False, advice)
    return Check("Slack scopes", True, "all that are needed")


async def _membership(client: AsyncWebClient, token: str, bot: str, granted: Sequence[str]) -> Check:
    """Slack tells it only to who may read channels, which Easel itself has no need of."""
    invite = f"type /invite @{bot} in each that should have pictures"
    if READ_CHANNELS not in granted:
        return Check("Slack channels", True, f"{invite}; Slack tells those that it is in only with {READ_CHANNELS}")
    try:
        said = await _ask(client, "users.conversations", token, types="public_channel", limit=MOST_LISTED)
    except _No as no:
        return Check("Slack channels", False, f"Slack does not tell them ({no.word}). Try again in a few minutes.")
    found = len(said.get("channels") or [])
    if not found:
        return Check("Slack channels", True, f"in no public one yet; {invite}")
    return Check("Slack channels", True, f"in {found} public {'one' if found == 1 else 'ones'}")


# ---- how Slack reaches Easel ----


async def _way_in(client: AsyncWebClient, settings: SlackSettings) -> list[Check]:
    if settings.mode == "socket":
        return [await _socket(client, settings)]
    return [_signing_secret(settings.signing_secret.get_secret_value())]


async def _socket(client: AsyncWebClient, settings: SlackSettings) -> Check:
    try:
        await _ask(client, "apps.connections.open", settings.app_token.get_secret_value())
    except _No as no:
        advice = (
            f"Slack refuses SLACK_APP_TOKEN ({no.word}). It begins with xapp- and has the scope connections:write: "
            "api.slack.com/apps → your app → Basic Information → App-Level Tokens. Socket Mode has to be on, too."
        )
        return Check("Slack socket", False, advice)
    return Check("Slack socket", True, f"it opens; Easel keeps {settings.connections}")


def _signing_secret(secret: str) -> Check:
    if not _SIGNING_SECRET.fullmatch(secret):
        advice = f"SLACK_SIGNING_SECRET has 32 letters and digits. {_COPY} → Basic Information → Signing Secret."
        return Check("Slack signing secret", False, advice)
    host = raw("EASEL_PUBLIC_URL").rstrip("/") or "https://<your host>"
    return Check("Slack signing secret", True, f"its form is right; Slack's Request URL is {host}{names.EVENTS_PATH}")


# ---- many workspaces ----


def _many(settings: SlackSettings) -> list[Check]:
    if not settings.many:
        return []
    if not raw("EASEL_SECRET_KEY"):
        advice = "EASEL_SECRET_KEY is missing: tokens of workspaces are only kept encrypted. `openssl rand -hex 32`"
        return [Check("Slack workspaces", False, advice)]
    url = raw("EASEL_PUBLIC_URL").rstrip("/")
    if not url:
        advice = "EASEL_PUBLIC_URL is missing: Slack sends people back to it, e.g. https://easel.example.org"
        return [Check("Slack workspaces", False, advice)]
    return [Check("Slack workspaces", True, f"they add Easel at {url}{names.INSTALL_PATH}")]
