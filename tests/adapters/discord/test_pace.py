from __future__ import annotations

import pytest

from adapters.discord.pace import Buckets, Budget, Lane


def test_progress_edits_keep_to_their_rate_after_a_burst() -> None:
    budget = Budget(rate=15, burst=30)
    assert sum(budget.take(0.0) for _ in range(100)) == 30
    assert sum(budget.take(1.0) for _ in range(100)) == 15
    assert sum(budget.take(60.0) for _ in range(100)) == 30


def test_a_lane_lets_a_burst_through_and_then_one_after_the_other() -> None:
    lane = Lane(rate=10, burst=5)
    waits = []
    for _ in range(20):
        waits.append(lane.wait(100.0))
        lane.enter(100.0)
    assert waits[:5] == [0.0] * 5
    assert waits[-1] == pytest.approx(1.4, abs=0.11)


def test_a_paused_lane_lets_nobody_start_together() -> None:
    lane = Lane(rate=10, burst=5)
    lane.pause(100.0, 2.0)
    starts = []
    for _ in range(5):
        starts.append(round(lane.wait(100.0), 3))
        lane.enter(100.0)
    assert starts == [2.0, 2.1, 2.2, 2.3, 2.4]


def started(lane: Lane, seconds: float) -> int:
    """Requests that are let out within so many seconds when there are always more."""
    count = 0
    while lane.wait(0.0) < seconds:
        lane.enter(0.0)
        count += 1
    return count


def test_processes_together_keep_to_the_rate_of_one() -> None:
    for processes in (1, 2, 5):
        assert 40 <= sum(started(Lane.shared(processes), 1.0) for _ in range(processes)) <= 50


def headers(remaining: int, reset: float) -> dict[str, str]:
    return {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset-After": str(reset)}


def test_an_empty_bucket_is_waited_for() -> None:
    buckets = Buckets()
    buckets.note("a", headers(0, 3.0), 10.0)
    assert buckets.wait("a", 11.0) == pytest.approx(2.0)
    assert buckets.wait("a", 13.5) == 0
    assert buckets.wait("b", 11.0) == 0


def test_the_last_of_a_bucket_is_kept_for_what_matters() -> None:
    buckets = Buckets()
    buckets.note("a", headers(1, 3.0), 10.0)
    assert buckets.wait("a", 10.0) == 0
    assert buckets.wait("a", 10.0, spare=1) == pytest.approx(3.0)


def test_a_bucket_that_fills_again_is_forgotten() -> None:
    buckets = Buckets()
    buckets.note("a", headers(0, 3.0), 10.0)
    buckets.note("a", headers(4, 3.0), 10.5)
    assert buckets.wait("a", 10.5, spare=1) == 0


def test_headers_that_say_nothing_change_nothing() -> None:
    buckets = Buckets()
    buckets.note("a", {}, 10.0)
    assert buckets.wait("a", 10.0, spare=1) == 0


def test_buckets_of_ended_interactions_do_not_pile_up() -> None:
    buckets = Buckets()
    for number in range(5000):
        buckets.note(str(number), headers(0, 1.0), float(number))
    assert len(buckets._low) < 600
