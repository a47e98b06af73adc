"""Our own messages, taken down or covered later."""

from __future__ import annotations

from dataclasses import replace

import structlog

from adapters.slack import sharing
from adapters.slack.address import Address, message_of, new_nonce
from adapters.slack.api import Down, Refused
from adapters.slack.reply import SlackReply
from adapters.slack.wires import Wires
from adapters.slack.workspaces import Workspace
from bot.easel import Easel
from bot.errors import NotAllowed
from bot.ports import DeliveryFailed
from bot.store import Record

log = structlog.get_logger(__name__)

IS_GONE = {"message_not_found", *sharing.GONE}


async def take_down(wires: Wires, workspace: Workspace, address: str) -> None:
    """Files and message. Raises NotAllowed, in plain words, where Slack doesn't let us."""
    place = _parsed(address)
    try:
        if place.files and not place.message:
            place = await _found(wires, workspace, place)
        await sharing.discard(wires.api, workspace.token, place.files)
        if place.message:
            await wires.api.call("chat.delete", workspace.token, channel=place.channel, ts=place.message)
    except Refused as refused:
        if refused.error not in IS_GONE:  # what is gone needs no removal
            raise NotAllowed("I can't delete that message here. An admin can, from its own menu.") from None
    except Down:
        raise _not_now() from None


async def cover(wires: Wires, workspace: Workspace, easel: Easel, key: str, user: str) -> None:
    """The same answer once more with its pictures covered, then the old one goes with its files. Raises NotAllowed.

    Slack covers nothing in a message that is there. Who asks while another one is being covered covers that one's.
    """
    record = await easel.store.by_message(key)
    if record is None:
        raise NotAllowed("I don't know where that message is.")
    async with wires.covering[record.job.id]:
        await _put_covered(wires, workspace, easel, await easel.store.get(record.job.id))


async def _put_covered(wires: Wires, workspace: Workspace, easel: Easel, record: Record) -> None:
    old = _parsed(record.job.address)
    fresh = SlackReply(wires, replace(old, message="", files=(), nonce=new_nonce()))
    try:
        address = await fresh.close(easel.answers.card(record))
    except DeliveryFailed:
        raise NotAllowed("I can't put a covered one in its place just now. Please try again in a moment.") from None
    await easel.store.closed(record.job.id, address=address, message_key=fresh.key, public=_public(record, fresh))
    await take_down(wires, workspace, record.job.address)


def _public(record: Record, reply: SlackReply) -> bool:
    return record.public and reply.public


async def _found(wires: Wires, workspace: Workspace, place: Address) -> Address:
    seen = await sharing.where(wires.api, workspace.token, place.files, place.channel)
    return replace(place, message=seen.ts)


def _parsed(address: str) -> Address:
    try:
        if address.startswith("slack:"):
            channel, ts = message_of(address)
            return Address(channel, "", message=ts)
        return Address.parse(address)
    except ValueError:
        raise NotAllowed("I don't know where that message is.") from None


def _not_now() -> NotAllowed:
    return NotAllowed("Slack doesn't answer just now. Please try again in a moment.")
