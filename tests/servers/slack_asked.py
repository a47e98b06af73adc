"""One thing that one person did on the local Slack: how it went out to the app, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.servers.discord_world import Changes
from tests.servers.slack_seen import Payload
from tests.servers.slack_world import Channel, Message, Team, User, View

EVENT, COMMAND, INTERACTIVE = "events_api", "slash_commands", "interactive"
FIRST_ANSWER = 3.0
"""Seconds that an app has for its acknowledgement."""


class NotOffered(Exception):
    """Slack's own client would not let a person do this."""


@dataclass(eq=False, slots=True)
class Asked:
    """What a test holds after `server.type(...)`, `press`, `submit` and the like."""

    kind: str
    name: str
    """For people: `/imagine`, `button cancel`, `event app_mention`."""
    user: User
    team: Team
    channel: Channel | None
    payload: Payload
    asked_at: float
    """In the server's seconds."""
    trigger_id: str = ""
    response_url: str = ""
    source: Message | None = None
    """The message whose button was pressed or whose shortcut was chosen; for a mention, the message itself."""
    view: View | None = None
    acked: float | None = None
    """Seconds until the acknowledgement; None while there is none."""
    ack_body: Any = None
    failed: str | None = None
    """What the person reads when there was no answer in 3 s, or none at all. Events fail silently."""
    errors: dict[str, str] = field(default_factory=dict)
    """Of a submitted form: by block id, as shown at the fields."""
    opened: list[View] = field(default_factory=list)
    """Views that its trigger opened."""
    answers: list[Message] = field(default_factory=list)
    """What was answered to this person alone, or through the response address: acknowledgement texts, ephemerals."""
    attempts: int = 0
    """Deliveries so far."""
    waiting: bool = False
    """Delivered, and the connection still holds."""
    changes: Changes = field(default_factory=Changes)

    @property
    def modal(self) -> View | None:
        """The view that it opened last, if that is still open."""
        return self.opened[-1] if self.opened and self.opened[-1].open else None

    @property
    def private(self) -> list[str]:
        """The texts of what only this person was told."""
        return [message.text for message in self.answers if message.ephemeral and not message.deleted]

    @property
    def over(self) -> bool:
        return self.acked is not None or self.failed is not None

    async def until(self, question: Callable[[Asked], object], timeout: float = 10.0) -> Asked:
        """Until the question is true of this; raises TimeoutError that says what there is instead."""
        await self.changes.until(lambda: question(self), timeout, lambda: repr(self))
        return self

    async def told(self, timeout: float = 10.0) -> str:
        """Until something was told to this person alone; the last of it."""
        return (await self.until(lambda asked: asked.private, timeout)).private[-1]

    async def form(self, timeout: float = 10.0) -> View:
        """Until it opened a view."""
        await self.until(lambda asked: asked.modal, timeout)
        assert self.modal is not None
        return self.modal

    def __repr__(self) -> str:
        state = f"acked after {self.acked:.3f} s" if self.acked is not None else self.failed or "not acked yet"
        return f"<{self.name} by {self.user.name}, {state}, opened {self.opened}, answers {self.answers}>"


@dataclass(frozen=True, slots=True)
class Suggested:
    """What was offered for a text typed into an external select: (text, value) each."""

    options: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.options]

    @property
    def values(self) -> list[str]:
        return [value for _, value in self.options]
