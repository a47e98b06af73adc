"""What everything that speaks to Slack shares, and the few calls that more than one part of it makes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from adapters.slack.address import Address
from adapters.slack.api import Api, Down, Refused
from adapters.slack.homes import Homes
from adapters.slack.pace import MOST_REMEMBERED, Each, Lane, Window
from adapters.slack.people import People
from adapters.slack.render import message
from adapters.slack.workspaces import Workspace, Workspaces
from bot.cards import Card
from bot.room import Room

log = structlog.get_logger(__name__)

PATIENCE = 8.0
"""Seconds that the end of a job may wait for rate limits before it is handed back to be tried again."""


@dataclass(slots=True)
class Wires:
    """What all replies of the process share."""

    api: Api
    workspaces: Workspaces
    people: People
    progress_per_minute: int = 30
    room: Room = field(default_factory=Room)
    lanes: Each[Lane] = field(default_factory=lambda: Each(Lane))
    """Posts, by channel."""
    edits: set[asyncio.Task[None]] = field(default_factory=set)
    """Progress edits on the wire."""
    completing: dict[tuple[str, ...], asyncio.Task[None]] = field(default_factory=dict)
    """Uploads that are being completed, by their files: a delivery that was given up leaves them on the wire."""
    covering: Each[asyncio.Lock] = field(default_factory=lambda: Each(asyncio.Lock))
    """One cover at a time, by job."""
    homes: Homes = field(default_factory=Homes)
    wall: Callable[[], float] = time.time
    _latest: OrderedDict[str, Address] = field(default_factory=OrderedDict)
    progress: Each[Window] = field(init=False)
    """Progress edits, by workspace."""

    def __post_init__(self) -> None:
        self.progress = Each(lambda: Window(self.progress_per_minute))

    def remember(self, nonce: str, address: Address) -> None:
        """Where an open answer stands by now: whoever reopens it from a row that is older goes on from there."""
        if nonce:
            self._latest[nonce] = address
            while len(self._latest) > MOST_REMEMBERED:
                self._latest.popitem(last=False)

    def latest(self, address: Address) -> Address:
        return self._latest.get(address.nonce, address)

    async def post(
        self, workspace: Workspace, channel: str, thread: str, said: dict[str, Any], *, patience: float = PATIENCE
    ) -> tuple[str, str]:
        """A new message: its channel and ts. Raises Refused or Down; for a rate limit it waits `patience` seconds.

        Never repeated when its answer is lost: nothing tells a message posted twice from two.
        """
        lane = self.lanes[channel]
        until = time.monotonic() + patience
        while True:
            wait = lane.wait(time.monotonic())
            if time.monotonic() + wait > until:
                raise Down("the channel is busy", wait)
            await asyncio.sleep(wait)
            lane.enter(time.monotonic())
            try:
                posted = await self.api.call(
                    "chat.postMessage",
                    workspace.token,
                    repeatable=False,
                    channel=channel,
                    thread_ts=thread or None,
                    unfurl_links=False,
                    unfurl_media=False,
                    **said,
                )
                return str(posted["channel"]), str(posted["ts"])
            except Down as down:
                if down.sent or down.retry_after is None:
                    raise
                lane.pause(time.monotonic(), down.retry_after)


async def ephemeral(api: Api, workspace: Workspace, channel: str, thread: str, user: str, card: Card) -> None:
    """Seen by one person, until they reload. Raises Refused or Down."""
    await api.call(
        "chat.postEphemeral",
        workspace.token,
        repeatable=False,
        channel=channel,
        thread_ts=thread or None,
        user=user,
        **message(card),
    )


async def delete_message(api: Api, token: str, channel: str, ts: str) -> None:
    """What can't be deleted stays: it is gone already, or its place is closed. Raises Down."""
    try:
        await api.call("chat.delete", token, channel=channel, ts=ts)
    except Refused as refused:
        if refused.error != "message_not_found":
            log.info("a message can't be deleted", error=refused.error)
