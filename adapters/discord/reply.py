"""One message on Discord that grows: progress when there is room for it, and the end by whatever way is left."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from adapters.discord.address import Address
from adapters.discord.files import uploads
from adapters.discord.pace import Budget
from adapters.discord.render import MAX_PICTURES, body, private
from adapters.discord.rest import Down, Refused, Rest, Upload
from bot.cards import Card, Tone
from bot.ports import DeliveryFailed, Keep
from bot.room import Room, on_disk, weight

log = structlog.get_logger(__name__)

TOKEN_RESERVE = 60.0
"""Seconds before its end from which a token is used only where there is no other way."""
LAST_CALL = 5.0
"""Seconds before its end from which a token is not used at all: an expired one is never called."""
PATIENCE = 8.0
"""Seconds that the end may wait for rate limits before it is handed back to be tried again."""
PATIENCE_WITH_TOKEN = 4.0
"""The share of it after which the other way is tried."""
SETTLE = 1.5
"""Seconds that the end waits for a progress edit on the wire: overtaken, that one could overwrite the end."""

NO_MESSAGE = {10003, 10008, 50001, 50013, 50083}
"""Unknown channel or message, no access, missing permission, archived thread: this message can't be edited again."""
NO_CHANNEL = {10003, 50001}
"""Nothing can be posted there either."""
DEAD_TOKEN = {10015, 10062, 50027}
TOO_LARGE = 40005


@dataclass(slots=True)
class Wires:
    """What all replies of the process share."""

    rest: Rest
    budget: Budget = field(default_factory=Budget)
    room: Room = field(default_factory=Room)
    edits: set[asyncio.Task[None]] = field(default_factory=set)
    """Progress edits on the wire."""
    wall: Callable[[], float] = time.time
    """Seconds since 1970; tokens end by it."""


class DiscordReply:
    def __init__(self, wires: Wires, address: Address, *, answered: bool = False) -> None:
        self._wires = wires
        self._address = address
        self._asked_in = address.channel
        self._answered = answered
        self._shown: Card | None = None
        self._next: Card | None = None
        self._edit: asyncio.Task[None] | None = None
        self._closing = asyncio.Lock()
        self._closed = False
        self._cared_for = False

    @property
    def address(self) -> str:
        return str(self._address)

    @property
    def key(self) -> str:
        return self._address.key

    @property
    def public(self) -> bool:
        return self._address.channel == self._asked_in and not self._address.token_only

    @property
    def expires_at(self) -> datetime | None:
        """When this message can no longer be changed; None if that never comes."""
        return self._address.closes_at

    @property
    def started(self) -> bool:
        """Whether progress was asked for, so that somebody is taking care of this message."""
        return self._cared_for or self._closed

    # ---- progress ----

    async def show(self, card: Card) -> bool:
        self._cared_for = True
        self._next = card
        if self._edit is not None:
            return True
        while (latest := self._next) is not None and not self._closed:
            self._next = None
            if latest != self._shown and self._may_show():
                await self._run(latest)
        return self._shown is not None or self._closed

    def _may_show(self) -> bool:
        way = self._progress_way()
        if way is None or self._wires.rest.wait(way.bucket, as_bot=way.as_bot, spare=1) > 0:
            return False
        return self._wires.budget.take(time.monotonic())

    async def _run(self, card: Card) -> None:
        """In a task of its own: a caller that is cancelled leaves it on the wire, for `close` to wait for."""
        self._edit = asyncio.create_task(self._progress(card))
        self._edit.add_done_callback(self._edit_ended)
        self._wires.edits.add(self._edit)
        await asyncio.wait({self._edit})

    def _edit_ended(self, edit: asyncio.Task[None]) -> None:
        self._wires.edits.discard(edit)
        if self._edit is edit:
            self._edit = None

    async def _progress(self, card: Card) -> None:
        way = self._progress_way()
        if way is None:
            return
        try:
            await self._change(way, body(card), patience=0.0, timeout=5.0)
            self._shown = card
        except Refused as refused:
            self._learn(way, refused)
        except Down as down:
            log.debug("a progress edit was lost", reason=down.reason)

    def _progress_way(self) -> _Way | None:
        if self._token_left() > LAST_CALL:
            return self._with_token()
        return None if self._address.token_only else self._as_bot()

    # ---- the end ----

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        self._closed = True
        async with self._closing:
            await self._settle()
            card = on_disk(card, MAX_PICTURES)
            async with self._wires.room.hold(weight(card)):
                await self._deliver(card)
        self._shown = card
        return str(self._address.cleared())

    async def _settle(self) -> None:
        self._next = None
        if (edit := self._edit) is not None:
            await asyncio.wait({edit}, timeout=SETTLE)
            edit.cancel()

    async def _deliver(self, card: Card) -> None:
        try:
            await self._by_any_way(card, self._address.limit)
        except Refused as refused:
            if refused.status != 413 and refused.code != TOO_LARGE:
                log.error("discord refused a message", status=refused.status, code=refused.code)
                raise DeliveryFailed(f"Discord refused the message ({refused})", gone=True) from None
            await self._smaller(card)

    async def _smaller(self, card: Card) -> None:
        try:
            await self._by_any_way(card, min(self._address.limit, 8 * 1024 * 1024) // 2)
        except Refused as refused:
            raise DeliveryFailed(f"Discord refused the pictures ({refused})", gone=True) from None

    async def _by_any_way(self, card: Card, limit: int) -> None:
        """Raises DeliveryFailed, or Refused where the message itself is at fault."""
        files = await uploads(card, most=limit)
        message = body(card, [file.name for file in files])
        if await self._end_with_token(message, files):
            return
        if self._address.token_only:
            raise DeliveryFailed("the token has ended and there is no other way", gone=True)
        if await self._end_as_bot(message, files):
            return
        await self._anew(message, files)

    async def _end_with_token(self, message: dict[str, Any], files: Sequence[Upload]) -> bool:
        """Whether the end is shown. Raises DeliveryFailed when it may work later and no other way will."""
        alone = self._address.token_only
        if self._token_left() <= (LAST_CALL if alone else TOKEN_RESERVE):
            return False
        way = self._with_token()
        try:
            await self._change(way, message, files, patience=PATIENCE if alone else PATIENCE_WITH_TOKEN)
        except Refused as refused:
            self._learn(way, refused)
            if refused.status == 413 or refused.code == TOO_LARGE:
                raise
            return False
        except Down as down:
            log.info("the interaction's edit failed", reason=down.reason)
            if alone:
                raise DeliveryFailed(down.reason, retry_after=down.retry_after) from None
            return False
        return True

    async def _end_as_bot(self, message: dict[str, Any], files: Sequence[Upload]) -> bool:
        """Whether the end is shown; False where this message can't be edited ever again."""
        try:
            await self._change(self._as_bot(), message, files, patience=PATIENCE)
        except Refused as refused:
            if refused.code in NO_MESSAGE or refused.status in (403, 404):
                return False
            if refused.status == 401:
                raise DeliveryFailed("the bot's token is refused") from None
            raise
        except Down as down:
            raise DeliveryFailed(down.reason, retry_after=down.retry_after) from None
        return True

    async def _anew(self, message: dict[str, Any], files: Sequence[Upload]) -> None:
        """A new message where the old one stood, else to the requester. The nonce keeps a repeated one single."""
        message = message | {"nonce": self._address.nonce, "enforce_nonce": True}
        for find in (self._channel, self._direct):
            try:
                channel = await find()
                posted = await self._post(channel, message, files)
            except Refused as refused:
                if refused.status not in (400, 403, 404) or refused.code == TOO_LARGE:
                    raise
                log.info("no new message there", code=refused.code)
            except Down as down:
                raise DeliveryFailed(down.reason, retry_after=down.retry_after) from None
            else:
                self._address = replace(self._address, channel=channel, message=posted).cleared()
                return
        raise DeliveryFailed("message, channel and direct messages are closed", gone=True)

    async def _channel(self) -> str:
        return self._address.channel

    async def _direct(self) -> str:
        return await direct_channel(self._wires.rest, self._address.requester)

    async def _post(self, channel: str, message: dict[str, Any], files: Sequence[Upload]) -> str:
        answer = await self._wires.rest.request(
            "POST",
            f"/channels/{channel}/messages",
            bucket=f"post {channel}",
            payload=message,
            uploads=files,
            as_bot=True,
            patience=PATIENCE,
        )
        return str(json.loads(answer)["id"])

    # ---- a word in private ----

    async def whisper(self, card: Card) -> None:
        """By the interaction while its token lives, else in a direct message."""
        try:
            if self._token_left() > LAST_CALL:
                await self._answer_first()
                await follow_up(self._wires, self._address, card, alone=True)
            else:
                channel = await self._direct()
                await self._post(channel, body(card), ())
        except (Refused, Down) as error:
            log.info("a private word was lost", reason=str(error))

    async def _answer_first(self) -> None:
        """The first follow-up after a deferral becomes the deferred answer itself, seen by all if that one is.

        https://discord.com/developers/docs/interactions/receiving-and-responding#create-followup-message
        """
        if self._answered or self._shown is not None:
            return
        await self._change(self._with_token(), body(Card("Working on it…", tone=Tone.WORKING)), patience=PATIENCE)
        self._answered = True

    # ---- ways ----

    def _token_left(self) -> float:
        return self._address.token_left(self._wires.wall())

    def _with_token(self) -> _Way:
        place = self._address
        return _Way(
            f"/webhooks/{place.application}/{place.token}/messages/@original", f"edit {place.nonce}", as_bot=False
        )

    def _as_bot(self) -> _Way:
        place = self._address
        return _Way(f"/channels/{place.channel}/messages/{place.message}", f"edit {place.channel}", as_bot=True)

    async def _change(
        self,
        way: _Way,
        message: dict[str, Any],
        files: Sequence[Upload] = (),
        *,
        patience: float,
        timeout: float = 15.0,
    ) -> None:
        await self._wires.rest.request(
            "PATCH",
            way.path,
            bucket=way.bucket,
            payload=message,
            uploads=files,
            as_bot=way.as_bot,
            patience=patience,
            timeout=timeout,
        )
        self._answered = True

    def _learn(self, way: _Way, refused: Refused) -> None:
        """A token can end early: then it is not called again."""
        if not way.as_bot and (refused.status in (401, 404) or refused.code in DEAD_TOKEN):
            self._address = self._address.cleared()


@dataclass(frozen=True, slots=True)
class _Way:
    path: str
    bucket: str
    as_bot: bool


async def direct_channel(rest: Rest, person: str) -> str:
    """The id of the direct messages with this person. Raises Refused or Down."""
    answer = await rest.request(
        "POST",
        "/users/@me/channels",
        bucket="direct",
        payload={"recipient_id": person},
        as_bot=True,
        patience=PATIENCE,
    )
    return str(json.loads(answer)["id"])


async def follow_up(wires: Wires, address: Address, card: Card, *, alone: bool) -> None:
    """A further message of this interaction, for the requester alone or for all. Raises Refused or Down."""
    card = on_disk(card, MAX_PICTURES)
    async with wires.room.hold(weight(card)):
        files = await uploads(card, most=address.limit)
        message = body(card, [file.name for file in files])
        await wires.rest.request(
            "POST",
            f"/webhooks/{address.application}/{address.token}",
            bucket=f"follow {address.nonce}",
            payload=private(message) if alone else message,
            uploads=files,
            repeatable=False,
            patience=PATIENCE,
        )
