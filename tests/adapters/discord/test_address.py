from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from adapters.discord.address import Address, born, message_of

Make = Callable[..., Address]


def test_an_address_survives_as_text(address: Make) -> None:
    made = address(ephemeral=True, outside=True, limit=5)
    assert Address.parse(str(made)) == made


def test_a_cleared_address_holds_no_token_and_the_same_message(address: Make) -> None:
    made = address()
    cleared = made.cleared()
    assert "interaction-token" not in str(cleared)
    assert cleared.key == made.key == "discord:500:900"
    assert Address.parse(str(cleared)) == cleared


def test_a_key_holds_no_token(address: Make) -> None:
    assert "interaction-token" not in address().key


@pytest.mark.parametrize("text", ["", "{}", "[]", "no", '{"zz":1}', "slack:1:2"])
def test_another_text_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- json's own words or ours
        Address.parse(text)


def test_an_address_and_a_key_name_the_same_message(address: Make) -> None:
    assert message_of(str(address())) == message_of(address().key) == ("500", "900")


def test_a_message_that_the_bot_can_edit_never_closes(address: Make) -> None:
    assert address().closes_at is None
    assert not address().token_only


@pytest.mark.parametrize("flag", ["ephemeral", "outside"])
def test_a_message_that_only_the_token_can_edit_closes_with_it(address: Make, flag: str) -> None:
    made = address(**{flag: True, "expires": 1_800_000_000.0})
    assert made.closes_at == datetime.fromtimestamp(1_800_000_000, UTC)


def test_a_token_counts_down(address: Make) -> None:
    made = address(left=100)
    assert made.token_left(time.time()) == pytest.approx(100, abs=1)
    assert made.cleared().token_left(0) == 0


def test_a_snowflake_says_when_it_was_made() -> None:
    assert born("175928847299117063") == pytest.approx(1462015105.796)  # the example of Discord's documentation


def test_the_text_is_short(address: Make) -> None:
    assert len(str(address())) < 300
    json.loads(str(address()))
