"""What can go wrong, sorted by who can act on it.

    EaselError
    ├── PersonCanAct               the person who asked changes something and asks again
    │   ├── BadRequest               a value that makes no sense; `field` names the option
    │   ├── NotAllowed               this person, or this place, may not do it
    │   ├── LimitReached             too many at once, or for today
    │   ├── Moderated                the model's safety filter refused
    │   └── MediaUnreachable         a LoRA or a picture could not be fetched by the API
    ├── OperatorMustAct            someone with the server's keys has to do something
    │   ├── BadSettings              a setting is missing or makes no sense
    │   ├── KeyRefused               the API key, or its role, is refused
    │   ├── CreditsExhausted         the account has no money left
    │   ├── BudgetReached            our own daily budget stops everything
    │   └── DiskFull                 no room for more pictures
    ├── TryAgain                   nothing was accepted; the same call may be made again
    │   ├── RateLimited              slower; `retry_after` seconds if they were told
    │   └── Unreachable              the connection was never opened, or a read failed
    ├── Ambiguous                  a paid call whose fate is unknown: reconcile, never repeat
    └── GaveUp                     it ended without a picture
        ├── GenerationFailed         the API says that the job failed
        ├── BadOutput                what came back is no picture
        └── Expired                  the API has forgotten the job

The text of an error is for the person who asked: kind, short, with the way out. It never holds an upstream
body, a path or a key; `detail` is for the log and holds none of them either.
"""

from __future__ import annotations


class EaselError(Exception):
    """The root. `str(error)` may be shown to a person; `detail` may be logged."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class PersonCanAct(EaselError):
    pass


class BadRequest(PersonCanAct):
    def __init__(self, message: str, *, field: str | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.field = field


class NotAllowed(PersonCanAct):
    pass


class LimitReached(PersonCanAct):
    pass


class Moderated(PersonCanAct):
    pass


class MediaUnreachable(PersonCanAct):
    pass


class OperatorMustAct(EaselError):
    pass


class BadSettings(OperatorMustAct):
    pass


class KeyRefused(OperatorMustAct):
    pass


class CreditsExhausted(OperatorMustAct):
    pass


class BudgetReached(OperatorMustAct):
    pass


class DiskFull(OperatorMustAct):
    pass


class TryAgain(EaselError):
    pass


class RateLimited(TryAgain):
    def __init__(self, message: str, *, retry_after: float | None = None, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class Unreachable(TryAgain):
    pass


class Ambiguous(EaselError):
    pass


class GaveUp(EaselError):
    pass


class GenerationFailed(GaveUp):
    pass


class BadOutput(GaveUp):
    pass


class Expired(GaveUp):
    pass
