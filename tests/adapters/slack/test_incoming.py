"""Files that people hand in: read from Slack alone, with the token for nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from yarl import URL

from adapters.slack.api import Api
from adapters.slack.incoming import read
from bot.errors import BadRequest
from commands.spec import Attachment
from tests.servers.slack import SlackServer

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as made:
        yield made


@pytest.fixture
async def api(server: SlackServer) -> AsyncIterator[Api]:
    async with Api(server.api, own=server.url) as made:
        yield made


def handed_in(server: SlackServer, data: bytes = PNG, **changes: Any) -> Attachment:
    ana = server.user("ana")
    message = server.upload(ana, server.channel("pictures", ana), "fox.png", data)
    file = message.files[0]
    for name, value in changes.items():
        setattr(file, name, value)
    return Attachment(file.id, file.name, len(data))


async def test_it_is_read_with_the_bots_token(server: SlackServer, api: Api) -> None:
    assert await read(api, server.team.token, handed_in(server), most=1000) == PNG


async def test_too_large_is_refused_before_and_after_it_is_read(server: SlackServer, api: Api) -> None:
    it = handed_in(server)
    for claimed in (len(PNG), 0):
        with pytest.raises(BadRequest, match="too large"):
            await read(api, server.team.token, Attachment(it.key, it.name, claimed), most=50)


async def test_what_is_kept_elsewhere_gets_no_token(server: SlackServer, api: Api) -> None:
    for url in (
        "http://127.0.0.1:9/files/x",
        "https://slack.com.example.org/x",
        "https://files.slack.com@example.org/x",
        "",
    ):
        with pytest.raises(BadRequest, match="not kept by Slack"):
            await read(api, server.team.token, handed_in(server, url=url), most=1000)


async def test_a_deleted_file_is_told_kindly(server: SlackServer, api: Api) -> None:
    with pytest.raises(BadRequest, match="add it again"):
        await read(api, server.team.token, handed_in(server, deleted=True), most=1000)


async def test_a_web_page_is_no_picture(server: SlackServer, api: Api) -> None:
    """What Slack shows to a token without files:read."""
    it = handed_in(server)
    file = server.files[it.key]
    file.owner.team.install.scopes -= {"files:read"}  # type: ignore[union-attr]
    with pytest.raises(BadRequest):
        await read(api, server.team.token, it, most=1000)
    server.violations.clear()


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://files.slack.com/files-pri/T1-F1/x.png", True),
        ("https://hooks.slack.com/commands/1", True),
        ("http://files.slack.com/x", False),
        ("https://notslack.com/x", False),
        ("https://evilslack.com/x", False),
    ],
)
async def test_only_slack_is_trusted(url: str, good: bool) -> None:
    assert Api("https://slack.com/api/").trusts(URL(url)) is good
