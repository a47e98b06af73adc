"""Who may ask how much, and where a flagged picture may show."""

import pytest

from bot.accounts import Accounts
from bot.errors import BudgetReached, LimitReached
from bot.guard import Limits, Policy, Showing, Usage
from bot.images import Flag
from bot.jobs import Place
from bot.ledger import DAY, Entry, State

LIMITS = Limits(per_person=3, queue_per_person=20, per_day=100, budget=10.0)
OPEN = Place("double", "c", "1")
ADULT = Place("double", "c", "2", age_restricted=True)


@pytest.mark.parametrize(
    ("usage", "error"),
    [
        (Usage(3, 20, 0, 0), LimitReached),
        (Usage(0, 23, 0, 0), LimitReached),
        (Usage(0, 0, 97, 0), LimitReached),
        (Usage(0, 0, 0, 9.99), BudgetReached),
        (Usage(3, 19, 96, 9.94), None),
    ],
)
def test_limits(usage: Usage, error: type[Exception] | None) -> None:
    if error is None:
        LIMITS.check(usage, pictures=4, price=0.06)
    else:
        with pytest.raises(error):
            LIMITS.check(usage, pictures=4, price=0.06)


def test_a_budget_can_be_spent_to_the_last_cent() -> None:
    spent = sum([0.015] * 665)
    LIMITS.check_budget(spent, 10.0 - 0.015 * 665)


def test_accounts_count_a_person_and_everyone_for_a_day() -> None:
    now = 1000.0
    accounts = Accounts(lambda: now)
    accounts.charge("j1", "anna", 4, 0.06)
    now += DAY / 2
    accounts.charge("j2", "anna", 1, 0.015)
    accounts.charge("j3", "ben", 2, 0.03)
    assert (accounts.pictures("anna"), accounts.pictures("ben")) == (5, 2)
    assert accounts.dollars == pytest.approx(0.105)
    now += DAY / 2 + 1
    assert accounts.pictures("anna") == 1
    assert accounts.dollars == pytest.approx(0.045)


def test_a_job_is_charged_once_and_given_back_once() -> None:
    accounts = Accounts(lambda: 0.0)
    accounts.charge("j", "anna", 4, 0.06)
    accounts.charge("j", "anna", 4, 0.06)
    assert accounts.pictures("anna") == 4
    accounts.give_back("j")
    accounts.give_back("j")
    assert (accounts.pictures("anna"), accounts.dollars) == (0, 0.0)


def test_an_uncertain_job_counts_against_the_budget_only() -> None:
    accounts = Accounts(lambda: 0.0)
    accounts.charge("j", "anna", 4, 0.06)
    accounts.forgive("j")
    assert (accounts.pictures("anna"), accounts.dollars) == (0, 0.06)
    again = Accounts(lambda: 0.0)
    again.refill([Entry("j", "anna", State.UNCERTAIN, 4, 0.06, 0.0, None, None)])
    assert (again.pictures("anna"), again.dollars) == (0, 0.06)


@pytest.mark.parametrize(
    ("policy", "flag", "place", "wish", "showing"),
    [
        (Policy(), Flag.NO, OPEN, False, Showing.OPEN),
        (Policy(), Flag.NO, OPEN, True, Showing.HIDDEN),
        (Policy(), Flag.YES, OPEN, False, Showing.HIDDEN),
        (Policy(), Flag.YES, ADULT, False, Showing.HIDDEN),
        (Policy(), Flag.UNKNOWN, OPEN, False, Showing.HIDDEN),
        (Policy(unknown="show"), Flag.UNKNOWN, OPEN, False, Showing.OPEN),
        (Policy(unknown="show"), Flag.UNKNOWN, OPEN, True, Showing.HIDDEN),
        (Policy("age_restricted"), Flag.YES, OPEN, False, Showing.WITHHELD),
        (Policy("age_restricted"), Flag.YES, OPEN, True, Showing.WITHHELD),
        (Policy("age_restricted"), Flag.YES, ADULT, False, Showing.HIDDEN),
        (Policy("block"), Flag.YES, ADULT, False, Showing.WITHHELD),
        (Policy("block"), Flag.NO, OPEN, False, Showing.OPEN),
    ],
)
def test_where_a_picture_may_show(policy: Policy, flag: Flag, place: Place, wish: bool, showing: Showing) -> None:
    assert policy.shows(flag, place, spoiler=wish) is showing


def test_all_of_a_platforms_people_are_counted_together() -> None:
    now = 0.0
    accounts = Accounts(lambda: now)
    accounts.charge("1", "web:ana", 2, 0.0)
    accounts.charge("2", "web:ben", 1, 0.0)
    accounts.charge("3", "discord:1", 4, 0.0)
    assert (accounts.pictures_of("web"), accounts.pictures_of("discord"), accounts.pictures_of("slack")) == (3, 4, 0)
    accounts.give_back("1")
    accounts.forgive("3")
    assert (accounts.pictures_of("web"), accounts.pictures_of("discord")) == (1, 0)
    now = 25 * 3600.0
    assert accounts.pictures_of("web") == 0
