from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.offers import Offers, pack, unpack
from adapters.slack.render import MAX_VALUE, button
from bot.errors import BadRequest
from commands import CATALOGUE, command
from commands.spec import Attachment, Where

IMAGINE = command("imagine", Where.SLASH)
VALUES = st.one_of(
    st.text(max_size=50),
    st.integers(),
    st.booleans(),
    st.builds(Attachment, st.just("F1"), st.just("a"), st.integers(0, 99)),
)


@given(st.dictionaries(st.sampled_from(["prompt", "image", "seed", "private"]), VALUES))
def test_what_was_asked_fits_on_a_button_and_comes_back(options: dict[str, object]) -> None:
    offers = Offers(CATALOGUE)
    made = button(offers.button(IMAGINE, options))
    assert offers.taken(made["value"].rpartition(":")[0]) == (IMAGINE, options)


def test_a_long_one_is_kept_here_until_a_restart() -> None:
    offers = Offers(CATALOGUE)
    options = {"prompt": "fox " * 600}
    value = button(offers.button(IMAGINE, options))["value"]
    assert len(value) < MAX_VALUE
    assert offers.taken(value.rpartition(":")[0]) == (IMAGINE, options)
    with pytest.raises(BadRequest, match="once more"):
        Offers(CATALOGUE).taken(value.rpartition(":")[0])


@given(st.text(max_size=100))
def test_nonsense_is_refused_kindly(text: str) -> None:
    with pytest.raises(BadRequest):
        Offers(CATALOGUE).taken(text)


def test_two_of_one_name_are_told_apart() -> None:
    assert unpack(pack(command("edit", Where.BUTTON), {"job": "J"})) == ("button", "edit", {"job": "J"})
