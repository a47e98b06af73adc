"""Which token speaks in which workspace: the operator's one, or those of the workspaces that added Easel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore

from adapters.slack.api import Api, Down, Refused
from bot.errors import EaselError, KeyRefused, Unreachable

log = structlog.get_logger(__name__)

KEPT = 30.0
"""Seconds after which an installation is read again: another process may have seen it renewed or removed."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The bot as one workspace knows it. `enterprise` is the organisation that the workspace is part of, if any."""

    token: str = field(repr=False)
    team: str
    enterprise: str
    bot_user: str
    bot_id: str
    name: str
    """What people type behind @ and /invite."""


class Unknown(Exception):
    """No token for this workspace: Easel was removed there."""


class Workspaces(AsyncAuthorize):
    """Finds a workspace from memory, else in the database: an acknowledgement waits for no request to Slack."""

    def __init__(
        self, api: Api, token: str, *, name: str = "easel", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`token` is the operator's own, empty where workspaces add Easel by themselves."""
        self._api, self._token, self._name, self._clock = api, token, name, clock
        self._own: Workspace | None = None
        self._installed: AsyncInstallationStore | None = None
        self._known: dict[tuple[str, str], tuple[Workspace, float]] = {}

    async def login(self, installed: AsyncInstallationStore | None = None) -> None:
        """Try the operator's token. Raises KeyRefused or Unreachable."""
        self._installed = installed
        if not self._token:
            return
        try:
            self._own = await self._who(self._token)
        except Refused:
            raise KeyRefused("Slack refuses SLACK_BOT_TOKEN. Copy it again from OAuth & Permissions.") from None
        except Down as down:
            raise Unreachable("Slack does not answer.", detail=down.reason) from None

    async def _who(self, token: str) -> Workspace:
        said = await self._api.call("auth.test", token)
        return Workspace(
            token=token,
            team=str(said.get("team_id") or ""),
            enterprise=str(said.get("enterprise_id") or ""),
            bot_user=str(said.get("user_id") or ""),
            bot_id=str(said.get("bot_id") or ""),
            name=str(said.get("user") or self._name),
        )

    async def of(self, team: str, enterprise: str = "") -> Workspace:
        """Raises Unknown where there is no token."""
        known, at = self._known.get((enterprise, team), (None, 0.0))
        if known is not None and self._clock() < at + KEPT:
            return known
        found = await self._stored(team, enterprise)
        if found is None and self._own is not None and self._speaks_in(team, enterprise):
            return self._own
        if found is None:
            self._known.pop((enterprise, team), None)
            raise Unknown
        self._known[enterprise, team] = found, self._clock()
        return found

    def _speaks_in(self, team: str, enterprise: str) -> bool:
        """The operator's own token speaks everywhere, unless workspaces have their own: then in its own one."""
        own = self._own
        assert own is not None
        return self._installed is None or team in ("", own.team) or bool(enterprise and enterprise == own.enterprise)

    async def _stored(self, team: str, enterprise: str) -> Workspace | None:
        """First the workspace's own installation, then one for its whole organisation."""
        if self._installed is None:
            return None
        for whole in (False, True) if enterprise else (False,):
            bot = await self._installed.async_find_bot(
                enterprise_id=enterprise or None, team_id=team or None, is_enterprise_install=whole
            )
            if bot is not None and bot.bot_token:
                return Workspace(bot.bot_token, team, enterprise, bot.bot_user_id or "", bot.bot_id or "", self._name)
        return None

    def forget(self) -> None:
        """Something was installed or removed: look again."""
        self._known.clear()

    async def removed(self, team: str, enterprise: str) -> None:
        """Easel was removed there, or its token revoked."""
        if self._installed is not None:
            await self._installed.async_delete_all(enterprise_id=enterprise or None, team_id=team or None)
        self.forget()
        log.info("slack workspace removed", team=team)

    async def __call__(
        self,
        *,
        context: Any,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult | None:
        """What bolt asks for each request. No `auth.test` here: the first refused call tells as much."""
        try:
            found = await self.of(team_id or "", enterprise_id or "")
        except (Unknown, EaselError) as error:
            log.warning("a workspace without a token asked", team=team_id, reason=type(error).__name__)
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_token=found.token,
            bot_id=found.bot_id,
            bot_user_id=found.bot_user,
        )
