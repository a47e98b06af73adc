"""The local Slack's files, response addresses and workspaces, and what its client does not offer to people."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from PIL import Image
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import SlackServer
from tests.servers.slack_asked import NotOffered
from tests.servers.slack_parts import (
    actions,
    app_of,
    button,
    by_socket,
    calling,
    opened,
    plain,
    png,
    put,
    refusal,
    section,
    shown,
)
from tests.servers.slack_seen import Payload

# ---- files ----


def held(server: SlackServer, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens a little later, from now on: it waits here until a test lets it happen."""
    acts: list[Callable[[], object]] = []
    monkeypatch.setattr(server.timers, "later", lambda _seconds, act: acts.append(act))
    return acts


async def test_a_file_is_shared_a_little_later(
    server: SlackServer, client: AsyncWebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = server.channel()
    file = await put(server, client)
    later = held(server, monkeypatch)
    await client.files_completeUploadExternal(
        files=[{"id": file, "title": "Fox"}], channel_id=channel.id, blocks=json.dumps([section(), actions(button())])
    )
    early = (await client.files_info(file=file))["file"]
    assert (early["mimetype"], early["shares"]) == ("", {})
    assert server.visible(channel) == []
    for act in later:
        act()
    late = (await client.files_info(file=file))["file"]
    (message,) = server.visible(channel)
    assert (late["mimetype"], late["alt_txt"]) == ("image/png", "a fox")
    assert late["shares"]["public"][channel.id][0]["ts"] == message.ts
    assert (message.text, message.buttons, len(message.pictures)) == ("words", ["Cancel"], 1)


async def test_a_file_in_direct_messages_is_shared_privately(server: SlackServer, client: AsyncWebClient) -> None:
    ana = server.user()
    channel = (await client.conversations_open(users=ana.id))["channel"]["id"]
    file = await put(server, client)
    await client.files_completeUploadExternal(files=[{"id": file}], channel_id=channel)
    await server.until(lambda: server.visible(server.direct(ana)))
    assert list((await client.files_info(file=file))["file"]["shares"]["private"]) == [channel]


async def test_uploads_keep_their_order(server: SlackServer, client: AsyncWebClient) -> None:
    outside, ana = server.channel(bot_inside=False), server.user()
    empty = (await client.files_getUploadURLExternal(filename="x.png", length=3))["file_id"]

    def complete(file: str, **more: Any) -> Any:
        return client.files_completeUploadExternal(files=[{"id": file}], **more)

    await refusal(server, complete(empty), "file_not_found")
    await refusal(server, complete("F0"), "file_not_found")
    file = await put(server, client)
    await refusal(server, complete(file, channel_id=outside.id), "not_in_channel", violation=False)
    await refusal(server, complete(file, channel_id=ana.id), "channel_not_found")
    both = complete(file, channel_id=server.channel().id, initial_comment="x", blocks=json.dumps([section()]))
    await refusal(server, both, "invalid_blocks")


async def test_a_second_completion_shares_twice(server: SlackServer, client: AsyncWebClient) -> None:
    channel, file = server.channel(), await put(server, client)
    for _ in range(2):
        await client.files_completeUploadExternal(files=[{"id": file}], channel_id=channel.id)
    await server.until(lambda: len(server.visible(channel)) == 2)
    assert server.violations == [("files.completeUploadExternal", [f"{file} was completed before: it is shared twice"])]


async def test_a_share_may_be_lost(server: SlackServer, client: AsyncWebClient) -> None:
    server.lost_shares = 1
    channel, lost, found = server.channel(), await put(server, client), await put(server, client, png("blue"))
    for file in (lost, found):
        await client.files_completeUploadExternal(files=[{"id": file}], channel_id=channel.id)
    await server.until(lambda: server.visible(channel) and server.files[lost].mimetype)
    assert [message.pictures[0].data for message in server.visible(channel)] == [png("blue")]
    assert (await client.files_info(file=lost))["file"]["shares"] == {}


async def test_alternative_text_may_lose_the_share(server: SlackServer, client: AsyncWebClient) -> None:
    server.alt_text_loses_shares = True
    channel, file = server.channel(), await put(server, client)
    await client.files_completeUploadExternal(files=[{"id": file}], channel_id=channel.id)
    await server.until(lambda: server.files[file].mimetype)
    assert (await client.files_info(file=file))["file"]["shares"] == {}
    await client.files_upload_v2(channel=channel.id, filename="fox.png", content=png())
    await server.until(lambda: server.visible(channel))


async def test_the_announced_length_is_kept(server: SlackServer, client: AsyncWebClient) -> None:
    address = await client.files_getUploadURLExternal(filename="x.png", length=3)
    async with aiohttp.ClientSession() as session, session.post(address["upload_url"], data=b"four") as answer:
        assert answer.status == 400
    assert server.violations == [("upload", ["4 bytes came, 3 were announced"])]
    await refusal(server, client.files_getUploadURLExternal(filename="x.png", length=0), "invalid_arguments")
    long = client.files_getUploadURLExternal(filename="x.png", length=3, alt_txt="x" * 1001)
    await refusal(server, long, "invalid_arguments")


async def test_an_image_block_shows_a_file_once_it_is_shared(
    server: SlackServer, client: AsyncWebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, file = server.channel(), await put(server, client)

    def post() -> Any:
        return client.chat_postMessage(channel=channel.id, text="x", blocks=shown(file))

    await refusal(server, post(), "invalid_blocks")
    later = held(server, monkeypatch)
    await client.files_completeUploadExternal(files=[{"id": file}], channel_id=channel.id)
    await refusal(server, post(), "invalid_blocks")
    for act in later:
        act()
    await post()
    assert server.visible(channel)[-1].pictures[0].data == png()
    await client.files_delete(file=file)
    assert [message.text for message in server.visible(channel)] == [""]
    assert server.visible(channel)[0].pictures == []
    await refusal(server, post(), "invalid_blocks")


async def test_an_update_refers_to_shared_files_only(server: SlackServer, client: AsyncWebClient) -> None:
    """A new message may show the app's own unshared file; an update to one is known to lose it again."""
    channel, file = server.channel(), await put(server, client)
    await client.files_completeUploadExternal(files=[{"id": file}])
    await server.until(lambda: server.files[file].mimetype)
    posted = await client.chat_postMessage(channel=channel.id, text="x", blocks=shown(file))
    update = client.chat_update(channel=channel.id, ts=posted["ts"], text="x", blocks=shown(file))
    await refusal(server, update, "invalid_blocks")


async def test_webp_is_no_image_for_blocks(server: SlackServer, client: AsyncWebClient) -> None:
    channel = server.channel()
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "WEBP")
    file = await put(server, client, written.getvalue(), "fox.png")
    await client.files_completeUploadExternal(files=[{"id": file}], channel_id=channel.id)
    await server.until(lambda: server.files[file].mimetype and server.files[file].shares)
    assert (await client.files_info(file=file))["file"]["mimetype"] == "image/webp"
    await refusal(server, client.chat_postMessage(channel=channel.id, text="x", blocks=shown(file)), "invalid_blocks")


async def test_files_are_downloaded_with_a_token_that_sees_them(server: SlackServer, client: AsyncWebClient) -> None:
    ana, inside, outside = server.user(), server.channel(), server.channel(bot_inside=False)
    seen = server.upload(ana, inside, "fox.png", png()).files[0]
    unseen = server.upload(ana, outside, "cat.png", png()).files[0]
    assert await fetched(seen.url, server.team.token) == png()
    assert server.violations == []
    assert (await fetched(seen.url, None)).startswith(b"<!DOCTYPE html>")
    assert (await fetched(unseen.url, server.team.token)).startswith(b"<!DOCTYPE html>")
    await refusal(server, client.files_info(file=unseen.id), "file_not_found", violation=False)
    assert len(server.violations) == 2


async def fetched(url: str, token: str | None) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return await answer.read()


async def test_a_file_of_a_form_is_downloadable(server: SlackServer, client: AsyncWebClient) -> None:
    view = await opened(server, client)
    server.fill(view.user, view, {"prompt": "x", "source": ("fox.png", png())})
    await server.submit(view.user, view, wait=False)
    stated = server.asked[-1].payload["view"]["state"]["values"]["source"]["source"]
    assert stated["type"] == "file_input"
    assert await fetched(stated["files"][0]["url_private"], server.team.token) == png()


# ---- response addresses ----


async def respond(url: str, **body: Any) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.text()


async def test_a_response_address_takes_five_uses_in_half_an_hour(server: SlackServer) -> None:
    ana, channel = server.user(), server.channel()
    asked = await server.type(ana, channel, "/imagine a fox")
    for number in range(5):
        assert (await respond(asked.response_url, text=str(number)))[0] == 200
    assert await respond(asked.response_url, text="6") == (404, "used_url")
    assert asked.private == ["0", "1", "2", "3", "4"]
    later = await server.type(ana, channel, "/imagine a fox")
    server.skip(30 * 60 + 1)
    assert await respond(later.response_url, text="1") == (404, "expired_url")
    assert len(server.violations) == 2


async def test_a_response_replaces_or_deletes_what_was_pressed(server: SlackServer, client: AsyncWebClient) -> None:
    ana, channel = server.user(), server.channel()
    await client.chat_postEphemeral(channel=channel.id, user=ana.id, text="x", blocks=[actions(button())])
    (message,) = server.visible_to(ana, channel)
    asked = await server.press(ana, message, "Cancel")
    assert "message" not in asked.payload
    await respond(asked.response_url, text="done", replace_original=True)
    assert message.text == "done"
    await respond(asked.response_url, delete_original=True)
    assert server.visible_to(ana, channel) == []
    assert (await respond(asked.response_url, text="open", response_type="in_channel"))[0] == 200
    assert [each.text for each in server.visible(channel)] == ["open"]
    assert (await respond(asked.response_url, blocks=[section()]))[0] == 400


# ---- workspaces, installing, leaving ----


async def test_workspaces_see_only_their_own(server: SlackServer) -> None:
    other = server.workspace("other")
    theirs, bob = server.channel(team=other), server.user("bob", team=other)
    async with calling(server) as ours, calling(server, other.token) as their:
        await refusal(server, ours.chat_postMessage(channel=theirs.id, text="x"), "channel_not_found", violation=False)
        await their.chat_postMessage(channel=theirs.id, text="x")
        assert (await their.users_info(user=bob.id))["user"]["is_admin"] is False
        await refusal(server, ours.users_info(user=bob.id), "user_not_found")
        assert (await their.auth_test())["team_id"] == other.id


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack-sdk 3.48 under aiohttp 3.14
async def test_an_install_page_gives_a_code_that_is_good_once(server: SlackServer) -> None:
    other = server.workspace("other", installed=False)
    link = f"https://slack.com/oauth/v2/authorize?client_id={server.client_id}&scope=chat:write,commands&state=s1&redirect_uri=http://x/done"
    back = server.approve(link, other)
    assert back.startswith("http://x/done?code=")
    assert back.endswith("&state=s1")
    code = back.partition("code=")[2].partition("&")[0]
    async with calling(server, "") as client:
        given = {"client_id": server.client_id, "client_secret": server.client_secret, "code": code}
        answer = await client.oauth_v2_access(**given)
        assert (answer["team"]["id"], answer["scope"]) == (other.id, "chat:write,commands")
        await refusal(server, client.oauth_v2_access(**given), "invalid_code", violation=False)
        wrong = client.oauth_v2_access(client_id="1", client_secret="2", code=code)
        await refusal(server, wrong, "bad_client_secret")
    assert other.token == answer["access_token"]
    with pytest.raises(ValueError, match="not this app"):
        server.approve("https://slack.com/oauth/v2/authorize?client_id=1", other)


async def test_an_organisation_has_one_token_for_all_its_workspaces(server: SlackServer) -> None:
    org = server.enterprise("acme", "east", "west")
    install = server.install(org)
    east, west = org.teams
    assert east.token == west.token == install.token
    channel, ana = server.channel(team=west), server.user(team=west)
    asked = await server.type(ana, channel, "/imagine a fox")
    assert (asked.payload["is_enterprise_install"], asked.payload["enterprise_id"]) == ("true", org.id)
    async with calling(server, install.token) as client:
        posted = await client.chat_postMessage(channel=channel.id, text="x", blocks=[actions(button())])
        assert (await client.auth_test())["is_enterprise_install"] is True
    pressed = await server.press(ana, channel.messages[posted["ts"]], "Cancel")
    assert (pressed.payload["team"], pressed.payload["user"]["team_id"]) == (None, west.id)
    assert pressed.payload["enterprise"]["id"] == org.id


async def test_an_uninstalled_app_is_told_and_its_token_is_dead(server: SlackServer, client: AsyncWebClient) -> None:
    app, heard = app_of(server, client), list[str]()

    @app.event("app_uninstalled")
    async def uninstalled(event: Payload) -> None:
        heard.append(event["type"])

    @app.event("tokens_revoked")
    async def revoked(event: Payload) -> None:
        heard.append(event["type"])

    channel, ana = server.channel(), server.user()
    async with by_socket(server, app):
        await server.uninstall(server.team)
    assert sorted(heard) == ["app_uninstalled", "tokens_revoked"]
    await refusal(server, client.chat_postMessage(channel=channel.id, text="x"), "token_revoked", violation=False)
    with pytest.raises(NotOffered, match="not installed"):
        await server.type(ana, channel, "/imagine a fox")


# ---- what Slack's client does not offer ----


async def test_a_manifest_says_what_there_is(server: SlackServer) -> None:
    ana, channel = server.user(), server.channel()
    server.register(
        {
            "features": {
                "slash_commands": [{"command": "/imagine"}],
                "shortcuts": [{"callback_id": "create", "type": "global"}],
            },
            "oauth_config": {"scopes": {"bot": ["commands", "im:history", "app_mentions:read"]}},
            "settings": {"event_subscriptions": {"bot_events": ["app_mention"]}},
        }
    )
    await server.type(ana, channel, "/imagine a fox")
    await server.shortcut(ana, "create")
    await server.mention(ana, channel, "a fox", wait=False)
    message = server.say(ana, channel, "x")
    for refused in (
        server.type(ana, channel, "/paint a fox"),
        server.shortcut(ana, "details"),
        server.message_shortcut(ana, message, "create"),
        server.direct_message(ana, "a fox"),
    ):
        with pytest.raises(NotOffered):
            await refused


async def test_people_are_where_they_are(server: SlackServer, client: AsyncWebClient) -> None:
    ana, bob = server.user(), server.user("bob")
    room = server.channel("room", bob, private=True)
    message = server.say(bob, room, "x")
    await client.chat_postEphemeral(channel=room.id, user=bob.id, text="psst", blocks=[actions(button())])
    only_bobs = server.visible_to(bob, room)[-1]
    for refused in (
        server.type(ana, room, "/imagine a fox"),
        server.type(bob, room, "/imagine a fox", thread=message),
        server.mention(ana, server.channel(bot_inside=False), "a fox"),
        server.press(ana, only_bobs, "Cancel"),
        server.press(bob, message, "Cancel"),
    ):
        with pytest.raises(NotOffered):
            await refused
    await refusal(
        server,
        client.chat_postEphemeral(channel=room.id, user=ana.id, text="x"),
        "user_not_in_channel",
        violation=False,
    )


async def test_a_view_shows_only_what_its_viewer_may_see(server: SlackServer, client: AsyncWebClient) -> None:
    ana, bob = server.user(), server.user("bob")
    file = await put(server, client)
    await client.files_completeUploadExternal(files=[{"id": file}], channel_id=server.direct(bob).id)
    await server.until(lambda: server.files[file].mimetype and server.files[file].shares)
    home = {"type": "home", "blocks": shown(file)}
    await client.views_publish(user_id=bob.id, view=home)
    assert bob.home is not None
    assert bob.home.pictures[0].data == png()
    await refusal(server, client.views_publish(user_id=ana.id, view=home), "invalid_arguments")


async def test_broken_suggestions_and_answers_are_violations(server: SlackServer, client: AsyncWebClient) -> None:
    app = app_of(server, client)

    @app.shortcut("create")
    async def create(ack: Any) -> None:
        await ack()

    @app.options("loras")
    async def suggest(ack: Any) -> None:
        await ack(options=[{"text": plain("x" * 76), "value": "v"}])

    @app.view("imagine")
    async def sent(ack: Any) -> None:
        await ack(response_action="errors", errors={"nowhere": "x"})

    async with by_socket(server, app):
        view = await opened(server, client)
        assert (await server.suggest(view.user, view, "loras", "x")).options == ()
        await server.submit(view.user, view, {"prompt": "x"})
    assert [where for where, _ in server.violations] == ["suggestion loras", "submission imagine"]
    assert view.open


async def test_history_is_read_with_its_scope(server: SlackServer, client: AsyncWebClient) -> None:
    channel, install = server.channel(), server.team.install
    assert install is not None
    await refusal(server, client.conversations_history(channel=channel.id), "missing_scope")
    install.scopes |= {"channels:history"}
    posted = await client.chat_postMessage(channel=channel.id, text="one")
    await client.chat_postMessage(channel=channel.id, text="two", thread_ts=posted["ts"])
    read = await client.conversations_history(channel=channel.id)
    assert [message["text"] for message in read["messages"]] == ["one"]
    replies = await client.conversations_replies(channel=channel.id, ts=posted["ts"])
    assert [message["text"] for message in replies["messages"]] == ["one", "two"]
