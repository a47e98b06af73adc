"""The channel as it stands: a projection of the jobs' rows, with the newest card of what is still under way.

A message is a row. What is opened and never becomes a job is shown to nobody: its end is a word to who asked. Whatever
is told to the windows here is told to other processes, too, and what they tell is shown to the windows here.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adapters.web.address import PLACE, Address
from adapters.web.elsewhere import Elsewhere
from adapters.web.events import Hub
from adapters.web.news import Changed, News, Note, Removed, Renamed, Underway, Word
from adapters.web.people import Person
from adapters.web.views import Json, card_json, jobs_on, message_json, sizes_of
from bot import cards
from bot.cards import Card
from bot.easel import Easel
from bot.images import Picture
from bot.jobs import Cancelled, Generating, Progress, Waiting
from bot.ports import DeliveryFailed
from bot.store import Record

log = structlog.get_logger(__name__)

PAGE = 50
MOST_ENDED = 1000
"""Also of those that were taken away."""


@dataclass(slots=True)
class _Live:
    """A message under way in this process. `record` is read once; the end reads it anew."""

    card: Card
    record: Record | None = None


class Board:
    def __init__(self, easel: Easel, hub: Hub) -> None:
        self._easel = easel
        self._hub = hub
        self._live: dict[str, _Live] = {}
        self._ended: OrderedDict[str, Card] = OrderedDict()
        self._gone: OrderedDict[str, None] = OrderedDict()
        """Messages that were taken away: what was read of them before is not shown any more."""
        self._news = News(easel.bell, self._hear, self._start_over)
        self._elsewhere = Elsewhere(easel.store.by_message, self._tell, lambda: len(hub) > 0)

    async def close(self) -> None:
        await self._news.close()
        await self._elsewhere.close()

    # ---- what replies do ----

    async def show(self, address: Address, card: Card) -> bool:
        """Whether it is seen: not before the job is accepted, and not after the end."""
        key = address.key
        if key in self._ended:
            return True
        live = self._live.setdefault(key, _Live(card))
        live.card = card
        try:
            live.record = live.record or await self._easel.store.by_message(key)
        except SQLAlchemyError as error:
            log.warning("a message can't be read", error=type(error).__name__)
            return False
        if live.record is None:
            self._live.pop(key, None)
            return False
        if self._live.get(key) is live:  # else it ended meanwhile
            self._elsewhere.forget(key)
            self._tell(live.record)
            if (now := self._easel.intake.progress(live.record.job.id)) is not None:
                self._news.progress(key, now)
        return True

    async def end(self, address: Address, card: Card) -> bool:
        """Show the end. False where no job came of it, so that there is no message. Raises DeliveryFailed."""
        key = address.key
        try:
            record = await self._easel.store.by_message(key)
        except SQLAlchemyError as error:
            raise DeliveryFailed(f"the database does not answer ({type(error).__name__})") from None
        self._live.pop(key, None)
        if record is None:
            return False
        if record.deleted:
            raise DeliveryFailed("the message was deleted", gone=True)
        self._ended[key] = card
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        self._tell(record)
        self._news.over(key)
        await self._news.tell(Changed(key))
        return True

    async def tell_again(self, key: str) -> None:
        """As its row reads now: it was just accepted, or covered since."""
        record = await self._easel.store.by_message(key)
        if record is not None and not record.deleted:
            self._tell(record)
            await self._news.tell(Changed(key))

    async def take_away(self, key: str) -> None:
        """From every window."""
        self._remove(key)
        self._news.over(key)
        await self._news.tell(Removed(key))

    async def whisper(self, address: Address, card: Card) -> None:
        """A word for who asked."""
        person = address.by
        try:
            if not person and (record := await self._easel.store.by_message(address.key)):
                person = record.job.requester.id
            if person:
                await self.note(person, card)
        except SQLAlchemyError as error:
            log.warning("a private word was lost", error=type(error).__name__)

    async def note(self, person: str, card: Card) -> None:
        """A card for one person's windows. Lost where none is open."""
        word = Note(person, secrets.token_hex(6), await self.card_json(card))
        self._note(word)
        await self._news.tell(word)

    async def renamed(self, person: Person) -> None:
        word = Renamed(person.id, person.name)
        self._rename(word)
        await self._news.tell(word)

    # ---- what the page asks ----

    async def messages(self, person: Person, before: str | None = None) -> tuple[list[Json], bool]:
        """The last ones before that job's, oldest first; and whether there are older ones."""
        found = await self._easel.store.posted(PLACE, seen_by=person.requester, limit=PAGE + 1, before=before)
        shown = [self._message(record, mine=record.job.requester.id == person.id) for record in found[:PAGE]]
        return shown[::-1], len(found) > PAGE

    async def card_json(self, card: Card) -> Json:
        """With the sizes of the pictures on it."""
        return card_json(card, sizes_of(await self._pictures(jobs_on(card)))) if card.pictures else card_json(card)

    async def _pictures(self, jobs: Iterable[str]) -> list[Picture]:
        found = [await self._easel.store.find(job) for job in jobs]
        return [picture for record in found if record for picture in record.pictures]

    # ---- what other processes say ----

    def _hear(self, word: Word) -> None:
        if not len(self._hub):  # whoever comes back later starts over, and nothing is read or kept for nobody
            self._hub.start_over()
        match word:
            case Underway():
                self._elsewhere.hear(word)
            case Changed(key):
                self._elsewhere.look_at(key)
            case Removed(key):
                self._remove(key)
            case Note():
                self._note(word)
            case Renamed():
                self._rename(word)

    def _start_over(self) -> None:
        self._elsewhere.forget_all()
        self._hub.start_over()

    # ---- below ----

    def _tell(self, record: Record) -> bool:
        """Whether it is still under way."""
        if record.message_key in self._gone:  # its row was read before
            return False
        own = self._message(record, mine=True)
        other = None if record.job.private else {**own, "mine": False}
        self._hub.tell("message", record.message_key, record.job.requester.id, own, other)
        return bool(own["open"])

    def _remove(self, key: str) -> None:
        self._live.pop(key, None)
        self._elsewhere.forget(key)
        self._gone[key] = None
        if len(self._gone) > MOST_ENDED:
            self._gone.popitem(last=False)
        gone = {"key": key}
        self._hub.tell("removed", key, "", gone, gone)

    def _note(self, note: Note) -> None:
        self._hub.tell("note", f"note {note.id}", note.person, {"card": note.card, "id": note.id}, None)

    def _rename(self, renamed: Renamed) -> None:
        self._hub.tell("me", "me", renamed.person, {"name": renamed.name}, None)

    def _message(self, record: Record, *, mine: bool) -> Json:
        under_way = record.outcome is None and not record.cancelled and record.message_key not in self._ended
        progress = self._progress(record) if under_way else None
        since = _began(progress) if isinstance(progress, Generating) else None
        card = self._card(record, progress)
        return message_json(record, card, self._easel, mine=mine, open=under_way, since=since)

    def _card(self, record: Record, progress: Progress | None) -> Card:
        """The end as its row has it; before that the newest card, or else what the queue knows."""
        if record.outcome is not None:
            return self._easel.answers.card(record)
        if (ended := self._ended.get(record.message_key)) is not None:
            return ended
        if record.cancelled:  # it was at the API: else it would be over by now
            return cards.outcome(record.job, Cancelled(paid=True), model=self._easel.answers.model)
        live = self._live.get(record.message_key)
        if live is not None and self._elsewhere.progress(record.message_key) is None:
            return live.card
        return cards.progress(record.job, progress or Waiting(1, None))

    def _progress(self, record: Record) -> Progress | None:
        return self._elsewhere.progress(record.message_key) or self._easel.intake.progress(record.job.id)


def _began(now: Generating) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=now.elapsed)
