from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.asked import Asked, Kind, attachments, is_for_us, pressed, unfold

COMMAND = {
    "team_id": "T1",
    "enterprise_id": "E1",
    "user_id": "U1",
    "user_name": "ana",
    "channel_id": "C1",
    "text": "a red fox &amp; cub",
    "trigger_id": "t.1",
    "response_url": "https://hooks.slack.com/commands/1",
}
BUTTON = {
    "type": "block_actions",
    "team": {"id": "T1", "domain": "easel"},
    "enterprise": {"id": "E1"},
    "user": {"id": "U1", "username": "ana", "team_id": "T1"},
    "channel": {"id": "C1"},
    "container": {"type": "message", "channel_id": "C1", "message_ts": "2.0"},
    "message": {"ts": "2.0", "thread_ts": "1.0"},
    "actions": [{"action_id": "easel:vary:3", "value": "JOB:2", "action_ts": "1700000000.5"}],
    "trigger_id": "t.2",
}
MENTION = {
    "type": "event_callback",
    "event_id": "Ev1",
    "team_id": "T1",
    "authorizations": [{"enterprise_id": "E1", "team_id": "T1"}],
    "event": {"type": "app_mention", "user": "U1", "text": "<@UBOT> a fox", "ts": "3.0", "channel": "C1"},
}


def test_one_person_is_one_requester_whatever_way_they_ask() -> None:
    asked = [Asked(Kind.COMMAND, COMMAND), Asked(Kind.BUTTON, BUTTON), Asked(Kind.MENTION, MENTION)]
    assert {it.requester("ana").key for it in asked} == {"slack:E1-U1"}
    assert {it.requester("ana").name for it in asked} == {"ana"}
    assert {(it.team, it.enterprise, it.user, it.channel) for it in asked} == {("T1", "E1", "U1", "C1")}


def test_without_an_organisation_the_workspace_counts() -> None:
    assert Asked(Kind.COMMAND, COMMAND | {"enterprise_id": ""}).requester().id == "T1-U1"


def test_each_thing_asked_has_its_own_key() -> None:
    keys = [Asked(kind, body).delivery_key for kind, body in ((Kind.COMMAND, COMMAND), (Kind.MENTION, MENTION))]
    assert keys == ["t.1", "Ev1"]
    nameless = Asked(Kind.COMMAND, {"a": 1})
    assert nameless.delivery_key == Asked(Kind.COMMAND, {"a": 1}).delivery_key != ""


@pytest.mark.parametrize(
    ("event", "thread"),
    [({"ts": "3.0"}, ""), ({"ts": "3.0", "thread_ts": "1.0"}, "1.0"), ({"ts": "1.0", "thread_ts": "1.0"}, "")],
)
def test_a_thread_is_kept_to(event: dict[str, str], thread: str) -> None:
    assert Asked(Kind.MENTION, {"event": event}).thread == thread


def test_a_button_in_a_thread_answers_there() -> None:
    assert Asked(Kind.BUTTON, BUTTON).thread == "1.0"


def test_direct_messages_are_no_community() -> None:
    asked = Asked(Kind.COMMAND, COMMAND)
    assert asked.place("D1").community is None
    assert asked.place("C1").community == "T1"


def test_a_modal_goes_where_it_was_opened() -> None:
    asked = Asked(Kind.VIEW, {"view": {}}, metadata={"channel": "C7", "thread": "9.0"})
    assert (asked.channel, asked.thread) == ("C7", "9.0")


@pytest.mark.parametrize(
    ("folded", "typed"),
    [
        ("<@UBOT> a red fox", "a red fox"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("&amp;lt; stays", "&lt; stays"),
        ("like <https://example.org/a|example.org/a> --seed 7", "like example.org/a --seed 7"),
        ("see <https://example.org/a>", "see https://example.org/a"),
        ("in <#C1|pictures> for <@U2|ben> <!here>", "in #pictures for ben"),
        ("<mailto:a@b.org|a@b.org>", "a@b.org"),
        ("1 < 2", "1 < 2"),
    ],
)
def test_text_is_read_as_it_was_typed(folded: str, typed: str) -> None:
    assert unfold(folded) == typed


@given(st.text(max_size=300))
def test_what_people_type_comes_back(text: str) -> None:
    text = text.replace("\xa0", " ").strip()
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert unfold(escaped) == text


@pytest.mark.parametrize(
    "more",
    [
        {"bot_id": "B1"},
        {"edited": {"ts": "1"}},
        {"subtype": "message_changed"},
        {"subtype": "channel_join"},
        {"user": ""},
    ],
)
def test_what_no_person_just_wrote_is_not_for_us(more: dict[str, Any]) -> None:
    assert is_for_us({"user": "U1", "text": "hi"})
    assert is_for_us({"user": "U1", "subtype": "file_share"})
    assert not is_for_us({"user": "U1", "text": "hi"} | more)


def test_a_button_says_what_it_is() -> None:
    assert pressed(BUTTON["actions"][0]) == ("vary", "JOB", 2)  # type: ignore[index]
    assert pressed({"action_id": "easel:again:0", "value": "nonsense"}) == ("again", "nonsense", 0)
    assert pressed({}) == ("", "", 0)


def test_direct_messages_that_were_not_opened_are_no_community_either() -> None:
    asked = Asked(Kind.BUTTON, BUTTON)
    assert asked.place("U1").community is None
    assert asked.place("W1").community is None


def test_only_what_may_be_a_picture_is_one() -> None:
    files = [
        {"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 3},
        {"id": "F2", "name": "b.pdf", "mimetype": "application/pdf"},
        {"id": "F3", "name": "c.png", "mimetype": ""},
        {"id": "F4", "mode": "tombstone"},
    ]
    assert [it.key for it in attachments(files)] == ["F1", "F3"]


def test_its_age_is_known_where_slack_tells_it() -> None:
    assert Asked(Kind.BUTTON, BUTTON).born == 1700000000.5
    assert Asked(Kind.COMMAND, COMMAND, {"x-slack-request-timestamp": ["1700000000"]}).born == 1700000000
    assert Asked(Kind.COMMAND, COMMAND).born is None
    assert Asked(Kind.MENTION, MENTION).born is None
