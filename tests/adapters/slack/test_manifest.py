"""The printed manifest against Slack's own schema, the catalogue and the names that the handlers go by."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import SecretStr

from adapters.slack import manifest as printed
from adapters.slack import names
from adapters.slack.client import Slack
from adapters.slack.manifest import manifest
from adapters.slack.settings import SlackSettings
from bot.errors import BadSettings
from commands import CATALOGUE, command
from commands.spec import Where

URL = "https://easel.example.org"
SCHEMA = "slack-manifest.schema.2.0.0.json"


def schema() -> Path | None:
    """In `EASEL_SPECS`, else in `../shared/specs` beside the repository."""
    folders = [Path(os.environ["EASEL_SPECS"])] if os.environ.get("EASEL_SPECS") else []
    for folder in [*folders, Path(__file__).resolve().parents[4] / "shared" / "specs"]:
        if (folder / SCHEMA).is_file():
            return folder / SCHEMA
    return None


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    found = schema()
    if found is None:
        assert not os.environ.get("CI"), "CI has to have Slack's schema: set EASEL_SPECS"
        pytest.skip("Slack's schema is not at hand; set EASEL_SPECS")
    document = json.loads(found.read_text())
    Draft7Validator.check_schema(document)
    return Draft7Validator(_strict(document))


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """The schema lets unknown keys pass at the top; a misspelt one is never meant."""
    return {**document, "additionalProperties": False}


@pytest.mark.parametrize("org_wide", [False, True])
@pytest.mark.parametrize(("mode", "url"), [("socket", None), ("socket", URL), ("http", URL)])
def test_slack_takes_it(validator: Draft7Validator, mode: printed.Mode, url: str | None, org_wide: bool) -> None:
    made = manifest(mode, url, org_wide=org_wide)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(made)] == []


def test_the_schema_would_notice(validator: Draft7Validator) -> None:
    made = manifest("socket")
    made["features"]["shortcuts"][0]["name"] = "a name of more than 24 characters"
    assert list(validator.iter_errors(made))


# What the schema leaves open, from docs.slack.dev/reference/app-manifest.


def test_texts_are_as_long_as_slack_wants_them() -> None:
    told = manifest("socket")["display_information"]
    assert 174 <= len(told["long_description"]) <= 4000
    assert len(told["description"]) <= 140


def test_every_command_on_a_message_is_a_shortcut() -> None:
    shortcuts = {it["callback_id"]: it for it in manifest("socket")["features"]["shortcuts"]}
    assert shortcuts.pop(names.CREATE)["type"] == "global"
    assert {names.SHORTCUT_VERBS[callback] for callback in shortcuts} == {
        it.name for it in CATALOGUE if it.where is Where.MESSAGE
    }
    for callback, shortcut in shortcuts.items():
        assert shortcut["type"] == "message"
        assert shortcut["name"] == command(names.SHORTCUT_VERBS[callback], Where.MESSAGE).title


def test_the_slash_command_hints_at_every_verb() -> None:
    (slash,) = manifest("socket")["features"]["slash_commands"]
    assert slash["command"] == names.COMMAND
    assert slash["should_escape"] is False
    assert all(it.name in slash["usage_hint"] for it in CATALOGUE if it.where is Where.SLASH and it.name != "imagine")


def test_scopes_and_events_are_those_of_the_handlers() -> None:
    made = manifest("socket")
    assert made["oauth_config"] == {"scopes": {"bot": list(names.SCOPES)}}
    assert made["settings"]["event_subscriptions"] == {"bot_events": list(names.EVENTS)}


@pytest.mark.parametrize(
    ("event", "scope"),
    [("app_mention", "app_mentions:read"), ("message.im", "im:history")],
)
def test_each_event_has_the_scope_that_it_needs(event: str, scope: str) -> None:
    assert (event in names.EVENTS) == (scope in names.SCOPES)


class Listening:
    """Stands in for bolt's app and notes what is listened to."""

    def __init__(self) -> None:
        self.heard: dict[str, set[str]] = {}

    def __getattr__(self, kind: str) -> Callable[[Any], Callable[[Any], Any]]:
        def register(name: Any) -> Callable[[Any], Any]:
            self.heard.setdefault(kind, set()).add(str(name))
            return lambda handler: handler

        return register


def test_what_the_app_listens_to_is_what_the_manifest_asks_slack_for() -> None:
    listening = Listening()
    Slack(SlackSettings(bot_token=SecretStr("xoxb-1"), app_token=SecretStr("xapp-1")))._listen(cast(Any, listening))
    made = manifest("socket")
    features, events = made["features"], made["settings"]["event_subscriptions"]["bot_events"]
    assert listening.heard["command"] == {it["command"] for it in features["slash_commands"]}
    assert listening.heard["shortcut"] == {it["callback_id"] for it in features["shortcuts"]}
    assert listening.heard["event"] == {it.partition(".")[0] for it in events}


def test_socket_mode_needs_no_address() -> None:
    made = manifest("socket")
    assert made["settings"]["socket_mode_enabled"] is True
    assert "https://" not in json.dumps(made)


def test_by_http_everything_comes_to_the_one_address() -> None:
    made = manifest("http", f"{URL}/")
    events = f"{URL}/slack/events"
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["event_subscriptions"]["request_url"] == events
    assert made["settings"]["interactivity"] == {
        "is_enabled": True,
        "request_url": events,
        "message_menu_options_url": events,
    }
    assert made["features"]["slash_commands"][0]["url"] == events
    assert made["oauth_config"]["redirect_urls"] == [f"{URL}/slack/oauth_redirect"]


def test_an_organisation_can_be_served_as_a_whole() -> None:
    assert manifest("socket")["settings"]["org_deploy_enabled"] is False
    assert manifest("socket", org_wide=True)["settings"]["org_deploy_enabled"] is True


def test_tokens_stay_as_they_are() -> None:
    assert manifest("socket")["settings"]["token_rotation_enabled"] is False


@pytest.mark.parametrize("url", ["easel.example.org", "http://easel.example.org", f"{URL}/slack", f"{URL}?a=1", ""])
def test_an_address_that_slack_would_refuse_is_refused_here(url: str) -> None:
    with pytest.raises(BadSettings, match="https"):
        manifest("http", url)


def test_http_without_an_address_says_what_is_missing() -> None:
    with pytest.raises(BadSettings, match="--url"):
        manifest("http")


# ---- as text ----


@pytest.mark.parametrize(("mode", "url"), [("socket", None), ("http", URL)])
def test_the_yaml_is_the_same_manifest(mode: printed.Mode, url: str | None) -> None:
    text = printed.yaml(manifest(mode, url))
    assert yaml.safe_load(text) == manifest(mode, url)
    assert text.startswith('display_information:\n  name: "Easel"\n')
    assert max(len(line) for line in text.splitlines() if "description" not in line and "usage" not in line) < 100


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cn", "Co"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z]{2}_[a-z]{2,5}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{2}_[a-z]{2,5}", fullmatch=True), VALUES, max_size=4))
def test_whatever_is_written_reads_as_it_was(value: dict[str, Any]) -> None:
    assert (yaml.safe_load(printed.yaml(value)) or {}) == value


# ---- the command line ----


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    printed.add_commands(parser.add_subparsers())
    return parser.parse_args(["manifest", *argv])


def output(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    arguments = parsed(*argv)
    assert arguments.run(arguments) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no stray .env is read
    for name in ("SLACK_MODE", "EASEL_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)


def test_yaml_for_socket_mode_is_printed_without_being_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert yaml.safe_load(output(capsys)) == manifest("socket")


def test_json_is_printed_when_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    printed_text = output(capsys, "--format", "json", "--mode", "http", "--url", URL)
    assert json.loads(printed_text) == manifest("http", URL)


def test_what_is_set_already_need_not_be_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_MODE", "http")
    monkeypatch.setenv("EASEL_PUBLIC_URL", URL)
    assert yaml.safe_load(output(capsys)) == manifest("http", URL)
    assert yaml.safe_load(output(capsys, "--mode", "socket", "--org-wide")) == manifest("socket", URL, org_wide=True)
