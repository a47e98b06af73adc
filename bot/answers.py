"""The one visible answer of a job, made from what is stored of it: the same now, after a restart, and years later."""

from __future__ import annotations

from dataclasses import dataclass

from bot import cards
from bot.cards import Card, Shown
from bot.guard import Policy, Showing
from bot.images import Picture
from bot.jobs import Finished, Job
from bot.store import Record


@dataclass(frozen=True, slots=True)
class Answers:
    """`model` is the name people read under a picture."""

    policy: Policy
    model: str

    def card(self, record: Record) -> Card:
        """Of a job that has ended."""
        job = record.job
        assert record.outcome is not None
        if not isinstance(record.outcome, Finished):
            return cards.outcome(job, record.outcome, model=self.model)
        withheld = self.withheld(record)
        held = [picture for picture in record.pictures if picture.index in withheld]
        shown = [self._shown(job, picture) for picture in record.pictures if picture.index not in withheld]
        return cards.outcome(job, record.outcome, model=self.model, shown=shown, withheld=held)

    def withheld(self, record: Record) -> frozenset[int]:
        """Those that were, and those that today's rules would: the operator may have changed them since."""
        showing = {picture.index: self.showing(record.job, picture) for picture in record.pictures}
        return record.withheld | {index for index, how in showing.items() if how is Showing.WITHHELD}

    def showing(self, job: Job, picture: Picture) -> Showing:
        return self.policy.shows(picture.flag, job.place, spoiler=job.spoiler)

    def _shown(self, job: Job, picture: Picture) -> Shown:
        hidden = self.showing(job, picture) is not Showing.OPEN
        alt = cards.alt_text(job, picture, hidden=hidden)
        return Shown(picture.path, picture.index, hidden, alt, job.private)
