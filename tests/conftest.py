"""What tests of several folders share."""

from collections.abc import Iterator

import pytest

from tests.servers.postgres import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres, started when the first test asks for it."""
    with postgres() as url:
        yield url
