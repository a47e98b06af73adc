from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.pace import Each, Lane, Lateness, Rush, Seen, Window, held, part_of, state
from bot import cards
from bot.cards import Card
from bot.jobs import Checking, Generating, Waiting
from tests.bot.making import job


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_minute_has_more_than_its_edits(gaps: list[float]) -> None:
    window, now, taken = Window(30), 0.0, []
    for gap in gaps:
        now += gap
        if window.take(now):
            taken.append(now)
    assert all(sum(start <= at < start + 60 for at in taken) <= 30 for start in taken)


def test_slack_may_close_it_for_a_while() -> None:
    window = Window(30)
    window.pause(0.0, 10.0)
    assert not window.take(9.9)
    assert window.take(10.0)


def test_posts_keep_to_one_a_second_after_a_burst() -> None:
    lane, now, starts = Lane(), 100.0, []
    for _ in range(8):
        now += lane.wait(now)
        lane.enter(now)
        starts.append(now - 100.0)
    assert starts == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    lane.pause(now, 30.0)
    assert lane.wait(now) == 30.0


def test_each_key_has_its_own_and_the_oldest_go() -> None:
    each: Each[list[int]] = Each(list, most=2)
    each["a"].append(1)
    each["b"].append(2)
    assert each["a"] == [1]
    each["c"].append(3)
    assert each["b"] == []
    assert each["c"] == [3]


def test_what_was_seen_is_known_for_a_while() -> None:
    seen = Seen(10.0, most=3)
    assert not seen.again("a", 0.0)
    assert seen.again("a", 9.0)
    assert not seen.again("a", 10.1)
    for number in range(5):
        assert not seen.again(f"b{number}", 11.0)
    assert not seen.again("a", 11.0)


def test_lateness_needs_no_right_clock() -> None:
    lateness = Lateness()
    assert lateness.of(born=1000.0, now=1300.0) == 0.0
    assert lateness.of(born=1001.0, now=1301.5) == 0.5
    assert lateness.of(born=1002.0, now=1310.0) == 8.0


def test_a_rush_lets_acknowledgements_go_first() -> None:
    rush = Rush(many=3, within=0.1)
    rush.note(0.0)
    rush.note(0.0)
    assert rush.wait(0.0) == 0.0
    rush.note(0.05)
    assert rush.wait(0.05) > 0
    assert rush.wait(0.2) == 0.0


def test_only_a_change_of_state_is_one() -> None:
    asked = job()

    def seen(progress: Waiting | Generating | Checking) -> tuple[object, ...]:
        return state(cards.progress(asked, progress))

    assert seen(Waiting(3, 12.0)) == seen(Waiting(1, 4.0))
    assert seen(Generating(0.2, 8.0)) == seen(Generating(7.0, 8.0)) == seen(Generating(150.0, 9.0))
    assert len({seen(Waiting(1, None)), seen(Generating(1, None)), seen(Checking())}) == 3
    assert state(Card("Step 1")) != state(Card("Step 2"))


def test_what_slack_holds_up_comes_back_one_by_one() -> None:
    found = held("chat.update")
    assert [found.wait(0.0), found.wait(0.0)] == [0.0, 0.0]
    found.enter(0.0)
    for _ in range(5):  # each of five that were on their way is told the same
        found.pause(1.0, 10.0)
    starts = []
    for _ in range(3):
        starts.append(1.0 + found.wait(1.0))
        found.enter(1.0)
    assert starts == pytest.approx([11.0, 12.2, 13.4])


def test_after_a_minute_without_a_word_it_is_as_before() -> None:
    found = held("files.info")
    found.pause(0.0, 5.0)
    assert found.wait(64.9) == 0.0
    found.enter(64.9)
    assert found.wait(64.9) > 0
    assert found.wait(65.1) == 0.0


def test_processes_share_what_all_of_them_have_together() -> None:
    assert [part_of(30, processes) for processes in (1, 2, 4, 64)] == [30, 15, 7, 1]
    assert part_of(0, 4) == 0
