"""Whom we speak with: names and rights, remembered for ten minutes, and the direct messages with them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.api import Api, Down, Refused
from adapters.slack.workspaces import Workspace

REMEMBER = 600.0
MOST = 5000
SOON = 2.0
"""Seconds for a question that an answer to a person waits for."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str = ""
    admin: bool = False
    """Of the workspace or of its organisation: owners are, too."""

    @classmethod
    def read(cls, user: Mapping[str, Any]) -> Person:
        profile, wide = user.get("profile") or {}, user.get("enterprise_user") or {}
        names = (profile.get("display_name"), user.get("real_name"), user.get("name"))
        rights = ("is_admin", "is_owner", "is_primary_owner")
        admin = any(user.get(right) for right in rights) or any(wide.get(right) for right in ("is_admin", "is_owner"))
        return cls(next((str(name) for name in names if name), ""), admin)


class People:
    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._clock = api, clock
        self._known: OrderedDict[tuple[str, str], tuple[float, Person]] = OrderedDict()
        self._directs: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def person(self, workspace: Workspace, user: str) -> Person:
        """Nobody in particular, and no admin, where Slack does not tell."""
        key = (workspace.token, user)
        if (known := self._known.get(key)) is not None and known[0] > self._clock():
            return known[1]
        try:
            said = await self._api.call("users.info", workspace.token, user=user, patience=SOON)
        except (Refused, Down):
            return known[1] if known else Person()
        found = Person.read(said.get("user") or {})
        self._known[key] = (self._clock() + REMEMBER, found)
        _forget_oldest(self._known)
        return found

    async def direct(self, workspace: Workspace, user: str, *, patience: float = 10.0) -> str:
        """The channel of the direct messages with this person. Raises Refused or Down."""
        key = (workspace.token, user)
        if key not in self._directs:
            said = await self._api.call("conversations.open", workspace.token, users=user, patience=patience)
            self._directs[key] = str((said.get("channel") or {})["id"])
            _forget_oldest(self._directs)
        return self._directs[key]


def _forget_oldest(known: OrderedDict[Any, Any]) -> None:
    while len(known) > MOST:
        known.popitem(last=False)
