"""One call of the local Slack's Web API, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.servers.slack_blocks import read_json
from tests.servers.slack_seen import Payload
from tests.servers.slack_world import Install


class Refused(Exception):
    """Answered `{"ok": false, "error": …}`. What the app must not do names its `problems`, which are kept as a
    violation; without any it is a thing that happens (a person left, a channel was closed)."""

    def __init__(self, error: str, *problems: str, **more: Any) -> None:
        super().__init__(error)
        self.error, self.problems, self.more = error, list(problems), more


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    install: Install
    arguments: Payload = field(repr=False)

    def text(self, name: str) -> str:
        given = self.arguments.get(name)
        return given if isinstance(given, str) else "" if given is None else str(given)

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("1", "true")

    def parsed(self, name: str) -> Any:
        """A JSON argument; None if it is not there. Raises Refused."""
        try:
            return read_json(self.arguments.get(name))
        except ValueError:
            raise Refused("invalid_arguments", f"{name} is no JSON") from None
