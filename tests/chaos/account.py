"""The account of a run: what became of every job that was accepted, and what was paid for nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.wavespeed.simulator import Simulator
from bot.standing import STEP_DOWN
from tests.chaos.books import Line
from tests.chaos.people import Ask, Seen, numbers_in, prompt_of
from tests.chaos.pictures import number_in

LOST_WORD = "got lost on the way"
RESUMED_WITHIN = 5.0
"""Seconds from a start until what a crash left is gone on with, without those in which it waited for a CPU."""
ADOPTED_WITHIN = 2.0
"""Seconds after the dead time."""


@dataclass(slots=True)
class Account:
    """Counts of jobs. All but `jobs`, `uncertain`, `refused` and the times have to be 0; `doubts` bounds `uncertain`."""

    kind: str
    seed: int
    database: str = "sqlite"
    chats: str = "discord"
    jobs: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    two: int = 0
    failed: int = 0
    untold: int = 0
    uncertain: int = 0
    doubts: int = 0
    crashes: int = 0
    refused: int = 0
    resumed: list[tuple[float, float]] = field(default_factory=list)
    adopted: list[float] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    """What went wrong, for people; empty in a good run."""

    def problem(self, what: str, count: int = 1) -> None:
        """`what` begins with the name of the count that it belongs to, where there is one."""
        name = what.partition(":")[0]
        if name in ("lost", "twice", "wrong", "two", "failed", "untold"):
            setattr(self, name, getattr(self, name) + count)
        self.problems.append(what)

    @property
    def good(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Evidence:
    """`lines` and `asked` by number; `seen` is everything visible."""

    asked: Mapping[int, Ask]
    lines: Mapping[int, Sequence[Line]]
    seen: Sequence[Seen]
    simulator: Simulator


def settle(account: Account, evidence: Evidence) -> Account:
    """Hold what is seen, what is written and what was paid against each other."""
    paid, seen = _paid(evidence.simulator), _by_number(evidence.seen)
    for number, lines in evidence.lines.items():
        _job(account, number, lines, seen.get(number, []), paid)
    for number in evidence.asked.keys() - evidence.lines.keys():
        _never_accepted(account, number, seen.get(number, []), paid)
    _whole_book(account, evidence, paid)
    account.jobs = len(evidence.lines)
    account.refused = len(evidence.asked) - len(evidence.lines)
    if account.uncertain > account.doubts:
        account.problem(f"{account.uncertain} uncertain, of at most {account.doubts}")
    return account


def ended(account: Account) -> None:
    """Hold against it what ended by itself, but for whoever stepped down."""
    if codes := [code for code in account.exits if code != STEP_DOWN]:
        account.problem(f"processes ended by themselves: {codes}")


def time_out(account: Account, dead_time: float) -> None:
    """Hold how long people waited for a process that was gone against what is promised."""
    for seconds in account.adopted:
        if seconds > dead_time + ADOPTED_WITHIN:
            account.problem(f"adopted after {seconds:.1f} s, of at most {dead_time + ADOPTED_WITHIN:g} s")
    for _, seconds in account.resumed:
        if seconds > RESUMED_WITHIN:
            account.problem(f"resumed after {seconds:.1f} s, of at most {RESUMED_WITHIN:g} s")


def _paid(simulator: Simulator) -> dict[str, list[str]]:
    """Prediction ids by prompt: what the API charged."""
    found: dict[str, list[str]] = {}
    for submit in simulator.submits:
        if submit.id in simulator.charged:
            found.setdefault(submit.inputs["prompt"], []).append(submit.id)
    return found


def _by_number(seen: Sequence[Seen]) -> dict[int, list[Seen]]:
    """What is said about each; a message that names two is said about both."""
    found: dict[int, list[Seen]] = {}
    for each in seen:
        for number in numbers_in(each.text):
            found.setdefault(number, []).append(each)
    return found


def _job(account: Account, number: int, lines: Sequence[Line], seen: list[Seen], paid: dict[str, list[str]]) -> None:
    line, predictions = lines[0], paid.get(prompt_of(number), [])
    if len(lines) > 1:
        account.problem(f"twice: {number} was accepted as {[each.job_id for each in lines]}")
    if len(predictions) > 1:
        account.problem(f"twice: {number} was paid as {predictions}")
    if not line.closed or not seen or not all(each.final for each in seen):
        account.problem(f"lost: {number}, {line}, seen {seen_briefly(seen)}")
    if len(seen) > 1:
        account.problem(f"two: answers to {number}: {seen_briefly(seen)}")
    _money(account, number, line, predictions)
    _answer(account, number, line, seen)


def _money(account: Account, number: int, line: Line, predictions: list[str]) -> None:
    if line.prediction and line.prediction not in predictions:
        account.problem(f"wrong: the ledger of {number} has {line.prediction}, paid for it: {predictions}")
    if predictions and not line.prediction and line.money not in ("uncertain", "posting"):
        account.problem(f"the ledger of {number} knows nothing of {predictions}: {line.money}")
    if line.end == "finished" and not predictions:
        account.problem(f"{number} is finished and was never paid for")


def _answer(account: Account, number: int, line: Line, seen: list[Seen]) -> None:
    """One that is told of in any other way than by its picture has to be uncertain."""
    for each in seen:
        if any(number_in(picture) != number for picture in each.pictures):
            account.problem(f"wrong: {number} shows {[number_in(picture) for picture in each.pictures]}")
    if line.end == "uncertain":
        account.uncertain += 1
        if not any(LOST_WORD in each.text for each in seen):
            account.problem(f"untold: {number} is uncertain, seen {seen_briefly(seen)}")
    elif line.end == "finished":
        if seen and not any(each.pictures for each in seen):
            account.problem(f"lost: the picture of {number}, seen {seen_briefly(seen)}")
    elif line.end:
        account.problem(f"failed: {number} ended as {line.end}, {line.why}, seen {seen_briefly(seen)}")


def _never_accepted(account: Account, number: int, seen: list[Seen], paid: dict[str, list[str]]) -> None:
    """Whoever was not accepted may see a message that never grows, and pays nothing."""
    if prompt_of(number) in paid:
        account.problem(f"{number} was paid for and never accepted")
    if any(each.pictures for each in seen):
        account.problem(f"{number} was answered and never accepted")


def _whole_book(account: Account, evidence: Evidence, paid: dict[str, list[str]]) -> None:
    owners = Counter(line.prediction for lines in evidence.lines.values() for line in lines if line.prediction)
    for prediction, count in owners.items():
        if count > 1:
            account.problem(f"twice: {prediction} is owned by {count} jobs")
    known = {prompt_of(number) for number in evidence.asked}
    for prompt in paid.keys() - known:
        account.problem(f"paid for what nobody asked: {prompt}")
    if evidence.simulator.leaks:
        account.problem(f"the key was sent to {evidence.simulator.leaks[:3]}")


def seen_briefly(seen: Sequence[Seen]) -> list[str]:
    return [f"{each.mark}: {each.text[:60]!r}, {len(each.pictures)} pictures" for each in seen]
