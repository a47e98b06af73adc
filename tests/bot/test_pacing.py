"""When to look, when to speak, when to try again."""

import random
import statistics
from itertools import islice, pairwise

import pytest

from bot.images import ImageRequest, Lora, Size
from bot.pacing import LEARNT_FROM, Durations, Usual, backoff, kind, next_tick, polls, summary, usual_wait


def looks(usual: Usual | None, ends: float, seed: int = 1) -> tuple[int, float]:
    """(polls, seconds late) for a job that ends at `ends`."""
    for count, at in enumerate(polls(usual, random.Random(seed)), 1):
        if at >= ends:
            return count, at - ends
    raise AssertionError("unreachable")


def test_before_anything_is_learnt_the_pace_is_the_documentations() -> None:
    first = list(islice(polls(None, random.Random(1)), 6))
    gaps = [after - before for before, after in zip([0.0, *first], first, strict=False)]
    assert gaps[0] >= 1.6
    assert all(later >= earlier * 0.6 for earlier, later in pairwise(gaps))
    assert max(gaps) <= 8 * 1.2


def test_a_learnt_six_second_job_costs_at_most_four_polls_and_is_seen_within_a_second() -> None:
    dice = random.Random(7)
    usual = summary([dice.uniform(4.8, 7.2) for _ in range(LEARNT_FROM)])
    seen = [looks(usual, dice.uniform(4.8, 7.2), seed) for seed in range(500)]
    assert statistics.median(late for _, late in seen) <= 1.0
    assert statistics.quantiles([count for count, _ in seen], n=100)[94] <= 4


def test_a_learnt_twenty_second_job_costs_at_most_six_polls() -> None:
    dice = random.Random(3)
    usual = summary([dice.uniform(16, 24) for _ in range(LEARNT_FROM)])
    assert max(looks(usual, dice.uniform(16, 24), seed)[0] for seed in range(200)) <= 6


def test_an_unlearnt_twenty_second_job_costs_at_most_six_polls() -> None:
    assert max(looks(None, 20, seed)[0] for seed in range(200)) <= 6


def test_one_early_finish_does_not_count_as_learnt() -> None:
    assert not Usual(1, 1, 1, LEARNT_FROM - 1).learnt
    assert Usual(1, 1, 1, LEARNT_FROM).learnt


def test_durations_are_learnt_by_kind() -> None:
    durations = Durations()
    small, large = "0.28.1.0.t", "2.28.1.0.t"
    for _ in range(30):
        durations.learn(small, 3.0)
    durations.learn(large, 9.0)
    usual = durations.usual(small)
    assert usual is not None
    assert (usual.mid, usual.count) == (3.0, 30)
    assert durations.usual("another") is None
    assert durations.typical() == 3.0


def test_what_decides_the_time_decides_the_kind() -> None:
    plain = ImageRequest("a", Size(1024, 1024), 1)
    assert kind(plain) == kind(ImageRequest("b", Size(1024, 1024), 2))
    others = [
        ImageRequest("a", Size(512, 512), 1),
        ImageRequest("a", Size(1024, 1024), 1, steps=50),
        ImageRequest("a", Size(1024, 1024), 1, count=4),
        ImageRequest("a", Size(1024, 1024), 1, loras=(Lora("x/y"),)),
        ImageRequest("a", Size(1024, 1024), 1, image="source.png"),
    ]
    assert len({kind(request) for request in (plain, *others)}) == 6


def test_a_twenty_second_job_is_never_silent_for_more_than_six_seconds() -> None:
    age = 0.0
    while age < 20:
        wait = next_tick(age, waiting=False, open_jobs=1)
        assert wait <= 6
        age += wait


def test_many_open_messages_slow_each_other_down() -> None:
    assert next_tick(10, waiting=True, open_jobs=1000) >= 100


@pytest.mark.parametrize("attempt", range(1, 40))
def test_waits_grow_up_to_the_most(attempt: int) -> None:
    assert 0.25 <= backoff(attempt, random.Random(attempt)) <= 30


def test_a_usual_wait_is_only_told_when_something_is_known() -> None:
    assert usual_wait(1, None, 3) is None
    assert usual_wait(1, 6.0, 3) == 12.0
    assert usual_wait(4, 6.0, 3) == 18.0
