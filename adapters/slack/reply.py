"""One message on Slack that grows: progress on a change of state, and the end by whatever way is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog

from adapters.slack import sharing
from adapters.slack.address import Address
from adapters.slack.api import CLOSED_PLACE, NO_MESSAGE, Down, Refused
from adapters.slack.files import MAX_PICTURES, title, uploads
from adapters.slack.pace import Window, state
from adapters.slack.render import blocks, message
from adapters.slack.wires import PATIENCE, Wires, delete_message, ephemeral
from adapters.slack.workspaces import Unknown, Workspace
from bot.cards import Card, Line
from bot.ports import DeliveryFailed, Keep
from bot.room import on_disk, weight

log = structlog.get_logger(__name__)

SETTLE = 1.5
"""Seconds that the end waits for a progress edit on the wire: overtaken, that one could overwrite the end."""
SETTLED = 15.0
"""Seconds after which files that stand nowhere were probably not shared. After each upload it is four times as long:
while Slack is merely slow, one that is taken back and made anew comes no sooner, and leaves words without a picture."""
MOST_SETTLED = 90.0
TRIES = 2
"""Uploads of the same pictures in one delivery."""
MOST_UPLOADS = 6
"""Of the same pictures in all: then words say where they are found."""


class SlackReply:
    def __init__(self, wires: Wires, address: Address) -> None:
        self._wires = wires
        self._address = address
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
        return not self._address.direct

    @property
    def expires_at(self) -> datetime | None:
        """A bot can always edit its own messages."""
        return None

    @property
    def started(self) -> bool:
        """Whether progress was asked for, so that somebody is taking care of this message."""
        return self._cared_for or self._closed

    @property
    def posted(self) -> bool:
        return bool(self._address.message)

    async def withdraw(self) -> None:
        """Take the message away: nothing will come of it."""
        self._closed = True
        place = self._address
        try:
            await delete_message(self._wires.api, (await self._workspace()).token, place.channel, place.message)
        except (Unknown, Down):
            log.info("a message was not withdrawn")

    # ---- progress ----

    async def show(self, card: Card) -> bool:
        if not self._cared_for:  # the job is accepted
            self._wires.homes.changed(self._address.team, self._address.requester)
        self._cared_for = True
        self._next = card
        if self._edit is None:
            while (latest := self._next) is not None and not self._closed:
                self._next = None
                if self._changes(latest) and self._may_show():
                    await self._run(latest)
        return True  # something is seen from the first moment on

    def _changes(self, card: Card) -> bool:
        return self._shown is None or state(card) != state(self._shown)

    def _may_show(self) -> bool:
        return bool(self._address.message) and self._window.take(time.monotonic())

    @property
    def _window(self) -> Window:
        return self._wires.progress[self._address.enterprise or self._address.team]

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
        try:
            await self._update(card, repeatable=False, patience=5.0)
            self._shown = card
        except Unknown:
            return
        except Refused as refused:
            log.debug("a progress edit was refused", error=refused.error)
        except Down as down:
            self._window.pause(time.monotonic(), down.retry_after or 0.0)

    async def _update(self, card: Card, *, repeatable: bool = True, patience: float = PATIENCE) -> None:
        place = self._address
        workspace = await self._workspace()
        await self._wires.api.call(
            "chat.update",
            workspace.token,
            repeatable=repeatable,
            patience=patience,
            channel=place.channel,
            ts=place.message,
            **message(card),
        )

    async def _workspace(self) -> Workspace:
        return await self._wires.workspaces.of(self._address.team, self._address.enterprise)

    # ---- the end ----

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        self._closed = True
        async with self._closing:
            await self._settle()
            nonce, self._address = self._address.nonce, self._wires.latest(self._address)
            try:
                await self._deliver(on_disk(card, MAX_PICTURES), keep)
            except Unknown:
                raise DeliveryFailed("Easel was removed from that workspace", gone=True) from None
            except Refused as refused:
                raise _final(refused) from None
            except Down as down:
                raise DeliveryFailed(down.reason, retry_after=down.retry_after) from None
            finally:
                self._wires.remember(nonce, self._address)
        self._shown = card
        self._wires.homes.changed(self._address.team, self._address.requester)
        return str(self._address)

    async def _settle(self) -> None:
        self._next = None
        if (edit := self._edit) is not None:
            await asyncio.wait({edit}, timeout=SETTLE)
            edit.cancel()

    async def _deliver(self, card: Card, keep: Keep | None) -> None:
        if not card.pictures:
            await self._say(card, keep)
        elif not self._address.shared:
            await self._share(card, keep)
        self._address = self._address.closed()

    # ---- words ----

    async def _say(self, card: Card, keep: Keep | None) -> None:
        if self._address.message:
            try:
                await self._update(card)
            except Refused as refused:
                if refused.error not in NO_MESSAGE:
                    raise
            else:
                return
        await self._somewhere(lambda: self._post(card))
        await self._kept(keep)

    async def _post(self, card: Card) -> None:
        place = self._address
        posted = await self._wires.post(await self._workspace(), place.channel, place.thread, message(card))
        self._address = place.posted(*posted)

    async def _somewhere(self, deliver: Callable[[], Awaitable[None]]) -> None:
        """Where it was asked, else in direct messages with the requester."""
        try:
            await deliver()
        except Refused as refused:
            if refused.error not in CLOSED_PLACE or self._address.direct:
                raise
            log.info("no message there any more", error=refused.error)
            channel = await self._wires.people.direct(await self._workspace(), self._address.requester)
            self._address = replace(self._address, channel=channel, thread="", message="")
            await deliver()

    async def _kept(self, keep: Keep | None) -> None:
        if keep is not None:
            await keep(str(self._address))

    # ---- pictures ----

    async def _share(self, card: Card, keep: Keep | None) -> None:
        """One message with the pictures in place of the one that grew."""
        ts = await self._stand() if self._address.sharing else ""
        if not ts and self._address.uploads >= MOST_UPLOADS:
            await self._say(_unshown(card), keep)
            return
        for _ in range(TRIES):
            if not ts:
                await self._somewhere(lambda: self._shared(card, keep))
                ts = await self._stand()
        if not ts:
            raise DeliveryFailed("Slack took the pictures and showed them nowhere")
        await self._remove_progress(ts)
        self._address = replace(self._address, message=ts, sharing=0.0)

    async def _shared(self, card: Card, keep: Keep | None) -> None:
        """Slack was asked to share them; whether it did is another question."""
        if not self._address.files:
            await self._upload(card)
        self._address = replace(self._address, sharing=self._wires.wall())
        await self._kept(keep)
        try:
            await self._complete(card)
        except Refused as refused:
            self._address = replace(self._address, sharing=0.0)
            if refused.error not in sharing.GONE:
                raise
            self._forget_files()
        except Down as down:
            if not down.sent:
                self._address = replace(self._address, sharing=0.0)
                await self._kept(keep)
                raise

    async def _stand(self) -> str:
        """The ts of the message that the files stand in; files that surely stand nowhere are deleted and forgotten.

        Slack now and then answers "ok" and shares nothing (python-slack-sdk#1818), and after a crash or a lost answer
        nobody knows. Once they are deleted, no late message can show them beside the next one.
        """
        place = self._address
        if not place.files:
            return ""
        if (task := self._wires.completing.get(place.files)) is not None:
            await asyncio.wait({task})
        token = (await self._workspace()).token
        settled = min(MOST_SETTLED, SETTLED * 4.0 ** max(0, place.uploads - 1))
        left = place.sharing + settled - self._wires.wall()
        seen = await sharing.until_shared(self._wires.api, token, place.files, place.channel, within=max(1.0, left))
        if not seen.ts:
            await sharing.discard(self._wires.api, token, place.files)
            self._forget_files()
        return seen.ts

    def _forget_files(self) -> None:
        self._address = replace(self._address, files=(), sharing=0.0)

    async def _upload(self, card: Card) -> None:
        token = (await self._workspace()).token
        async with self._wires.room.hold(weight(card)):
            given = await uploads(card)
            files = [await sharing.upload(self._wires.api, token, each) for each in given]
        self._address = replace(self._address, files=tuple(files), uploads=self._address.uploads + 1)

    async def _complete(self, card: Card) -> None:
        """In a task of its own: a delivery that is given up must not leave the answer unheard."""
        files = self._address.files
        task = self._wires.completing[files] = asyncio.create_task(self._patiently_complete(card))
        task.add_done_callback(lambda ended: self._completed(files, ended))
        await asyncio.shield(task)

    def _completed(self, files: tuple[str, ...], task: asyncio.Task[None]) -> None:
        self._wires.completing.pop(files, None)
        if not task.cancelled():
            task.exception()  # whoever still waits has heard of it

    async def _patiently_complete(self, card: Card) -> None:
        place = self._address
        token = (await self._workspace()).token
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await sharing.complete(
                    self._wires.api,
                    token,
                    place.files,
                    [title(picture) for picture in card.pictures],
                    channel=place.channel,
                    thread=place.thread,
                    blocks=blocks(card),
                )
            except Down as down:  # a rate limit is a proof of refusal; a lost answer is none
                if down.sent or down.retry_after is None or time.monotonic() + down.retry_after > until:
                    raise
                await asyncio.sleep(down.retry_after)

    async def _remove_progress(self, ts: str) -> None:
        """Now that the pictures stand below it. Raises Down: with both of them there, it is not over."""
        place = self._address
        if place.message and place.message != ts:
            await delete_message(self._wires.api, (await self._workspace()).token, place.channel, place.message)

    # ---- a word in private ----

    async def whisper(self, card: Card) -> None:
        """Beside the message, for the requester alone; else in direct messages."""
        try:
            workspace = await self._workspace()
            await self._beside(workspace, card)
        except (Unknown, Refused, Down) as error:
            log.info("a private word was lost", reason=str(error) or type(error).__name__)

    async def _beside(self, workspace: Workspace, card: Card) -> None:
        place = self._address
        if not place.direct:
            try:
                await ephemeral(self._wires.api, workspace, place.channel, place.thread, place.requester, card)
            except Refused as refused:
                log.info("no private word there", error=refused.error)
            else:
                return
        channel = await self._wires.people.direct(workspace, place.requester)
        await self._wires.post(workspace, channel, "", message(card))


def _unshown(card: Card) -> Card:
    found = Line("Slack took the pictures and showed them nowhere. /show and the id bring them again.")
    return replace(card, pictures=(), lines=(*card.lines, found))


def _final(refused: Refused) -> DeliveryFailed:
    """What comes of a refusal that no other way was found for."""
    if refused.error in ("account_inactive", "token_revoked"):
        return DeliveryFailed("the token was revoked", gone=True)
    if refused.dead:
        return DeliveryFailed("the bot's token is refused")
    if refused.error not in CLOSED_PLACE and not refused.error.startswith("user_"):
        log.error("slack refused a message", error=refused.error)
    return DeliveryFailed(f"Slack refused the message ({refused.error})", gone=True)
