"""People take turns at the gate, and nobody passes beyond a limit."""

from hypothesis import given
from hypothesis import strategies as st

from bot.gate import Entrant, Gate


def gate(*entrants: tuple[str, str, int], per_person: int = 3, cap: int = 100) -> Gate:
    made = Gate(per_person, cap)
    for job_id, person, pictures in entrants:
        made.join(Entrant(job_id, person, pictures))
    return made


def drain(made: Gate) -> list[str]:
    passed = []
    while entrant := made.next():
        passed.append(entrant.job_id)
    return passed


def test_one_persons_fifty_jobs_dont_hold_up_anothers_first() -> None:
    made = gate(*[(f"a{n}", "anna", 1) for n in range(50)], ("b0", "ben", 1), cap=2)
    assert drain(made) == ["a0", "b0"]


def test_no_more_than_the_limit_of_one_person_run_at_once() -> None:
    made = gate(*[(f"a{n}", "anna", 1) for n in range(5)])
    assert drain(made) == ["a0", "a1", "a2"]
    assert made.of("anna") == (3, 2)
    made.leave("a1")
    assert drain(made) == ["a3"]


def test_the_cap_counts_pictures_not_jobs() -> None:
    made = gate(("a", "anna", 4), ("b", "ben", 4), ("c", "carl", 1), cap=6)
    assert drain(made) == ["a"]  # and c does not overtake b: a large job would never get in
    made.leave("a")
    assert drain(made) == ["b", "c"]


def test_a_job_larger_than_the_whole_cap_passes_alone() -> None:
    made = gate(("a", "anna", 4), cap=3)
    assert drain(made) == ["a"]


def test_leaving_the_queue_moves_the_others_up() -> None:
    made = gate(("a0", "anna", 1), ("b0", "ben", 1), ("a1", "anna", 1), cap=1)
    assert drain(made) == ["a0"]
    assert made.places() == {"b0": 1, "a1": 2}
    assert made.is_waiting("b0")
    assert made.leave("b0")
    assert made.places() == {"a1": 1}
    assert not made.leave("never was here")


def test_places_are_by_turns() -> None:
    made = gate(("a0", "anna", 1), ("a1", "anna", 1), ("b0", "ben", 1))
    assert made.places() == {"a0": 1, "b0": 2, "a1": 3}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()), max_size=40),
    st.integers(1, 3),
    st.integers(1, 8),
)
def test_whatever_comes_the_limits_hold_and_everyone_gets_in(
    arrivals: list[tuple[str, int, bool]], per_person: int, cap: int
) -> None:
    made = Gate(per_person, cap)
    inside: dict[str, Entrant] = {}
    passed = 0

    def let_in() -> None:
        nonlocal passed
        while entrant := made.next():
            inside[entrant.job_id] = entrant
            passed += 1
            people = [other.person for other in inside.values()]
            assert people.count(entrant.person) <= per_person
            assert len(inside) == 1 or sum(other.pictures for other in inside.values()) <= cap

    for number, (person, pictures, one_leaves) in enumerate(arrivals):
        made.join(Entrant(str(number), person, pictures))
        let_in()
        if one_leaves and inside:
            made.leave(next(iter(inside)))
            inside.pop(next(iter(inside)))
            let_in()
    while inside:
        made.leave(next(iter(inside)))
        inside.pop(next(iter(inside)))
        let_in()
    assert passed == len(arrivals)
    assert made.running == made.waiting == 0
