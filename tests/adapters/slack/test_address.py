from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.address import Address, message_of

WORD = st.text(max_size=20)
ADDRESSES = st.builds(
    Address,
    channel=st.text(min_size=1, max_size=20),
    requester=WORD,
    team=WORD,
    enterprise=WORD,
    message=WORD,
    thread=WORD,
    nonce=WORD,
    files=st.lists(WORD.filter(bool), max_size=4).map(tuple),
    sharing=st.floats(0, 2e9),
    uploads=st.integers(0, 9),
)


@given(ADDRESSES)
def test_it_outlives_the_process(address: Address) -> None:
    if address.requester:
        assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "[1]", '{"x": 1}', "discord:1:2"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Address.parse(text)


def test_it_is_shared_only_once_it_is_closed() -> None:
    open_ = Address("C1", "U1", nonce="n", files=("F1",), sharing=5.0)
    assert not open_.shared
    assert open_.closed().shared
    assert not Address("C1", "U1").closed().shared


def test_its_key_names_the_message() -> None:
    assert Address("C1", "U1", message="1.2").key == "slack:C1:1.2"
    assert message_of("slack:C1:1.2") == ("C1", "1.2")
    assert message_of(str(Address("C1", "U1", message="1.2"))) == ("C1", "1.2")
    assert Address("C1", "U1", nonce="abc").key == "slack:C1:~abc"
    assert Address("C1", "U1", files=("F1", "F2")).key == "slack:C1:~F1-F2"
