"""One thing asked and its one answer: a private word, a form, or the message that grows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import structlog

from adapters.slack import modals
from adapters.slack.ack import Ack
from adapters.slack.address import Address, new_nonce
from adapters.slack.api import CLOSED_PLACE, Down, Refused
from adapters.slack.aside import Aside, BriefReply, ResponseUrl
from adapters.slack.asked import Asked, Kind
from adapters.slack.incoming import read
from adapters.slack.outgoing import cover, take_down
from adapters.slack.render import message
from adapters.slack.reply import SlackReply
from adapters.slack.wires import Wires
from adapters.slack.workspaces import Workspace
from bot.cards import Card, Form, Line, Tone
from bot.easel import Easel
from bot.errors import BadRequest, EaselError, KeyRefused, NotAllowed, TryAgain
from bot.jobs import Place, Requester
from bot.ports import DeliveryFailed
from commands.spec import Attachment

log = structlog.get_logger(__name__)

BUSY = 1.0
"""Seconds that a channel's own limit may hold up the first message; then it goes without one."""
FORM_WITHIN = 2.5
"""Seconds for a form: what asks for it is good for three."""


class NotHere(NotAllowed):
    """The bot can't post where it was asked; it can in direct messages."""


class SlackTurn:
    """`channel` is where it was asked, or the direct messages with whoever asked."""

    def __init__(
        self,
        wires: Wires,
        asked: Asked,
        workspace: Workspace,
        easel: Easel,
        *,
        requester: Requester,
        place: Place,
        ack: Ack,
    ) -> None:
        self._wires = wires
        self._asked = asked
        self._workspace = workspace
        self._easel = easel
        self._requester = requester
        self._place = place
        self._ack = ack
        self._moderates = False
        self._reply: SlackReply | None = None
        response = ResponseUrl(asked.response_url, time.monotonic())
        thread = asked.thread if place.channel == asked.channel else ""
        self._aside = Aside(wires, workspace, asked.user, asked.channel, thread, response)
        self._thread = thread

    @property
    def requester(self) -> Requester:
        return self._requester

    @property
    def place(self) -> Place:
        return self._place

    @property
    def locale(self) -> str:
        return "en"

    @property
    def delivery_key(self) -> str:
        return self._asked.delivery_key

    @property
    def moderates(self) -> bool:
        """Known after `look_up`."""
        return self._moderates

    @property
    def missing_permissions(self) -> tuple[str, ...]:
        """None is known before the first message is tried: that tells, and comes before anything is paid."""
        return ()

    async def look_up(self) -> None:
        """Ask Slack whether this person is an admin of the workspace."""
        await self._ack()
        self._moderates = (await self._wires.people.person(self._workspace, self._asked.user)).admin

    # ---- the answer ----

    @property
    def answered(self) -> bool:
        return self._ack.done

    async def correct(self, errors: Mapping[str, str]) -> None:
        """Say at the fields of the modal what is wrong with them: it stays open, and nothing typed is lost."""
        await self._ack(response_action="errors", errors=dict(errors))

    async def tell(self, card: Card, *, private: bool = True) -> None:
        await self._ack()
        if private or self._place.community is None:
            await self._aside.say(card)
            return
        await self._publicly(card)

    async def _publicly(self, card: Card) -> None:
        try:
            await self._wires.post(self._workspace, self._place.channel, self._thread, message(card))
        except (Refused, Down) as error:
            log.info("a word was lost", reason=str(error))

    async def ask(self, form: Form) -> None:
        await self.ask_view(modals.form_modal(form, metadata=self.where))

    async def ask_view(self, view: Mapping[str, Any]) -> None:
        """Open a modal, or put it in place of the one that came back. Raises BadRequest or TryAgain."""
        if self._asked.kind is Kind.VIEW:
            await self._ack(response_action="update", view=dict(view))
            return
        await self._ack()
        try:
            await self._wires.api.call(
                "views.open",
                self._workspace.token,
                repeatable=False,
                patience=FORM_WITHIN,
                trigger_id=self._asked.trigger,
                view=view,
            )
        except Refused as refused:
            log.info("no form", error=refused.error)
            raise BadRequest("The form came too late. Please ask for it once more.") from None
        except Down as down:
            log.info("no form", reason=down.reason)
            raise TryAgain("Slack doesn't answer just now. Please try again in a moment.") from None

    @property
    def where(self) -> dict[str, str]:
        """What a modal remembers of the place, so that its answer comes there."""
        if not self._asked.channel:
            return {}
        return {key: text for key, text in (("channel", self._place.channel), ("thread", self._thread)) if text}

    async def open(self, *, private: bool, brief: bool = False) -> SlackReply | BriefReply:
        """Raises NotHere where the bot can't post, before anything is accepted."""
        await self._ack()
        if private and brief:
            return BriefReply(self._aside, self._place.channel)
        if private:
            channel = await self._direct()
            self._reply = await self._first(channel, "")
            if not self._aside.direct:
                await self._aside.say(Card("It comes in our direct messages", (Line("Only you see it there."),)))
        else:
            self._reply = await self._first(self._place.channel, self._thread)
        return self._reply

    async def _direct(self) -> str:
        try:
            return await self._wires.people.direct(self._workspace, self._asked.user)
        except Refused as refused:
            raise _no_direct(refused) from None
        except Down:
            raise TryAgain("Slack doesn't answer just now. Please try again in a moment.") from None

    async def _first(self, channel: str, thread: str) -> SlackReply:
        """The message that grows, or none at all where the channel has had too many already."""
        place = Address(
            channel,
            self._asked.user,
            team=self._workspace.team,
            enterprise=self._workspace.enterprise,
            thread=thread,
            nonce=new_nonce(),
        )
        if self._wires.lanes[channel].wait(time.monotonic()) > BUSY:
            return await self._without(place)
        try:
            return await self._with(place)
        except Refused as refused:
            raise self._closed(refused, channel) from None
        except Down as down:
            if down.sent or down.retry_after is None:
                raise TryAgain("Slack doesn't answer just now. Please try again in a moment.") from None
            return await self._without(place)

    async def _with(self, place: Address) -> SlackReply:
        first = message(Card("Working on it…", tone=Tone.WORKING))
        posted = await self._wires.post(self._workspace, place.channel, place.thread, first, patience=BUSY)
        return SlackReply(self._wires, place.posted(*posted))

    async def _without(self, place: Address) -> SlackReply:
        await self._aside.say(Card("Queued", (Line("It is busy here just now: the picture comes without progress."),)))
        return SlackReply(self._wires, place)

    def _closed(self, refused: Refused, channel: str) -> EaselError:
        if refused.dead:
            return KeyRefused("Slack no longer accepts my token. Whoever runs this bot has to renew it.")
        if refused.error not in CLOSED_PLACE:
            log.error("slack refused a message", error=refused.error)
        if channel != self._asked.channel:
            return _no_direct(refused)
        return _not_here(refused, self._place, self._workspace.name)

    async def give_up(self, card: Card) -> None:
        """Say in the best place left that nothing comes of it."""
        if self._reply is not None and not self._reply.started:
            try:
                await self._reply.close(card)
            except DeliveryFailed as failed:
                log.info("an answer was lost", reason=failed.reason)
        else:
            await self.tell(card)

    async def withdraw_unkept(self) -> None:
        """Take the message that grows back where it belongs to no job: Slack delivers some things twice, and another
        process may have accepted the same one while we posted. Its answer is there.
        """
        reply = self._reply
        if reply is None or reply.started or not reply.posted:
            return
        if await self._easel.store.by_message(reply.key) is None:
            log.info("accepted elsewhere")
            await reply.withdraw()

    # ---- files and messages ----

    async def read(self, attachment: Attachment, *, most: int) -> bytes:
        return await read(self._wires.api, self._workspace.token, attachment, most=most)

    async def remove(self, address: str) -> None:
        await take_down(self._wires, self._workspace, address)

    async def hide(self, address: str) -> None:
        await cover(self._wires, self._workspace, self._easel, address, self._asked.user)


def _not_here(refused: Refused, place: Place, name: str) -> NotHere:
    if place.community is None:
        return NotHere("I'm no part of these messages, so nothing was drawn. I can send it to you directly.")
    if refused.error in ("is_archived", "channel_is_archived"):
        return NotHere("This channel is archived, so nothing was drawn. I can send it to you directly.")
    if refused.error.startswith("restricted_action"):
        return NotHere("I may not post in this channel, so nothing was drawn. I can send it to you directly.")
    return NotHere(
        f"I'm not in this channel, so nothing was drawn. Type /invite @{name} here and ask again, "
        "or have it sent to you directly."
    )


def _no_direct(refused: Refused) -> NotAllowed:
    log.info("no direct messages", error=refused.error)
    return NotAllowed("I can't write to you directly, so nothing was drawn. Ask in a channel that I am in.")
