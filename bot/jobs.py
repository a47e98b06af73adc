"""A job and what can become of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ulid import PureRandomPolicy, ULIDGenerator

from bot.images import ImageRequest, Missing, Picture

_IDS = ULIDGenerator(policy=PureRandomPolicy())


def new_id() -> str:
    """A job's ULID. The library would count on within a millisecond, and people see the beginning of the random part."""
    return str(_IDS.generate())


@dataclass(frozen=True, slots=True)
class Requester:
    """A person, as one platform knows them. The name is for reading only, the id is who they are."""

    platform: str
    id: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was asked. `community` is a server or workspace, None in a direct message."""

    platform: str
    community: str | None
    channel: str
    age_restricted: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted request for pictures.

    `id` is a ULID and the primary key everywhere; `short` is what people see. `address` reopens the one visible
    message of the job after a restart and is the platform's own text.
    """

    id: str
    short: str
    request: ImageRequest
    requester: Requester
    place: Place
    address: str
    created_at: datetime
    private: bool = False
    spoiler: bool = False
    locale: str = "en"
    notes: tuple[str, ...] = ()
    """Things said beside the result, e.g. that trigger words were added."""


# ---- progress: what a running job can be seen doing ----


@dataclass(frozen=True, slots=True)
class Waiting:
    """In our own queue. `place` counts from 1 and is "about"; `usual_wait` is in seconds, None while unknown."""

    place: int
    usual_wait: float | None


@dataclass(frozen=True, slots=True)
class Generating:
    """At the API. `elapsed` seconds since the submit; `usual` is what such a job usually takes, if known."""

    elapsed: float
    usual: float | None


@dataclass(frozen=True, slots=True)
class Checking:
    """The answer to the submit was lost; we are looking whether it was accepted."""


Progress = Waiting | Generating | Checking


# ---- outcomes: a job ends in exactly one of these ----


@dataclass(frozen=True, slots=True)
class Finished:
    """Pictures came. `seconds` is the API's own inference time if it told, else what we saw; `cost` in US$."""

    pictures: tuple[Picture, ...]
    missing: tuple[Missing, ...]
    seconds: float
    cost: float


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended without a picture. `kind` is the error's class name, `message` is for people."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Someone pressed Cancel. `paid` when it had been submitted: the picture is kept in /history."""

    paid: bool


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Money may have been spent and we can't know; nothing is counted, Retry is offered."""


Outcome = Finished | Failed | Cancelled | Uncertain
