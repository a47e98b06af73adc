"""The workspaces that added Easel, with their tokens in the vault; and who is on the way of adding it.

Only the bot's token is kept: Easel asks for no rights of a person. An organisation's own installation is kept without a
workspace, one of a workspace with both (docs.slack.dev/enterprise: team is null in the answer to an org-wide install).
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable
from logging import Logger
from typing import TYPE_CHECKING, Any

from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from adapters.slack.quiet import sdk_logger

if TYPE_CHECKING:
    from bot.vault import Vault

STATE_LIFE = 600
"""Seconds between pressing Add to Slack and agreeing on Slack's own page."""
MOST_STATES = 1000
"""On their way at once; beyond them nobody can begin for some minutes, and the database doesn't fill up."""

_STATE = re.compile(r"(?P<expires>[0-9]{10})\.[A-Za-z0-9_-]{43}")


class VaultInstallations(AsyncInstallationStore):
    """What bolt's OAuth flow saves and asks for. Every method raises BadSettings without EASEL_SECRET_KEY."""

    def __init__(self, vault: Vault, client_id: str) -> None:
        self._vault = vault
        self._beginning = f"slack:installation:{client_id}:"

    @property
    def logger(self) -> Logger:
        return sdk_logger()

    async def workspaces(self) -> int:
        """How many installations there are; an organisation's counts as one."""
        return len(await self._vault.names(self._beginning))

    async def async_save(self, installation: Installation) -> None:
        """The newest stands. An answer without a bot's token (somebody signed in, nothing more) changes nothing."""
        if installation.bot_token:
            await self.async_save_bot(installation.to_bot())

    async def async_save_bot(self, bot: Bot) -> None:
        name = self._name(bot.enterprise_id, bot.team_id, bot.is_enterprise_install)
        await self._vault.put(name, json.dumps(vars(bot)))

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        found = await self._vault.get(self._name(enterprise_id, team_id, is_enterprise_install))
        return Bot(**json.loads(found)) if found else None

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """The bot's installation; nothing is kept of a person."""
        if user_id is not None:
            return None
        bot = await self.async_find_bot(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return Installation(user_id="", **_shared(bot)) if bot else None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        await self._vault.remove(self._name(enterprise_id, team_id, False))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """A person's revoked token leaves the bot's in place."""
        if user_id is None:
            await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)

    def _name(self, enterprise: str | None, team: str | None, whole: bool | None) -> str:
        return f"{self._beginning}{enterprise or '-'}:{'-' if whole else team or '-'}"


def _shared(bot: Bot) -> dict[str, Any]:
    return {name: value for name, value in vars(bot).items() if value is not None}


class VaultStates(AsyncOAuthStateStore):
    """The state that goes to Slack's page and comes back: good once, and for ten minutes."""

    def __init__(self, vault: Vault, client_id: str = "", clock: Callable[[], float] = time.time) -> None:
        self._vault, self._clock = vault, clock
        self._beginning = f"slack:state:{client_id}:"

    @property
    def logger(self) -> Logger:
        return sdk_logger()

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        """Raises BadSettings without EASEL_SECRET_KEY, TryAgain while very many are on their way."""
        from bot.errors import TryAgain

        if await self._swept() >= MOST_STATES:
            raise TryAgain("Very many are adding Easel right now. Please try again in ten minutes.")
        state = f"{int(self._clock()) + STATE_LIFE:010d}.{secrets.token_urlsafe(32)}"
        await self._vault.put(self._beginning + state, "on its way")
        return state

    async def async_consume(self, state: str) -> bool:
        match = _STATE.fullmatch(state)
        if match is None or await self._vault.take(self._beginning + state) is None:
            return False
        return int(match["expires"]) >= self._clock()

    async def sweep(self) -> int:
        """Forget those that nobody came back with; returns how many."""
        return (await self._sweep())[0]

    async def _swept(self) -> int:
        """The same; returns how many are left."""
        return (await self._sweep())[1]

    async def _sweep(self) -> tuple[int, int]:
        names = await self._vault.names(self._beginning)
        old = [name for name in names if self._expires(name) < self._clock()]
        for name in old:
            await self._vault.remove(name)
        return len(old), len(names) - len(old)

    def _expires(self, name: str) -> int:
        match = _STATE.fullmatch(name.removeprefix(self._beginning))
        return int(match["expires"]) if match else 0
