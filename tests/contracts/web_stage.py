"""The page as a stage of the platforms' contract: what its windows are sent is what people see."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from ulid import ULID

from adapters.web.client import Web
from adapters.web.events import Window
from adapters.web.people import Person
from adapters.web.turn import Question, WebTurn
from bot.announcer import Announcer
from bot.images import ImageRequest, Size
from bot.jobs import Job
from bot.ports import Reply
from tests.adapters.web.house import Playground

ANA, BEN = Person("a1", "Ana"), Person("b2", "Ben")


@dataclass
class WebStage:
    """Ana asks, Ben looks on; each has one window open."""

    house: Playground
    messages: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _windows: ExitStack = field(default_factory=ExitStack)

    @property
    def platform(self) -> Web:
        return self.house.platform

    async def move_in(self) -> None:
        await self.platform.move_in(self.house.easel)
        self._windows.close()
        hub = self.platform._hub
        self.ana, self.ben = (self._windows.enter_context(hub.window(one.id, "")) for one in (ANA, BEN))

    async def open(self, *, private: bool = False) -> Reply:
        home = self.platform._any_home()
        turn = WebTurn(Question(ANA, str(uuid4())), home.board, home.uploads, moderates=False)
        reply = await turn.open(private=private)
        request = ImageRequest("a red fox", Size(64, 64), 7)
        job = Job(
            str(ULID()), "", request, turn.requester, turn.place, reply.address, datetime.now(UTC), private=private
        )
        await home.easel.store.accept(
            job, delivery_key=turn.delivery_key, ordinal=0, message_key=reply.key, kind="usual"
        )
        return reply

    async def restart(self) -> Web:
        await self.platform.close()
        self.house.platform = self.house.new_platform()
        await self.move_in()
        return self.platform

    def seen(self) -> list[str]:
        for name, data in _sent(self.ben):
            if name == "message":
                self.messages[data["key"]] = data["card"]["title"]
            elif name == "removed":
                self.messages.pop(data["key"], None)
        return list(self.messages.values())

    def whispers(self) -> list[str]:
        self.notes += [data["card"]["title"] for name, data in _sent(self.ana) if name == "note"]
        return self.notes

    def break_(self, *, for_good: bool) -> None:
        """For good: every message is deleted. Else the database can't be read."""
        self._execute("UPDATE jobs SET deleted = 1" if for_good else "ALTER TABLE jobs RENAME TO jobs_away")

    def mend(self) -> None:
        self._execute("ALTER TABLE jobs_away RENAME TO jobs")

    def _execute(self, statement: str) -> None:
        with self.house.database.engine.begin() as connection:
            connection.execute(sa.text(statement))

    async def close(self) -> None:
        self._windows.close()
        await self.platform.close()
        await self.house.alerts.close()
        self.house.database.close()


def _sent(window: Window) -> list[tuple[str, dict[str, Any]]]:
    """What waits to be sent to a window."""
    found = []
    while window._waiting:
        lines = window._waiting.popitem(last=False)[1].decode().split("\n")
        told = dict(line.split(": ", 1) for line in lines if line)
        found.append((told["event"], json.loads(told["data"])))
    return found


@asynccontextmanager
async def web_stage(root: Path) -> AsyncIterator[WebStage]:
    """`root` is a folder of its own."""
    house = Playground(root)
    house.life.announcer = Announcer(house.intake.place, house.life.late)
    stage = WebStage(house)
    await stage.move_in()
    try:
        yield stage
    finally:
        await stage.close()
