"""A view as Slack's client handles it: what a person may put in, and what comes back; and an Easel to fill it from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from adapters.slack import names
from bot.easel import Easel
from bot.library import Library
from bot.settings import Settings
from tests.doubles.backend import V2
from tests.servers.slack_blocks import view_problems
from tests.servers.slack_elements import HOME, MODAL
from tests.servers.slack_forms import enter, fields, lacking, read, state
from tests.servers.slack_world import File, Install, Team, User, View


def easel(**settings: Any) -> Easel:
    """What pure functions look at."""
    made = Settings.model_construct(lora_paths="huggingface", **settings)
    return cast(Easel, SimpleNamespace(capabilities=V2, library=Library.load(), settings=made))


class Sheet:
    """A modal on somebody's screen. Made only of what Slack takes."""

    def __init__(self, body: dict[str, Any]) -> None:
        assert view_problems(body, MODAL) == []
        self.body = body
        self._view = View("V1", cast(User, None), "modal", body, "h", cast(Install, None))
        self._files = 0

    def labels(self) -> list[str]:
        return [block["label"]["text"] for block, _ in fields(self._view.blocks)]

    def offer(self, action: str, options: list[dict[str, Any]]) -> None:
        """What was suggested can be chosen."""
        self._view.offered[action] = options

    def fill(self, **given: Any) -> Sheet:
        """By option, with what Slack's client lets in."""
        for name, value in given.items():
            enter(self._view, f"{names.INPUT}{name}", value, self._keep)
        return self

    def force(self, name: str, typed: str) -> Sheet:
        """What Slack's client would not let in, as an odd client sends it."""
        for block, element in fields(self._view.blocks):
            if block["block_id"] == name:
                key = (name, element["action_id"])
                self._view.typed[key] = {"type": element["type"], "value": typed}
        return self

    def read(self, name: str) -> Any:
        return read(self._view, f"{names.INPUT}{name}")

    def lacking(self) -> list[str]:
        return lacking(self._view)

    def back(self) -> dict[str, Any]:
        """The view as a view_submission carries it."""
        return {**self.body, "id": "V1", "state": state(self._view.blocks, self._view.typed)}

    def _keep(self, name: str, data: bytes) -> File:
        self._files += 1
        return File(f"F{self._files}", name, User("U1", "ana", Team("T1", "easel")), len(data), data=data)


def home_problems(body: dict[str, Any]) -> list[str]:
    return view_problems(body, HOME)
