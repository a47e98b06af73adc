"""The points at which a process is killed are there."""

from __future__ import annotations

import importlib
import inspect

import pytest

from tests.chaos.kills import POINTS
from tests.scenarios.fatal import PLACES


@pytest.mark.parametrize("point", sorted({point for points in POINTS.values() for point in points}))
def test_a_point_is_a_coroutine_of_the_bots(point: str) -> None:
    owner, method = point.split(" ")[1].split(".")
    assert inspect.iscoroutinefunction(getattr(getattr(importlib.import_module(PLACES[owner]), owner), method))
