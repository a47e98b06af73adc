from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.house import House, house


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.chdir(tmp_path)  # no stray .env is read
    with house(tmp_path) as made:
        yield made
