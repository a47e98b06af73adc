"""Many windows, slow ones, and those that come back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from adapters.web import client, events
from adapters.web.events import BEAT, Hub
from tests.adapters.web import house as houses
from tests.adapters.web.house import Playground


def heard(window: events.Window) -> list[str]:
    """The names of what waits in a window."""
    told = [window._waiting.popitem(last=False)[1].decode() for _ in range(len(window._waiting))]
    return [line.removeprefix("event: ") for text in told for line in text.split("\n") if line.startswith("event: ")]


def tell(hub: Hub, about: str, owner: str = "ana", *, private: bool = False) -> None:
    hub.tell("message", about, owner, {"key": about}, None if private else {"key": about})


async def test_a_window_that_comes_back_hears_what_it_missed() -> None:
    hub = Hub("v1")
    tell(hub, "a")
    last = hub.cursor
    tell(hub, "b")
    tell(hub, "c", "ben", private=True)
    with hub.window("ana", last) as window:
        assert heard(window) == ["message"]
    with hub.window("ben", last) as window:
        assert heard(window) == ["message", "message"]
    with hub.window("ana", hub.cursor) as window:
        assert heard(window) == []


@pytest.mark.parametrize("last", ["v1.other.1", "v1.x", "v1", "v1.{begun}.99", "v1.{begun}.x", "v1.{begun}.0"])
async def test_from_another_start_or_too_long_ago_it_starts_over(last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REMEMBERED", 2)
    hub = Hub("v1")
    for about in "abc":
        tell(hub, about)
    with hub.window("ana", last.format(begun=hub._begun)) as window:
        assert heard(window) == ["start"]


async def test_a_page_of_other_files_loads_itself_again() -> None:
    with Hub("v2").window("ana", "v1.x.1") as window:
        assert heard(window) == ["reload"]


async def test_a_slow_window_hears_the_newest_of_each_and_starts_over_when_it_is_too_much() -> None:
    hub = Hub("v1")
    with hub.window("ana", "") as window:
        for _ in range(1000):
            tell(hub, "a")
            tell(hub, "b")
        assert len(window._waiting) == 2
        for number in range(events.MOST_QUEUED):
            tell(hub, str(number))
        assert len(window._waiting) <= events.MOST_QUEUED
        assert "start" in heard(window)


async def test_a_quiet_line_is_kept_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    with Hub("v1").window("ana", "") as window:
        async for text in window.heard():
            assert text == BEAT
            break


async def test_the_oldest_window_of_one_person_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_EACH", 2)
    hub = Hub("v1")
    with hub.window("ana", "") as one, hub.window("ben", "") as other, hub.window("ana", "") as two:
        assert not one.ended
        with hub.window("ana", "") as three:
            assert [it.ended for it in (one, other, two, three)] == [True, False, False, False]


async def test_a_reader_that_never_reads_holds_up_nobody(house: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_WITHIN", 0.2)
    ana = await house.visitor()
    window = await ana.window()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rsplit(":", 1)[1]), limit=1024)
    writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200" in await reader.readline()
    hub = house.platform._hub
    while len(hub) < 2:
        await asyncio.sleep(0.01)
    *_, stuck = hub._windows
    text = "x" * 100_000
    for number in range(events.MOST_QUEUED * 2):  # to it alone: who has to read as much may be slow, too
        hub.tell("message", str(number), stuck.person, {"key": str(number), "text": text, "open": True}, None)
        await asyncio.sleep(0)
    key = await ana.drawing("a red fox")
    await window.over(key)
    async with asyncio.timeout(5):
        while len(hub) > 1:  # it is taken for gone
            await asyncio.sleep(0.02)
    writer.close()


async def test_two_hundred_windows_see_a_picture_within_a_second(house: Playground) -> None:
    ana, ben, cleo, dan = await house.visitors(4)
    windows = [await visitor.window() for visitor in (ana, ben, cleo, dan) for _ in range(50)]
    began = time.process_time()
    key = await ana.drawing("a red fox")
    for window in windows:
        await window.over(key)
    assert time.process_time() - began < 1  # of work: the time on the clock belongs to other tests, too
    assert len(house.platform._hub) == 200


async def test_windows_close_when_easel_stops_and_find_the_next_start(tmp_path: Path) -> None:
    async with Playground(tmp_path) as house:
        ana = await house.visitor()
        window = await ana.window()
        await house.platform.stop_taking()
        await window.ended()
        assert not house.platform.ready
        assert await ana.status("GET", "/api/events") == 503
        assert (await ana.status("GET", "/")) == 200
        answer = await ana.status("POST", "/api/say", json={}, headers={"X-Easel": "1"})
        assert answer == 503


async def test_an_update_of_the_page_reaches_open_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Playground(tmp_path) as house:
        ana = await house.visitor()
        last, cookies = (await ana.get("/api/start"))["cursor"], ana.cookies
    monkeypatch.setattr(houses, "PAGE", houses.PAGE + "<p>new</p>")
    async with Playground(tmp_path) as house:
        window = await (await house.visitor(cookies)).window(last)
        await window.until(lambda it: "reload" in it.events)
