"""A process that grows is told from one that kept what a burst needed."""

from __future__ import annotations

import random

from tests.chaos.soak import Sample, grown

COUNT = 240
"""Twenty minutes of them."""


def samples(**grows: float) -> list[Sample]:
    """Of a process that breathes, and by the end has grown by so much."""
    dice = random.Random(1)
    base = {"memory": 128.0, "threads": 34.0, "files": 60.0}
    return [
        Sample(1, **{name: it + dice.uniform(-2, 2) + grows.get(name, 0.0) * n / COUNT for name, it in base.items()})
        for n in range(COUNT)
    ]


def test_one_that_breathes_does_not_grow() -> None:
    assert grown(samples(memory=3.0, threads=2.0)) == []


def test_what_grows_with_every_fault_or_job_is_told() -> None:
    """A file for each of 80 faults, a thread for each fifth one, 2 kB for each of 6,000 jobs."""
    found = grown(samples(memory=12.0, threads=16.0, files=80.0))
    assert [told.split(" by ")[0] for told in found] == ["memory grew", "threads grew", "files grew"]


def test_one_that_was_always_away_shows_nothing() -> None:
    assert grown([]) == ["it did not live long enough"]
