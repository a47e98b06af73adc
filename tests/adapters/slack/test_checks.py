"""What `doctor` says of Slack, against a local one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.slack import names
from adapters.slack.checks import diagnose
from adapters.slack.settings import SlackSettings
from bot.doctor import Check
from tests.servers.slack import SlackServer


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no stray .env is read
    for name in ("SLACK_MODE", "SLACK_BOT_TOKEN", "SLACK_CLIENT_ID", "EASEL_PUBLIC_URL", "EASEL_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as made:
        assert made.team.install is not None
        made.team.install.scopes = frozenset(names.SCOPES)
        yield made


def chosen(server: SlackServer, **changes: Any) -> SlackSettings:
    given: dict[str, Any] = {
        "bot_token": server.team.token,
        "app_token": server.app_token,
        "signing_secret": "0123456789abcdef" * 2,
        "api_base": server.url,
    }
    return SlackSettings(**(given | changes))


async def checks(server: SlackServer, **changes: Any) -> dict[str, Check]:
    settings = chosen(server, **changes)
    found = await diagnose(settings)
    told = "\n".join(map(str, found))
    for secret in (settings.bot_token, settings.app_token, settings.signing_secret, settings.client_secret):
        assert not secret.get_secret_value() or secret.get_secret_value() not in told
    return {check.name: check for check in found}


async def test_all_is_well(server: SlackServer) -> None:
    found = await checks(server)
    assert [str(check) for check in found.values() if not check.ok] == []
    assert list(found) == ["Slack token", "Slack scopes", "Slack channels", "Slack socket"]
    assert f"in {server.team.name}" in found["Slack token"].advice
    assert server.violations == []


async def test_a_refused_token_says_where_to_copy_it(server: SlackServer) -> None:
    found = await checks(server, bot_token="xoxb-wrong")
    assert not found["Slack token"].ok
    assert "SLACK_BOT_TOKEN" in found["Slack token"].advice
    assert found["Slack socket"].ok, "what can be looked at is looked at all the same"


async def test_a_persons_token_is_told_from_the_bots(server: SlackServer) -> None:
    server.web.methods["auth.test"] = type(server.web.methods["auth.test"])(
        lambda _call: {"user": "ana", "team": "easel"}, (), frozenset()
    )
    found = await checks(server)
    assert not found["Slack token"].ok
    assert "xoxb-" in found["Slack token"].advice


async def test_missing_scopes_are_named(server: SlackServer) -> None:
    assert server.team.install is not None
    server.team.install.scopes = frozenset(names.SCOPES) - {"files:write", "im:write"}
    found = await checks(server)
    assert not found["Slack scopes"].ok
    assert found["Slack scopes"].advice.startswith("files:write, im:write missing.")


async def test_where_slack_tells_it_the_channels_are_counted(server: SlackServer) -> None:
    assert server.team.install is not None
    server.team.install.scopes = frozenset({*names.SCOPES, "channels:read"})
    assert "/invite @" in (await checks(server))["Slack channels"].advice
    server.channel("pictures")
    server.channel("elsewhere", bot_inside=False)
    assert (await checks(server))["Slack channels"].advice == "in 1 public one"


async def test_where_it_does_not_the_way_in_is_told(server: SlackServer) -> None:
    assert "/invite @" in (await checks(server))["Slack channels"].advice


async def test_a_refused_app_token_says_what_it_needs(server: SlackServer) -> None:
    found = await checks(server, app_token="xapp-wrong")
    assert not found["Slack socket"].ok
    assert "connections:write" in found["Slack socket"].advice


@pytest.mark.parametrize(("secret", "ok"), [("0123456789abcdef" * 2, True), ("xoxb-123", False), ("0" * 31, False)])
async def test_by_http_the_signing_secret_has_its_form(server: SlackServer, secret: str, ok: bool) -> None:
    found = await checks(server, mode="http", app_token="", signing_secret=secret)
    assert "Slack socket" not in found
    assert found["Slack signing secret"].ok is ok


async def test_by_http_the_address_for_slack_is_told(server: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_PUBLIC_URL", "https://easel.example.org/")
    found = await checks(server, mode="http", app_token="")
    assert found["Slack signing secret"].advice.endswith("https://easel.example.org/slack/events")


async def test_for_many_workspaces_key_and_address_are_needed(
    server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {"client_id": "1.2", "client_secret": "hidden", "bot_token": ""}
    found = await checks(server, **many)
    assert list(found) == ["Slack socket", "Slack workspaces"]
    assert "EASEL_SECRET_KEY" in found["Slack workspaces"].advice
    monkeypatch.setenv("EASEL_SECRET_KEY", "k" * 64)
    assert "EASEL_PUBLIC_URL" in (await checks(server, **many))["Slack workspaces"].advice
    monkeypatch.setenv("EASEL_PUBLIC_URL", "https://easel.example.org")
    found = await checks(server, **many)
    assert found["Slack workspaces"] == Check(
        "Slack workspaces", True, "they add Easel at https://easel.example.org/slack/install"
    )


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retry_after": 1}, {"drop": True}])
@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_a_slack_that_does_not_answer_is_no_fault_of_the_token(
    server: SlackServer, method: str, fault: dict[str, Any]
) -> None:
    server.fail(method, **fault)
    found = await checks(server)
    assert list(found) == ["Slack"]
    assert "No answer" in found["Slack"].advice
    assert not found["Slack"].ok


async def test_no_slack_at_all_is_told_too() -> None:
    settings = SlackSettings(bot_token="xoxb-1", app_token="xapp-1", api_base="http://127.0.0.1:9")
    (check,) = await diagnose(settings)
    assert (check.name, check.ok) == ("Slack", False)
    assert "Is the network open?" in check.advice
