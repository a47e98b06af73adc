from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.errors import BadSettings
from bot.store import Database
from bot.store.migrate import upgrade
from bot.store.tables import secrets
from bot.vault import Vault

OLD, NEW = "o" * 32, "n" * 32
TOKEN = "xoxb-sesame"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'easel.sqlite'}")
    else:
        made = Database(request.getfixturevalue("postgres_url"))
    upgrade(made)
    yield made
    made.close()


async def test_what_is_put_is_got_and_lies_encrypted(database: Database) -> None:
    vault = Vault(database, [NEW])
    await vault.put("slack:T1", TOKEN)
    await vault.put("slack:T1", TOKEN + "2")
    assert await vault.get("slack:T1") == TOKEN + "2"
    assert await vault.get("slack:T2") is None
    sealed = await database.read(lambda connection: connection.execute(sa.select(secrets.c.sealed)).scalar_one())
    assert "sesame" not in sealed


async def test_names_are_listed_by_their_beginning(database: Database) -> None:
    vault = Vault(database, [NEW])
    for name in ("b:2", "a_1", "ax1", "b:1"):
        await vault.put(name, TOKEN)
    assert await vault.names("b:") == ["b:1", "b:2"]
    assert await vault.names("a_") == ["a_1"]
    await vault.remove("b:1")
    assert await vault.names("b:") == ["b:2"]


async def test_what_is_taken_is_gone(database: Database) -> None:
    vault = Vault(database, [NEW])
    await vault.put("state", TOKEN)
    assert await vault.take("state") == TOKEN
    assert await vault.take("state") is None


async def test_a_key_is_changed_by_putting_the_new_one_first(database: Database) -> None:
    await Vault(database, [OLD]).put("a", TOKEN)
    both = Vault(database, [NEW, OLD])
    assert await both.get("a") == TOKEN
    await both.put("a", TOKEN)
    assert await Vault(database, [NEW]).get("a") == TOKEN


async def test_another_key_says_what_to_do(database: Database) -> None:
    await Vault(database, [OLD]).put("a", TOKEN)
    with pytest.raises(BadSettings, match="EASEL_SECRET_KEY"):
        await Vault(database, [NEW]).get("a")


async def test_without_a_key_nothing_is_kept_in_the_open(database: Database) -> None:
    vault = Vault(database, [])
    assert vault.locked
    with pytest.raises(BadSettings, match="openssl"):
        await vault.put("a", TOKEN)
    assert await vault.get("never put") is None
