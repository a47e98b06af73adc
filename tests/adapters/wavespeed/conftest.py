"""What the tests of the WaveSpeedAI client share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture
def impatient() -> Iterator[None]:
    """Repeats come as often as usual, but at once."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield
