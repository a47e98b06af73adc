"""Which token speaks where: one of the operator's, those of workspaces, those of whole organisations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from slack_sdk.oauth.installation_store.models.bot import Bot

from adapters.slack.api import Api
from adapters.slack.aside import ResponseUrl
from adapters.slack.people import People, Person
from adapters.slack.workspaces import KEPT, Unknown, Workspace, Workspaces
from bot.errors import KeyRefused
from tests.servers.slack import SlackServer


class Kept:
    """What was installed, by organisation, workspace and whether for the whole."""

    def __init__(self, **bots: Bot) -> None:
        self.bots = {("", "T1", False): bots.get("one"), ("E1", None, True): bots.get("whole")}
        self.asked = 0

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool
    ) -> Any:
        self.asked += 1
        return self.bots.get((enterprise_id or "", None if is_enterprise_install else team_id, is_enterprise_install))

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        self.bots[enterprise_id or "", team_id, team_id is None] = None


def bot(token: str) -> Bot:
    return Bot(bot_token=token, bot_id="B1", bot_user_id="UBOT", installed_at=0.0)


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as made:
        yield made


@pytest.fixture
async def api(server: SlackServer) -> AsyncIterator[Api]:
    async with Api(server.api, own=server.url) as made:
        yield made


def test_what_is_logged_of_it_holds_no_token() -> None:
    assert "xoxb" not in repr(Workspace("xoxb-1", "T1", "", "U1", "B1", "easel"))
    assert "hooks" not in repr(ResponseUrl("https://hooks.slack.com/commands/1", 0.0))


async def test_the_operators_token_speaks_everywhere(server: SlackServer, api: Api) -> None:
    workspaces = Workspaces(api, server.team.token)
    await workspaces.login()
    assert (await workspaces.of("T-any")).token == server.team.token
    assert (await workspaces.of(server.team.id)).name == "easel"


async def test_a_wrong_token_is_told_to_the_operator(api: Api) -> None:
    with pytest.raises(KeyRefused, match="SLACK_BOT_TOKEN"):
        await Workspaces(api, "xoxb-wrong").login()


async def test_each_workspace_has_its_own(api: Api) -> None:
    kept = Kept(one=bot("xoxb-one"), whole=bot("xoxb-whole"))
    workspaces = Workspaces(api, "")
    await workspaces.login(cast(Any, kept))
    assert (await workspaces.of("T1")).token == "xoxb-one"
    assert (await workspaces.of("T7", "E1")).token == "xoxb-whole"
    assert (await workspaces.of("T8", "E1")).team == "T8"
    with pytest.raises(Unknown):
        await workspaces.of("T2")


async def test_it_is_found_from_memory_until_it_is_removed(api: Api) -> None:
    kept = Kept(one=bot("xoxb-one"))
    workspaces = Workspaces(api, "")
    await workspaces.login(cast(Any, kept))
    for _ in range(3):
        await workspaces.of("T1")
    assert kept.asked == 1
    await workspaces.removed("T1", "")
    with pytest.raises(Unknown):
        await workspaces.of("T1")


async def test_what_another_process_saw_renewed_or_removed_is_noticed_soon(api: Api) -> None:
    now, kept = 0.0, Kept(one=bot("xoxb-one"))
    workspaces = Workspaces(api, "", clock=lambda: now)
    await workspaces.login(cast(Any, kept))
    assert (await workspaces.of("T1")).token == "xoxb-one"
    kept.bots["", "T1", False] = bot("xoxb-new")
    now = KEPT
    assert (await workspaces.of("T1")).token == "xoxb-new"
    kept.bots["", "T1", False] = None
    now = 2 * KEPT
    with pytest.raises(Unknown):
        await workspaces.of("T1")


async def test_the_operators_token_stays_in_its_own_workspace_beside_others(server: SlackServer, api: Api) -> None:
    workspaces = Workspaces(api, server.team.token)
    await workspaces.login(cast(Any, Kept(one=bot("xoxb-one"))))
    assert (await workspaces.of(server.team.id)).token == server.team.token
    assert (await workspaces.of("T1")).token == "xoxb-one"
    with pytest.raises(Unknown):
        await workspaces.of("T2")


async def test_bolt_is_answered_without_a_request_to_slack(server: SlackServer, api: Api) -> None:
    workspaces = Workspaces(api, "")
    await workspaces.login(cast(Any, Kept(one=bot("xoxb-one"))))
    context = SimpleNamespace()
    found = await workspaces(context=context, enterprise_id=None, team_id="T1", user_id="U1")
    assert found is not None
    assert (found.bot_token, found.bot_user_id) == ("xoxb-one", "UBOT")
    assert await workspaces(context=context, enterprise_id=None, team_id="T2", user_id="U1") is None
    assert not server.requests


# ---- people ----


async def test_people_are_remembered_for_a_while(server: SlackServer, api: Api) -> None:
    workspaces = Workspaces(api, server.team.token)
    await workspaces.login()
    workspace, ana = await workspaces.of(server.team.id), server.user("ana", admin=True)
    now = 0.0
    people = People(api, lambda: now)
    assert await people.person(workspace, ana.id) == Person("ana", True)
    ana.admin = False
    assert (await people.person(workspace, ana.id)).admin
    now = 700.0
    assert not (await people.person(workspace, ana.id)).admin
    assert await people.person(workspace, "U-nobody") == Person()
    server.violations.clear()
    direct = await people.direct(workspace, ana.id)
    assert direct == await people.direct(workspace, ana.id) == server.direct(ana).id
    assert server.requests["conversations.open"] == 1


def test_an_organisations_admin_is_one() -> None:
    assert Person.read({"name": "ana", "enterprise_user": {"is_admin": True}}).admin
    assert Person.read({"name": "ana", "profile": {"display_name": "Ana B"}}) == Person("Ana B")
