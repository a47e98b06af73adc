"""The local Slack refuses what Slack refuses, and keeps it: the Web API, Block Kit and views."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import SlackServer
from tests.servers.slack_asked import NotOffered
from tests.servers.slack_parts import (
    LORAS,
    PROMPT,
    SEED,
    SOURCE,
    actions,
    asking,
    button,
    calling,
    modal,
    opened,
    plain,
    refusal,
    section,
)
from tests.servers.slack_seen import Payload
from tests.servers.slack_world import SCOPES

# ---- rules of the Web API ----


async def test_only_known_and_open_channels_are_written_in(server: SlackServer, client: AsyncWebClient) -> None:
    outside, hidden = server.channel(bot_inside=False), server.channel(private=True, bot_inside=False)
    archived, people = server.channel(), server.between(server.user(), server.user("bob"))
    archived.archived = True
    for channel, error in ((outside, "not_in_channel"), (hidden, "channel_not_found"), (archived, "is_archived")):
        await refusal(server, client.chat_postMessage(channel=channel.id, text="x"), error, violation=False)
    await refusal(server, client.chat_postMessage(channel=people.id, text="x"), "channel_not_found", violation=False)
    await refusal(server, client.chat_postMessage(channel="C0NOWHERE", text="x"), "channel_not_found")


async def test_only_the_own_public_messages_are_changed(server: SlackServer, client: AsyncWebClient) -> None:
    ana, channel = server.user(), server.channel()
    foreign = server.say(ana, channel, "mine")
    hidden = await client.chat_postEphemeral(channel=channel.id, user=ana.id, text="psst")
    gone = await client.chat_postMessage(channel=channel.id, text="soon gone")
    await client.chat_delete(channel=channel.id, ts=gone["ts"])

    def update(ts: str) -> Any:
        return client.chat_update(channel=channel.id, ts=ts, text="x")

    await refusal(server, update(foreign.ts), "cant_update_message")
    await refusal(server, update(hidden["message_ts"]), "message_not_found")
    await refusal(server, update("1.000001"), "message_not_found")
    await refusal(server, update(gone["ts"]), "message_not_found", violation=False)
    assert [message.text for message in server.visible(channel)] == ["mine"]


async def test_a_thread_is_named_by_its_parent(server: SlackServer, client: AsyncWebClient) -> None:
    ana, channel = server.user(), server.channel()
    parent = server.say(ana, channel, "parent")
    reply = server.say(ana, channel, "reply", thread=parent)
    posted = await client.chat_postMessage(channel=channel.id, thread_ts=parent.ts, text="x")
    assert posted["message"]["thread_ts"] == parent.ts

    def post(ts: str) -> Any:
        return client.chat_postMessage(channel=channel.id, thread_ts=ts, text="x")

    await refusal(server, post(reply.ts), "cannot_reply_to_message")
    await refusal(server, post("1.000001"), "thread_not_found")


async def test_text_is_needed_beside_blocks(server: SlackServer, client: AsyncWebClient) -> None:
    channel = server.channel()
    await client.api_call("chat.postMessage", json={"channel": channel.id, "blocks": [section()]})
    assert server.violations == [("chat.postMessage", ["text is missing beside blocks"])]
    await refusal(server, client.api_call("chat.postMessage", json={"channel": channel.id}), "no_text")
    long = client.chat_postMessage(channel=channel.id, text="x" * 40_001)
    await refusal(server, long, "msg_too_long")


async def test_an_update_without_blocks_takes_them_away(server: SlackServer, client: AsyncWebClient) -> None:
    channel = server.channel()
    posted = await client.chat_postMessage(channel=channel.id, text="x", blocks=[section(), actions(button())])
    await client.chat_update(channel=channel.id, ts=posted["ts"], text="y")
    assert (server.by_bot(channel)[0].text, server.by_bot(channel)[0].buttons) == ("y", [])


async def test_a_missing_scope_is_named(server: SlackServer, client: AsyncWebClient) -> None:
    assert server.team.install is not None
    server.team.install.scopes = SCOPES - {"files:write"}
    with pytest.raises(SlackApiError) as refused:
        await client.files_getUploadURLExternal(filename="x.png", length=3)
    assert (refused.value.response["error"], refused.value.response["needed"]) == ("missing_scope", "files:write")
    assert server.violations


async def test_unknown_methods_arguments_and_tokens_are_violations(server: SlackServer, client: AsyncWebClient) -> None:
    channel = server.channel()
    await refusal(server, client.api_call("chat.postPicture"), "unknown_method")
    async with calling(server, "xoxb-nobody") as stranger:
        await refusal(server, stranger.auth_test(), "invalid_auth")
    await client.chat_postMessage(channel=channel.id, text="x", colour="red")
    assert server.violations[-1] == ("chat.postMessage", ["arguments that it doesn't know: ['colour']"])


# ---- Block Kit ----

BROKEN: dict[str, tuple[list[Any], str]] = {
    "too many blocks": ([section()] * 51, "no more than 50"),
    "an empty section": ([{"type": "section"}], "one of text and fields"),
    "a long section": ([section("x" * 3001)], "less than 3001"),
    "an empty text": ([section("")], "more than 0"),
    "an unknown block": ([{"type": "carousel"}], "unsupported type: carousel"),
    "an unknown field": ([section() | {"colour": "red"}], "no more fields allowed: colour"),
    "a long header": ([{"type": "header", "text": plain("x" * 151)}], "less than 151"),
    "mrkdwn in a header": ([{"type": "header", "text": section()["text"]}], "unsupported type: mrkdwn"),
    "a full context": ([{"type": "context", "elements": [plain("x")] * 11}], "1 to 10"),
    "too many buttons": ([actions(*[button(action=f"a{n}") for n in range(26)])], "1 to 25"),
    "a long button": ([actions(button("x" * 76))], "less than 76"),
    "a long value": ([actions(button(value="x" * 2001))], "less than 2001"),
    "a long action id": ([actions(button(action="x" * 256))], "less than 256"),
    "no action id": ([actions({"type": "button", "text": plain("x")})], "missing required field: action_id"),
    "an action id twice": ([actions(button(), button())], "action_id 'cancel' stands there twice"),
    "a block id twice": (
        [section() | {"block_id": "a"}, section() | {"block_id": "a"}],
        "block_id 'a' stands there twice",
    ),
    "a long block id": ([section() | {"block_id": "x" * 256}], "less than 256"),
    "a style": ([actions(button(style="purple"))], "primary or danger"),
    "a bare string": ([actions(button() | {"text": "Cancel"})], "must be a text object"),
    "an option": (
        [actions({"type": "static_select", "action_id": "a", "options": [{"text": plain("x" * 76), "value": "v"}]})],
        "less than 76",
    ),
    "an option's value": (
        [actions({"type": "static_select", "action_id": "a", "options": [{"text": plain("x"), "value": "v" * 151}]})],
        "less than 151",
    ),
    "too many options": (
        [
            actions(
                {
                    "type": "static_select",
                    "action_id": "a",
                    "options": [{"text": plain("x"), "value": str(n)} for n in range(101)],
                }
            )
        ],
        "1 to 100",
    ),
    "an initial option": (
        [
            actions(
                {
                    "type": "static_select",
                    "action_id": "a",
                    "options": [{"text": plain("x"), "value": "1"}],
                    "initial_option": {"text": plain("y"), "value": "1"},
                }
            )
        ],
        "exactly one of the options",
    ),
    "a multi select in actions": ([actions(LORAS)], "unsupported type: multi_external_select in actions"),
    "a number in a message": ([asking(SEED)], "unsupported type: number_input in messages"),
    "a file in a message": ([asking(SOURCE)], "unsupported type: file_input in messages"),
    "an image of nothing": ([{"type": "image", "alt_text": "x"}], "exactly one of image_url and slack_file"),
    "an image without alt text": ([{"type": "image", "image_url": "https://x"}], "must be a string"),
    "a long alt text": ([{"type": "image", "image_url": "https://x", "alt_text": "x" * 2001}], "less than 2001"),
    "an image of no file": ([{"type": "image", "slack_file": {"id": "F0"}, "alt_text": "x"}], "there is no 'F0'"),
    "a long markdown": ([{"type": "markdown", "text": "x" * 12_001}], "less than 12001"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_blocks_are_refused(server: SlackServer, client: AsyncWebClient, name: str) -> None:
    blocks, sentence = BROKEN[name]
    channel = server.channel()
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel=channel.id, text="x", blocks=json.dumps(blocks))
    answer = refused.value.response
    assert answer["error"] == "invalid_blocks"
    assert any(sentence in message for message in answer["response_metadata"]["messages"])
    assert any(sentence in problem for _, problems in server.violations for problem in problems)
    assert server.visible(channel) == []


BROKEN_VIEWS: dict[str, tuple[Payload, str]] = {
    "a long title": (modal(title=plain("x" * 25)), "less than 25"),
    "a long submit": (modal(submit=plain("x" * 25)), "less than 25"),
    "a long close": (modal(close=plain("x" * 25)), "less than 25"),
    "mrkdwn in a title": (modal(title=section()["text"]), "unsupported type: mrkdwn"),
    "no submit": ({k: v for k, v in modal().items() if k != "submit"}, "submit (there are inputs)"),
    "metadata": (modal(private_metadata="x" * 3001), "less than 3001"),
    "a long callback id": (modal(callback_id="x" * 256), "less than 256"),
    "too many blocks": (modal(*[section()] * 101), "no more than 100"),
    "no blocks": ({**modal(), "blocks": []}, "no fewer than 1"),
    "a field of views": (modal(colour="red"), "no more fields"),
    "a long label": (modal(asking(PROMPT, "x" * 2001) | {"block_id": "b"}), "less than 2001"),
    "a number as number": (modal(asking(SEED | {"min_value": 0})), "must be a string holding a number"),
    "no word on decimals": (modal(asking({"type": "number_input", "action_id": "a"})), "is_decimal_allowed"),
    "a number out of range": (modal(asking(SEED | {"initial_value": "-1"})), "between min_value and max_value"),
    "too many files": (modal(asking(SOURCE | {"max_files": 11})), "1 to 10"),
    "a long text": (modal(asking(PROMPT | {"max_length": 3001})), "from 1 to 3000"),
    "a placeholder": (modal(asking(PROMPT | {"placeholder": plain("x" * 151)})), "less than 151"),
    "a markdown block": (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown in modals"),
    "an unknown input": (modal(asking({"type": "slider", "action_id": "a"})), "unsupported type: slider"),
}


@pytest.mark.parametrize("name", BROKEN_VIEWS)
async def test_broken_views_are_refused(server: SlackServer, client: AsyncWebClient, name: str) -> None:
    view, sentence = BROKEN_VIEWS[name]
    asked = await server.shortcut(server.user(), "create")
    await refusal(server, client.views_open(trigger_id=asked.trigger_id, view=view), "invalid_arguments")
    assert any(sentence in problem for _, problems in server.violations for problem in problems), server.violations


# ---- views ----


async def test_a_trigger_is_good_for_one_view_within_3_seconds(server: SlackServer, client: AsyncWebClient) -> None:
    asked = await server.shortcut(server.user(), "create")
    await client.views_open(trigger_id=asked.trigger_id, view=modal())
    again = client.views_open(trigger_id=asked.trigger_id, view=modal())
    await refusal(server, again, "exchanged_trigger_id")
    late = await server.shortcut(asked.user, "create")
    server.skip(3.1)
    await refusal(server, client.views_open(trigger_id=late.trigger_id, view=modal()), "expired_trigger_id")
    await refusal(server, client.views_open(trigger_id="1.2.3", view=modal()), "invalid_trigger_id")


async def test_three_views_are_stacked_at_most(server: SlackServer, client: AsyncWebClient) -> None:
    ana = server.user()
    first = await server.shortcut(ana, "create")
    await client.views_open(trigger_id=first.trigger_id, view=modal(section(), actions(button())))
    for _ in range(2):
        pressed = await server.press(ana, ana.modals[-1], "cancel")
        await client.views_push(trigger_id=pressed.trigger_id, view=modal(section(), actions(button())))
    pressed = await server.press(ana, ana.modals[-1], "cancel")
    await refusal(server, client.views_push(trigger_id=pressed.trigger_id, view=modal()), "push_limit_reached")
    assert len(ana.modals) == 3
    assert ana.modals[2].previous == ana.modals[1].id


async def test_what_was_typed_survives_an_update(server: SlackServer, client: AsyncWebClient) -> None:
    view = await opened(server, client)
    server.fill(view.user, view, {"prompt": "a fox"})
    await client.views_update(view_id=view.id, hash=view.hash, view=modal(asking(PROMPT), section("new")))
    assert (server.value(view, "prompt"), view.updates) == ("a fox", 1)
    await refusal(
        server, client.views_update(view_id=view.id, hash="old", view=modal()), "hash_conflict", violation=False
    )
    await server.close_view(view.user, view)
    await refusal(server, client.views_update(view_id=view.id, view=modal()), "not_found", violation=False)
    await refusal(server, client.views_update(view_id="V0", view=modal()), "not_found")


async def test_fields_take_only_what_slacks_client_lets_in(server: SlackServer, client: AsyncWebClient) -> None:
    view = await opened(
        server,
        client,
        modal(
            asking(PROMPT | {"max_length": 5}), asking(SEED, "Seed"), asking(SOURCE, "Source"), asking(LORAS, "LoRAs")
        ),
    )
    for wrong in (
        {"prompt": "a long one"},
        {"seed": "-1"},
        {"seed": "1.5"},
        {"seed": "many"},
        {"source": ("fox.webp", b"")},
        {"source": [("a.png", b""), ("b.png", b"")]},
        {"loras": ["never offered"]},
        {"nowhere": "x"},
    ):
        with pytest.raises(NotOffered):
            server.fill(view.user, view, wrong)
    assert view.typed == {}
