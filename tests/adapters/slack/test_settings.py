from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from adapters import slack
from adapters.slack.settings import SlackSettings
from bot.errors import BadSettings
from bot.settings import read

SOCKET: dict[str, Any] = {"bot_token": " xoxb-1 ", "app_token": "xapp-1"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)  # no stray .env
    for name in ("BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET", "CLIENT_ID", "CLIENT_SECRET", "MODE"):
        monkeypatch.delenv(f"SLACK_{name}", raising=False)


def test_two_tokens_are_enough() -> None:
    made = SlackSettings(**SOCKET)
    assert made.bot_token.get_secret_value() == "xoxb-1"
    assert (made.mode, made.connections, made.progress_per_minute, made.many) == ("socket", 2, 30, False)
    assert made.api == "https://slack.com/api/"
    assert SlackSettings(**SOCKET, api_base="http://127.0.0.1:1/").api == "http://127.0.0.1:1/api/"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "bot_token"),
        ({"bot_token": "xoxb-1"}, "app_token"),
        ({"bot_token": "xoxb-1", "mode": "http"}, "signing_secret"),
        (SOCKET | {"client_id": "1.2"}, "client_secret"),
        (SOCKET | {"client_secret": "s"}, "client_secret"),
        (SOCKET | {"api_base": "slack.com"}, "api_base"),
        (SOCKET | {"connections": 11}, "connections"),
    ],
)
def test_what_is_missing_is_named(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as failed:
        SlackSettings(**given)
    assert field in {str(error["loc"][0]) for error in failed.value.errors()}


def test_many_workspaces_need_no_token_of_their_own() -> None:
    made = SlackSettings(app_token="xapp-1", client_id="1.2", client_secret="s")
    assert made.many


def test_the_operator_reads_which_variable_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    with pytest.raises(BadSettings, match="SLACK_APP_TOKEN: is missing"):
        read(SlackSettings)


def test_it_is_served_when_its_token_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not slack.wanted(alone=True)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    assert slack.wanted(alone=False)
