"""Many workspaces: they add Easel by its page, their tokens lie encrypted, and who removes it leaves nothing behind."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from adapters.slack.names import SCOPES
from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import EaselProcess, easel
from tests.scenarios.slack_house import SlackHouse
from tests.servers.slack import SlackServer
from tests.servers.slack_asked import NotOffered
from tests.servers.slack_world import Enterprise, Team

KEY = "a-secret-key-that-is-long-enough-for-it"
TOKEN = "the-operator-s-own-token"


@dataclass
class Office:
    """The app that many workspaces add; none has it yet, but for the server's first, which Easel knows nothing of."""

    slack: SlackServer
    simulator: Simulator
    bot: EaselProcess

    async def page(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, body and the cookie of one of Easel's pages."""
        async with (
            aiohttp.ClientSession() as browser,
            browser.get(f"{self.bot.address}{path}", headers=headers, allow_redirects=False) as answer,
        ):
            cookie = answer.headers.get("Set-Cookie", "").partition(";")[0]
            return answer.status, await answer.text(), cookie

    async def begun(self, **headers: str) -> tuple[str, str]:
        """The link to Slack's own page, and the cookie that the browser keeps."""
        status, body, cookie = await self.page("/slack/install", **headers)
        assert status in (200, 302)
        link = re.search(r'https?://[^"\']+/oauth/v2/authorize[^"\']+', body)
        assert link, body
        return unescape(link[0]), cookie

    async def add(self, place: Team | Enterprise) -> None:
        link, cookie = await self.begun()
        back = self.slack.approve(link, place)
        status, body, _ = await self.page(f"/slack/oauth_redirect?{back.partition('?')[2]}", Cookie=cookie)
        assert status == 200, body
        assert "Easel was added" in body

    def house(self, team: Team) -> SlackHouse:
        """One workspace of them."""
        people = [self.slack.user(name, team=team) for name in ("ana", "ben", "mia")]
        return SlackHouse(self.slack, self.simulator, self.bot, self.slack.channel(team=team), *people)

    def kept(self) -> list[str]:
        """What the vault holds of workspaces, by name."""
        with closing(sqlite3.connect(f"file:{self.bot.data / 'easel.sqlite'}?mode=ro", uri=True)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM secrets")]
        return [name for name in names if ":installation:" in name]

    async def keeps(self, number: int) -> None:
        """Until so many installations are kept. Slack hears nothing of that, so it is looked for."""
        async with asyncio.timeout(10):
            while len(self.kept()) != number:
                await asyncio.sleep(0.05)

    def on_disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.bot.data.rglob("*.sqlite*"))


@asynccontextmanager
async def office(folder: Path, mode: str, **environment: str) -> AsyncIterator[Office]:
    async with SlackServer() as slack, Simulator(seconds=0.3, picture="png") as simulator:
        many = {
            "SLACK_MODE": mode,
            "SLACK_BOT_TOKEN": "",
            "SLACK_CLIENT_ID": slack.client_id,
            "SLACK_CLIENT_SECRET": slack.client_secret,
            "EASEL_SECRET_KEY": KEY,
        }
        async with easel(None, simulator, folder / "data", many | environment, slack=slack) as bot:
            await bot.start()
            yield Office(slack, simulator, bot)
        assert slack.violations == []
        assert "Traceback" not in bot.lines()
        assert '"a command failed"' not in bot.lines()
        tokens = [*slack.installs, slack.client_secret, KEY]
        assert [token for token in tokens if token in bot.lines()] == []


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_two_workspaces_add_it_and_one_removes_it(mode: str, tmp_path: Path) -> None:
    async with office(tmp_path, mode) as it:
        one, two = (it.slack.workspace(name, installed=False) for name in ("one", "two"))
        for team in (one, two):
            await it.add(team)
        first, second = it.house(one), it.house(two)
        assert len(it.kept()) == 2
        for token in (one.token, two.token):
            assert token.encode() not in it.on_disk()
        drawn = await first.drawn("a red kite")
        await second.drawn("a blue kite")
        assert drawn.author is one.bot

        await it.bot.kill()  # what they gave is still known after a restart
        await it.bot.start()
        details = await it.slack.press(first.ben, drawn, "Details")
        assert "a red kite" in await details.told()
        await second.drawn("a green kite")
        foreign = await second.imagine(f"show {drawn.buttons and details.payload['actions'][0]['value'][:26]}")
        assert "no picture" in await foreign.told()

        running = await first.running("a grounded kite", seconds=2.0)
        await it.slack.uninstall(one)
        await it.keeps(1)
        assert not running.pictures
        with pytest.raises(NotOffered):
            await first.imagine("nobody there")
        await second.drawn("a last kite")

        await it.add(one)
        assert len(it.kept()) == 2
        again = await first.imagine("history")
        assert "a red kite" in await again.told()
        await first.drawn("a new kite")


async def test_an_organisation_adds_it_for_all_its_workspaces(tmp_path: Path) -> None:
    async with office(tmp_path, "socket") as it:
        acme = it.slack.enterprise("acme", "north", "south")
        await it.add(acme)
        assert len(it.kept()) == 1
        north, south = (it.house(team) for team in acme.teams)
        message = await north.drawn("a tall mast")
        await south.drawn("a wide sail")
        again = await it.slack.press(north.ben, message, "Re-roll")
        assert again.payload["team"] is None
        await it.slack.until(lambda: len(north.about(north.channel, "a tall mast")) == 2, 20)
        view = await (await south.imagine("")).form()
        await it.slack.submit(south.ana, view, {"prompt": "a long oar"})
        await south.answer(south.channel, "a long oar")
        await it.slack.open_home(south.ana)
        await it.slack.until(lambda: south.ana.home is not None and "a long oar" in south.ana.home.text)
        await it.slack.uninstall(acme.teams[0])
        await it.keeps(0)


async def test_only_who_began_may_come_back_and_once(tmp_path: Path) -> None:
    async with office(tmp_path, "http") as it:
        team = it.slack.workspace("one", installed=False)
        link, cookie = await it.begun()
        back = f"/slack/oauth_redirect?{it.slack.approve(link, team).partition('?')[2]}"
        _, other = await it.begun()
        for refused in (
            await it.page(back),  # another browser, that began nothing
            await it.page(back, Cookie=other),  # one that began something else
            await it.page(re.sub("state=[^&]+", "state=1790000000.made-up", back), Cookie=cookie),
            await it.page("/slack/oauth_redirect"),
        ):
            assert refused[0] >= 400
            assert "Easel was not added" in refused[1]
        assert it.kept() == []
        added = await it.page(back, Cookie=cookie)
        assert added[0] == 200
        again = await it.page(back, Cookie=cookie)
        assert again[0] >= 400
        assert len(it.kept()) == 1


async def test_beyond_this_machine_the_page_is_the_operators(tmp_path: Path) -> None:
    public = {"EASEL_PUBLIC_URL": "https://easel.example.org", "EASEL_WEB_TOKEN": TOKEN}
    async with office(tmp_path, "http", **public) as it:
        status, _, _ = await it.page("/slack/install")
        assert status == 401
        link, _ = await it.begun(Authorization=f"Bearer {TOKEN}")
        asked = parse_qs(urlsplit(link).query)
        assert asked["redirect_uri"] == ["https://easel.example.org/slack/oauth_redirect"]
        assert sorted(asked["scope"][0].split(",")) == sorted(SCOPES)
        assert (await it.slack.verify_url("still there?")).status == 200
