from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.web.house import Playground


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no stray .env is read


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Playground]:
    async with Playground(tmp_path) as made:
        yield made
