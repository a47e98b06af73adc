"""Who may see, repeat and remove what: the table of decisions.md, as pure functions of a record and a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import BadRequest, NotAllowed
from bot.images import Picture
from bot.jobs import Finished, Place
from commands.spec import Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.store import Record

ULID = 26
"""Letters of a job's whole id; people see and type a short one."""


async def seen(easel: Easel, turn: Turn, text: str) -> Record:
    """The job with this id. Raises BadRequest, the same for what isn't there and for what is none of their business.

    It reads one row of our own database, by its key, so it may come before the answer where the answer depends on it.
    """
    record = await easel.store.find(text)
    if record is None or not may_see(record, turn):
        raise not_found(text)
    return record


async def of_message(easel: Easel, options: Options) -> Record | None:
    """The job of the `message` that somebody points at, if it is one of ours.

    People use a message before we hear where the platform put it: then the `job` of its buttons tells, if that is given.
    """
    record = await easel.store.by_message(str(options.get("message") or ""))
    job = str(options.get("job") or "")
    if record is None and len(job) == ULID:
        return await easel.store.find(job)
    return record


async def own_or_moderated(easel: Easel, turn: Turn, text: str, *, what: str) -> Record:
    """The job with this id, to cancel or delete. Raises BadRequest as `seen`, NotAllowed for somebody else's."""
    record = await easel.store.find(text)
    if record is None or not within_reach(record, turn):
        raise not_found(text)
    check_may_remove(record, turn, what=what)
    return record


def check_may_remove(record: Record, turn: Turn, *, what: str) -> None:
    """Raise NotAllowed unless it is theirs, or they moderate the place where it was asked."""
    if not is_own(record, turn) and not moderates(record, turn):
        raise NotAllowed(f"Only {record.job.requester.name}, or someone who manages messages here, can {what}.")


def is_own(record: Record, turn: Turn) -> bool:
    return record.job.requester.key == turn.requester.key


def within_reach(record: Record, turn: Turn) -> bool:
    """Theirs, or asked openly in the same community."""
    return is_own(record, turn) or (not record.job.private and _same_community(record.job.place, turn.place))


def may_see(record: Record, turn: Turn) -> bool:
    """Theirs, or posted openly in the same community and not deleted since. So may it be drawn again or varied."""
    posted = record.public or _being_posted(record)
    return is_own(record, turn) or (posted and not record.deleted and within_reach(record, turn))


def _being_posted(record: Record) -> bool:
    """People see a message, and press under it, before we hear that it is out."""
    out = record.state != "closed" and isinstance(record.outcome, Finished)
    public = out and record.job.place.community is not None and not record.job.private
    return public and any(picture.index not in record.withheld for picture in record.pictures)


def moderates(record: Record, turn: Turn) -> bool:
    """To manage messages in one community says nothing about another."""
    return turn.moderates and within_reach(record, turn)


def visible(record: Record, turn: Turn) -> tuple[Picture, ...]:
    """Its pictures, without those that were kept from others."""
    own = is_own(record, turn)
    return tuple(picture for picture in record.pictures if own or picture.index not in record.withheld)


def not_found(text: str) -> BadRequest:
    typed = f" with the id “{text[:40]}”" if len(text) != ULID else ""  # a button's ULID tells people nothing
    return BadRequest(f"There is no picture{typed} that you can see here. /history lists yours.")


def _same_community(one: Place, other: Place) -> bool:
    if one.platform != other.platform:
        return False
    if one.community is None or other.community is None:
        # A direct message has no community but its own channel.
        return one.community == other.community and one.channel == other.channel
    return one.community == other.community
