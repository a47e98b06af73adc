"""What Easel counts and times, for `/metrics`: plain numbers here, Prometheus' text once somebody asks for it.

A count is one addition in a dict, so that no job pays for being watched; prometheus_client is loaded by the first look
at the page. Labels hold only what there are few of: never a person, a prompt, a job or a channel.
Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from bot import __version__
from bot.jobs import Failed, Outcome

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from bot.intake import Intake
    from bot.life import Life

What = Literal["answer", "edit", "post", "delete", "other"]
"""A first answer to a command, a change of a message, a new message or an upload, and the rest."""
Result = Literal["ok", "limited", "failed"]
"""`limited`: the platform's rate limit said no."""


class Tally:
    """A number that only grows, for each set of label values that occurred."""

    def __init__(self, name: str, about: str, *labels: str) -> None:
        """`name` without `_total`, which the page adds."""
        self._name, self._about, self._labels = name, about, labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, *labels: str, by: float = 1.0) -> None:
        self._values[labels] = self._values.get(labels, 0.0) + by

    def family(self) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


class Times:
    """How long something took, counted by upper bounds in seconds."""

    def __init__(self, name: str, about: str, *labels: str, bounds: tuple[float, ...]) -> None:
        self._name, self._about, self._labels, self._bounds = name, about, labels, bounds
        self._series: dict[tuple[str, ...], _Series] = {} if labels else {(): _Series(bounds)}

    def add(self, *labels: str, seconds: float) -> None:
        """Below zero counts as zero: two clocks may differ."""
        series = self._series.get(labels) or self._series.setdefault(labels, _Series(self._bounds))
        seconds = max(0.0, seconds)
        series.counts[bisect_left(self._bounds, seconds)] += 1
        series.sum += seconds

    def family(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for labels, series in self._series.items():
            family.add_metric(labels, list(zip(bounds, accumulate(series.counts), strict=True)), series.sum)
        return family


class _Series:
    __slots__ = ("counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.counts = [0] * (len(bounds) + 1)
        """Each between two bounds; the last is beyond all."""
        self.sum = 0.0


# ---- jobs ----

_ACCEPTED = Tally("easel_jobs_accepted", "Jobs taken in.", "platform")
_ENDED = Tally(
    "easel_jobs_ended",
    "Jobs that ended: finished, failed (kind: whose turn it is, by the error's name), cancelled, uncertain.",
    "platform",
    "outcome",
    "kind",
)
_PICTURES = Tally("easel_pictures", "Pictures that came from the API.", "platform")
_SPENT = Tally("easel_spent_dollars", "US$ of accepted submits; what the API pays back later is not taken off.")
_WAITED = Times(
    "easel_job_wait_seconds",
    "From the acceptance of a job to its accepted submit.",
    bounds=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
_DREW = Times(
    "easel_job_drawing_seconds",
    "From the accepted submit to the pictures on our disk.",
    bounds=(1, 2, 4, 6, 8, 12, 16, 24, 40, 60, 120, 300, 600),
)
_DELIVERED = Times(
    "easel_job_delivery_seconds",
    "From the end of a job to its visible answer.",
    "platform",
    bounds=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)


def accepted(platform: str) -> None:
    _ACCEPTED.add(platform)


def submitted(dollars: float, waited: timedelta) -> None:
    """The API took a job, for so many US$, `waited` after we did."""
    _SPENT.add(by=max(0.0, dollars))
    _WAITED.add(seconds=waited.total_seconds())


def drawn(seconds: float) -> None:
    _DREW.add(seconds=seconds)


def ended(platform: str, outcome: Outcome, pictures: int) -> None:
    kind = outcome.kind if isinstance(outcome, Failed) else ""
    _ENDED.add(platform, type(outcome).__name__.lower(), kind)
    if pictures:
        _PICTURES.add(platform, by=pictures)


def delivered(platform: str, ended_at: datetime | None) -> None:
    if ended_at is not None:
        _DELIVERED.add(platform, seconds=(datetime.now(UTC) - ended_at).total_seconds())


# ---- peers ----

_ADOPTED = Tally("easel_adopted_jobs", "Open jobs of another process that stayed away, taken over by this one.")


def adopted(jobs: int) -> None:
    _ADOPTED.add(by=jobs)


# ---- wires ----

_REQUESTS = Tally(
    "easel_api_requests", "Requests to the image API by kind, and `ok` or the error's name.", "kind", "result"
)
_LOOKS = Tally("easel_api_looks", "Looks at a running prediction, by what they found.", "found")
_MESSAGES = Tally(
    "easel_messages", "Requests to a chat platform that change what people see.", "platform", "what", "result"
)


@contextlib.contextmanager
def request(kind: str) -> Iterator[None]:
    """Count the block as one request to the image API: as `ok`, or under the name of the error that it raises."""
    try:
        yield
    except Exception as error:
        _REQUESTS.add(kind, type(error).__name__)
        raise
    _REQUESTS.add(kind, "ok")


def looked(found: Literal["running", "ended", "nothing"]) -> None:
    """`nothing`: it could not be read."""
    _LOOKS.add(found)


def message(platform: str, what: What, result: Result) -> None:
    """One request on the wire, also one that is tried again."""
    _MESSAGES.add(platform, what, result)


# ---- now ----

_watched: tuple[Life, Intake, int, bool] | None = None


@contextlib.contextmanager
def watching(life: Life, intake: Intake, *, slots: int = 1, receives: bool = True) -> Iterator[None]:
    """Until the block ends, the page also tells how these stand.

    `slots` processes there should be; `receives` False for one that takes no commands, and tells of no platform.
    """
    global _watched
    _watched = life, intake, slots, receives
    try:
        yield
    finally:
        _watched = None


def _now(life: Life, intake: Intake, slots: int, receives: bool) -> Iterator[Metric]:
    waiting, running = intake.load
    spent = intake.spent
    yield _gauge("easel_jobs", "Jobs now.", "state", [("waiting", waiting), ("running", running)])
    yield _gauge("easel_budget_used_dollars", "US$ charged in the last 24 hours, what waits included.", value=spent)
    yield _gauge("easel_budget_left_dollars", "US$ until everything stops.", value=max(0.0, life.limits.budget - spent))
    yield _gauge("easel_picture_price_dollars", "US$ for a plain picture, as last told.", value=life.pricing.plain())
    pulled = int(life.brake.reason is not None)
    yield _gauge("easel_brake_pulled", "1 while nothing is drawn before the operator acts.", value=pulled)
    ready = [(name, int(platform.ready)) for name, platform in life.platforms.items() if receives]
    yield _gauge("easel_platform_ready", "1 while commands arrive from there.", "platform", ready)
    here = len(life.standing.present)
    there = [("present", here), ("absent", max(0, slots - here))]
    yield _gauge("easel_slots", "Processes as this one sees them; absent ones are silent or gone.", "state", there)
    silent = life.standing.silent_for
    yield _gauge("easel_heartbeat_age_seconds", "Since Postgres last answered; 0 without one.", value=silent)
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(life.gallery.pictures).free
        yield _gauge("easel_disk_free_bytes", "Room where the pictures are kept.", value=free)


def _gauge(
    name: str, about: str, label: str = "", values: Iterable[tuple[str, float]] = (), *, value: float | None = None
) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    if value is not None:
        return GaugeMetricFamily(name, about, value)
    family = GaugeMetricFamily(name, about, labels=[label])
    for which, number in values:
        family.add_metric([which], number)
    return family


# ---- the page ----

_GROWING = (_ACCEPTED, _ENDED, _PICTURES, _SPENT, _WAITED, _DREW, _DELIVERED, _ADOPTED, _REQUESTS, _LOOKS, _MESSAGES)


class _Easel:
    """What prometheus_client collects from."""

    def collect(self) -> Iterator[Metric]:
        yield _gauge("easel_build_info", "Always 1.", "version", [(__version__, 1)])
        for each in _GROWING:
            yield each.family()
        if _watched is not None:
            yield from _now(*_watched)


def page() -> tuple[bytes, str]:
    """What Prometheus reads, and its media type. Called on the event loop, where the numbers are made: about a
    millisecond, the first time ten more."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return generate_latest(_registry()), CONTENT_TYPE_LATEST


@functools.cache
def _registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(_Easel())
    return registry
