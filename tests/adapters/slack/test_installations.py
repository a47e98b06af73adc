"""Workspaces that added Easel: their tokens lie encrypted, under the right key, and go when Easel is removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from slack_bolt.listener.async_builtins import AsyncTokenRevocationListeners
from slack_sdk.oauth.installation_store.models.installation import Installation

from adapters.slack import installations
from adapters.slack.installations import STATE_LIFE, VaultInstallations, VaultStates
from bot.errors import BadSettings, TryAgain
from bot.store import Database
from bot.store.tables import metadata
from bot.store.tables import secrets as sealed
from bot.vault import Vault

KEY = secrets.token_hex(16)


@dataclass
class Time:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'easel.sqlite'}")
    metadata.create_all(made.engine)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def vault(database: Database) -> Vault:
    return Vault(database, [KEY])


@pytest.fixture
def store(vault: Vault) -> VaultInstallations:
    return VaultInstallations(vault, "client.1")


def installed(**changes: Any) -> Installation:
    given: dict[str, Any] = {
        "app_id": "A1",
        "team_id": "T1",
        "team_name": "Acme",
        "bot_token": "xoxb-secret",
        "bot_id": "B1",
        "bot_user_id": "U1",
        "bot_scopes": ["chat:write", "commands"],
        "user_id": "U2",
        "user_token": "xoxp-of-a-person",
        "installed_at": 1_800_000_000.0,
    }
    return Installation(**(given | changes))


async def token(store: VaultInstallations, enterprise: str | None, team: str | None, whole: bool = False) -> str | None:
    bot = await store.async_find_bot(enterprise_id=enterprise, team_id=team, is_enterprise_install=whole)
    return bot.bot_token if bot else None


async def everything(database: Database) -> str:
    statement = sa.select(sealed)
    return str(await database.read(lambda connection: connection.execute(statement).all()))


# ---- installations ----


async def test_a_workspace_is_found_again(store: VaultInstallations, vault: Vault) -> None:
    await store.async_save(installed())
    again = VaultInstallations(vault, "client.1")
    bot = await again.async_find_bot(enterprise_id=None, team_id="T1")
    assert bot is not None
    assert vars(bot) == vars(installed().to_bot())
    assert await token(again, None, "T2") is None


async def test_tokens_lie_encrypted_and_nothing_of_a_person_is_kept(
    store: VaultInstallations, database: Database
) -> None:
    await store.async_save(installed())
    assert "xoxb-secret" not in await everything(database)
    found = await store.async_find_installation(enterprise_id=None, team_id="T1")
    assert found is not None
    assert (found.bot_token, found.user_token, found.user_id) == ("xoxb-secret", None, "")
    assert await store.async_find_installation(enterprise_id=None, team_id="T1", user_id="U2") is None


async def test_the_newest_installation_stands(store: VaultInstallations) -> None:
    await store.async_save(installed())
    await store.async_save(installed(bot_token="xoxb-newer"))
    assert await token(store, None, "T1") == "xoxb-newer"
    assert await store.workspaces() == 1


async def test_who_only_signs_in_changes_nothing(store: VaultInstallations) -> None:
    await store.async_save(installed())
    await store.async_save(installed(bot_token=None))
    assert await token(store, None, "T1") == "xoxb-secret"


async def test_an_organisations_installation_stands_apart_from_its_workspaces(store: VaultInstallations) -> None:
    await store.async_save(installed(enterprise_id="E1", bot_token="xoxb-one"))
    await store.async_save(
        installed(enterprise_id="E1", team_id=None, is_enterprise_install=True, bot_token="xoxb-all")
    )
    assert await token(store, "E1", "T1") == "xoxb-one"
    assert await token(store, "E1", "T1", whole=True) == "xoxb-all"
    assert await token(store, "E1", None, whole=True) == "xoxb-all"
    assert await token(store, "E1", "T2") is None
    assert await token(store, None, "T1") is None
    assert await store.workspaces() == 2


async def test_apps_with_other_client_ids_share_no_tokens(store: VaultInstallations, vault: Vault) -> None:
    await store.async_save(installed())
    assert await token(VaultInstallations(vault, "client.2"), None, "T1") is None


async def test_removing_easel_removes_its_token_there_alone(store: VaultInstallations) -> None:
    await store.async_save(installed())
    await store.async_save(installed(team_id="T2", bot_token="xoxb-other"))
    await store.async_delete_all(enterprise_id=None, team_id="T1")
    assert await token(store, None, "T1") is None
    assert await token(store, None, "T2") == "xoxb-other"


@pytest.mark.parametrize(
    ("revoked", "left"),
    [({"oauth": ["U2"]}, "xoxb-secret"), ({"bot": ["U1"]}, None), ({"oauth": ["U2"], "bot": ["U1"]}, None)],
)
async def test_revoked_tokens_go_as_bolt_tells_it(
    store: VaultInstallations, revoked: dict[str, list[str]], left: str | None
) -> None:
    await store.async_save(installed())
    context: Any = SimpleNamespace(enterprise_id=None, team_id="T1")
    await AsyncTokenRevocationListeners(store).handle_tokens_revoked_events({"tokens": revoked}, context)
    assert await token(store, None, "T1") == left


async def test_an_organisation_that_removes_easel_is_forgotten(store: VaultInstallations) -> None:
    await store.async_save(installed(enterprise_id="E1", team_id=None, is_enterprise_install=True))
    context: Any = SimpleNamespace(enterprise_id="E1", team_id=None)
    await AsyncTokenRevocationListeners(store).handle_app_uninstalled_events(context)
    assert await store.workspaces() == 0


async def test_without_a_key_nothing_is_kept_in_plain_text(database: Database) -> None:
    with pytest.raises(BadSettings, match="EASEL_SECRET_KEY"):
        await VaultInstallations(Vault(database, []), "client.1").async_save(installed())


async def test_with_another_key_the_operator_is_told(store: VaultInstallations, database: Database) -> None:
    await store.async_save(installed())
    other = VaultInstallations(Vault(database, [secrets.token_hex(16)]), "client.1")
    with pytest.raises(BadSettings, match="another key"):
        await token(other, None, "T1")


async def test_nothing_that_is_printed_holds_a_token(store: VaultInstallations, vault: Vault) -> None:
    await store.async_save(installed())
    assert "secret" not in f"{store!r} {vars(store)!r} {vault!r} {vars(vault)!r}"


# ---- states ----


async def test_a_state_is_good_once(vault: Vault) -> None:
    states = VaultStates(vault)
    state = await states.async_issue()
    assert await VaultStates(vault).async_consume(state)
    assert not await states.async_consume(state)


async def test_states_differ(vault: Vault) -> None:
    states = VaultStates(vault)
    assert len({await states.async_issue() for _ in range(20)}) == 20


async def test_a_state_is_good_for_ten_minutes(vault: Vault) -> None:
    time = Time()
    states = VaultStates(vault, clock=time)
    early, late = await states.async_issue(), await states.async_issue()
    time.now += STATE_LIFE
    assert await states.async_consume(early)
    time.now += 1
    assert not await states.async_consume(late)


@pytest.mark.parametrize("state", ["", "x", "9999999999." + "a" * 43, "9999999999." + "a" * 5000, "%", "_" * 54])
async def test_nobody_makes_up_a_state(vault: Vault, state: str) -> None:
    await VaultStates(vault).async_issue()
    assert not await VaultStates(vault).async_consume(state)


async def test_a_state_can_not_be_given_a_longer_life(vault: Vault) -> None:
    states = VaultStates(vault)
    state = await states.async_issue()
    assert not await states.async_consume(f"9999999999{state[10:]}")
    assert await states.async_consume(state)


async def test_a_state_is_good_for_its_own_app_alone(vault: Vault) -> None:
    assert not await VaultStates(vault, "two").async_consume(await VaultStates(vault, "one").async_issue())


async def test_those_that_never_came_back_are_swept(vault: Vault) -> None:
    time = Time()
    states = VaultStates(vault, clock=time)
    for _ in range(5):
        await states.async_issue()
    time.now += STATE_LIFE + 1
    await states.async_issue()
    assert len(await vault.names("slack:state:")) == 1


async def test_they_are_swept_also_where_nobody_sets_out_any_more(vault: Vault) -> None:
    time = Time()
    states = VaultStates(vault, clock=time)
    for _ in range(3):
        await states.async_issue()
    assert await states.sweep() == 0
    time.now += STATE_LIFE + 1
    assert await states.sweep() == 3
    assert await vault.names("slack:state:") == []


async def test_very_many_at_once_are_put_off(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installations, "MOST_STATES", 3)
    time = Time()
    states = VaultStates(vault, clock=time)
    for _ in range(3):
        await states.async_issue()
    with pytest.raises(TryAgain, match="ten minutes"):
        await states.async_issue()
    time.now += STATE_LIFE + 1
    assert await states.async_issue()
