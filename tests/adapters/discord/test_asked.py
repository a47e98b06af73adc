"""An interaction read as facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.discord.address import EPOCH_MS
from adapters.discord.asked import Asked, Lateness
from bot.jobs import Place, Requester

Make = Callable[..., dict[str, Any]]


def nowhere(_channel: int) -> bool:
    return False


def test_the_requester_is_the_member_or_the_user(interaction: Make) -> None:
    assert Asked(interaction()).requester == Requester("discord", "42", "Ada")
    alone = interaction(member=None, user={"id": "7", "username": "bob", "global_name": None}, guild_id=None)
    assert Asked(alone).requester == Requester("discord", "7", "bob")


def test_the_place_is_server_and_channel(interaction: Make) -> None:
    assert Asked(interaction()).place(nowhere) == Place("discord", "300", "500", False)
    assert Asked(interaction(guild_id=None)).place(nowhere).community is None


def test_a_channel_says_itself_that_it_is_age_restricted(interaction: Make) -> None:
    asked = Asked(interaction(channel={"id": "500", "type": 0, "nsfw": True}))
    assert asked.place(nowhere).age_restricted


@pytest.mark.parametrize("restricted", [True, False])
def test_a_thread_has_its_parents_restriction(interaction: Make, restricted: bool) -> None:
    asked = Asked(interaction(channel={"id": "500", "type": 11, "parent_id": "499"}))
    assert asked.place(lambda channel: restricted and channel == 499).age_restricted is restricted


def test_what_is_not_known_is_not_age_restricted(interaction: Make) -> None:
    assert not Asked(interaction(channel={"id": "500", "type": 11})).place(lambda _: True).age_restricted
    assert not Asked(interaction(channel=None)).place(lambda _: True).age_restricted


@pytest.mark.parametrize(("rights", "expected"), [(0, False), (1 << 13, True), (1 << 3, True), (1 << 11, False)])
def test_who_may_manage_messages_moderates(interaction: Make, rights: int, expected: bool) -> None:
    member = {"user": {"id": "42", "username": "ada"}, "permissions": str(rights)}
    assert Asked(interaction(member=member)).moderates is expected


def test_nobody_moderates_in_direct_messages(interaction: Make) -> None:
    assert not Asked(interaction(member=None, user={"id": "1"}, guild_id=None)).moderates


def test_missing_permissions_are_named_in_discords_words(interaction: Make) -> None:
    assert Asked(interaction()).missing_permissions == ()
    assert Asked(interaction(app_permissions="0")).missing_permissions == (
        "View Channel",
        "Send Messages",
        "Attach Files",
    )
    assert Asked(interaction(app_permissions=str(1 << 3))).missing_permissions == ()


def test_in_a_thread_the_bot_must_be_allowed_to_write_in_threads(interaction: Make) -> None:
    channel = {"id": "500", "type": 11, "parent_id": "499"}
    rights = str((1 << 10) | (1 << 11) | (1 << 15))
    assert Asked(interaction(channel=channel, app_permissions=rights)).missing_permissions == (
        "Send Messages in Threads",
    )


def test_where_a_person_brought_the_app_only_files_matter(interaction: Make) -> None:
    owners = {"1": "42"}
    assert Asked(interaction(authorizing_integration_owners=owners, app_permissions="0")).missing_permissions == (
        "Attach Files",
    )
    assert Asked(interaction(guild_id=None, app_permissions="0")).missing_permissions == ()


@pytest.mark.parametrize(
    ("changes", "outside"),
    [
        ({}, False),
        ({"authorizing_integration_owners": {"1": "42"}}, True),
        ({"authorizing_integration_owners": {"0": "300", "1": "42"}}, False),
        ({"guild_id": None, "context": 1, "authorizing_integration_owners": {"1": "42"}}, False),
        ({"guild_id": None, "context": 2, "authorizing_integration_owners": {"1": "42"}}, True),
    ],
)
def test_whether_the_bot_itself_is_there(interaction: Make, changes: dict[str, Any], outside: bool) -> None:
    assert Asked(interaction(**changes)).outside is outside


def test_an_address_ends_fifteen_minutes_after_the_interaction(interaction: Make) -> None:
    asked = Asked(interaction(id=str((1_700_000_000_000 - EPOCH_MS) << 22), attachment_size_limit=52428800))
    address = asked.address("900", private=True)
    assert address.expires == 1_700_000_900
    assert (address.ephemeral, address.limit, address.nonce) == (True, 52428800, asked.id)
    assert len(address.nonce) <= 25


def test_an_interaction_that_is_repeated_late_is_noticed() -> None:
    lateness = Lateness()
    assert lateness.of(100.0, 100.1) < 0.2
    assert lateness.of(200.0, 204.0) > 3.5


@pytest.mark.parametrize("skew", [-30.0, 30.0])
def test_a_wrong_clock_of_ours_costs_at_most_the_first(skew: float) -> None:
    lateness = Lateness()
    lateness.of(100.0, 100.1 + skew)
    assert lateness.of(200.0, 200.1 + skew) == pytest.approx(0)
    assert lateness.of(300.0, 304.0 + skew) > 3.5


def test_a_clock_that_was_set_meanwhile_is_learnt() -> None:
    lateness = Lateness(remember=4)
    lateness.of(0.0, 0.1)
    for second in range(1, 6):
        last = lateness.of(float(second), second + 60.1)
    assert last == pytest.approx(0)
