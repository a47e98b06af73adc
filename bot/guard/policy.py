"""Where a picture may show, decided once per picture for every platform."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

from bot.images import Flag
from bot.jobs import Place


class Showing(enum.StrEnum):
    OPEN = "open"
    HIDDEN = "hidden"
    """Behind the platform's spoiler."""
    WITHHELD = "withheld"
    """Not posted; the requester is told why, and it stays in their history."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`EASEL_NSFW` and `EASEL_UNKNOWN_NSFW`."""

    flagged: Literal["spoiler", "age_restricted", "block"] = "spoiler"
    unknown: Literal["spoiler", "show"] = "spoiler"

    def shows(self, flag: Flag, place: Place, *, spoiler: bool = False) -> Showing:
        """`spoiler` is the person's own wish; it can only hide more."""
        if flag is Flag.YES:
            return self._flagged(place)
        if spoiler or (flag is Flag.UNKNOWN and self.unknown == "spoiler"):
            return Showing.HIDDEN
        return Showing.OPEN

    def _flagged(self, place: Place) -> Showing:
        if self.flagged == "block" or (self.flagged == "age_restricted" and not place.age_restricted):
            return Showing.WITHHELD
        return Showing.HIDDEN
