"""Somebody with the page open: asks as the page does, and reads its stream of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import aiohttp

Json = dict[str, Any]
POSTING = {"X-Easel": "1"}


class Window:
    """One open page: `messages` by key as they stand, `notes` as they came, `events` by name."""

    def __init__(self, visitor: Visitor, last: str = "") -> None:
        self._visitor = visitor
        self.messages: dict[str, Json] = {}
        self.notes: list[Json] = []
        self.events: list[str] = []
        self.raw: list[str] = []
        self.last = last
        self._changed = asyncio.Condition()
        self._opened = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def opened(self) -> Window:
        await asyncio.wait_for(self._opened.wait(), 5)
        return self

    async def _read(self) -> None:
        query = f"?last={self.last}" if self.last else ""
        async with self._visitor.session.get(f"{self._visitor.url}/api/events{query}") as answer:
            assert answer.status == 200, await answer.text()
            self.headers = answer.headers
            name, data = "", ""
            async for line in answer.content:
                self._opened.set()
                text = line.decode().rstrip("\n")
                self.raw.append(text)
                field, _, value = text.partition(": ")
                if field == "id":
                    self.last = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not text and name:
                    await self._hear(name, json.loads(data))
                    name, data = "", ""

    async def _hear(self, name: str, data: Json) -> None:
        async with self._changed:
            self.events.append(name)
            if name == "message":
                self.messages[data["key"]] = data
            elif name == "removed":
                self.messages.pop(data["key"], None)
            elif name == "note":
                self.notes.append(data["card"])
            self._changed.notify_all()

    async def until(self, so: Callable[[Window], Any], seconds: float = 5.0) -> Any:
        """Wait until it is so; what `so` said."""
        async with self._changed:
            try:
                async with asyncio.timeout(seconds):
                    while not (found := so(self)):
                        await self._changed.wait()
            except TimeoutError:
                raise AssertionError(f"never came: {self.titles()}, {self.events}") from None
            return found

    async def over(self, key: str) -> Json:
        """The message with this key, once it is over."""
        await self.until(lambda it: key in it.messages and not it.messages[key]["open"])
        return self.messages[key]

    async def ended(self) -> None:
        """Wait until the server closes it."""
        await asyncio.wait_for(asyncio.shield(self._task), 5)

    def titles(self) -> list[str]:
        return [message["card"]["title"] for message in self.messages.values()]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Visitor:
    def __init__(self, url: str, cookies: dict[str, str] | None, headers: dict[str, str] | None) -> None:
        self.url = url
        jar = aiohttp.CookieJar(unsafe=True)  # an address is no name of a site
        self.session = aiohttp.ClientSession(cookie_jar=jar, cookies=cookies, headers=headers)
        self._windows: list[Window] = []
        self.me: Json = {}

    async def arrive(self) -> Json:
        started = await self.get("/api/start")
        self.me = started["me"]
        return started

    async def close(self) -> None:
        for window in self._windows:
            await window.close()
        await self.session.close()

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}

    async def window(self, last: str = "") -> Window:
        window = Window(self, last)
        self._windows.append(window)
        return await window.opened()

    # ---- asking ----

    async def say(self, text: str, **more: Any) -> Json:
        return await self.post("/api/say", text=text, **more)

    async def drawing(self, text: str, **more: Any) -> str:
        """Say what shall be drawn; the key of the message that answers."""
        answer = await self.say(text, **more)
        assert answer["kind"] == "message", answer
        return str(answer["key"])

    async def press(self, message: Json, verb: str, argument: int = 0) -> Json:
        action = next(it for it in message["card"]["actions"] if it["verb"] == verb and argument in (0, it["argument"]))
        return await self.post(
            "/api/press", verb=verb, job=action["job"], argument=action["argument"], message=message["key"]
        )

    async def post(self, path: str, **body: Any) -> Json:
        async with self.session.post(self.url + path, json={"request_id": str(uuid4()), **body}, headers=POSTING) as it:
            assert it.status == 200, (it.status, await it.text())
            return dict(await it.json())

    async def upload(self, data: bytes, name: str = "photo.png", kind: str = "image/png") -> Json:
        headers = {**POSTING, "Content-Type": kind, "X-Name": name}
        async with self.session.post(f"{self.url}/api/uploads", data=data, headers=headers) as it:
            assert it.status == 200, (it.status, await it.text())
            return dict(await it.json())

    async def get(self, path: str) -> Json:
        async with self.session.get(self.url + path) as it:
            assert it.status == 200, (it.status, await it.text())
            return dict(await it.json())

    async def fetch(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(self.url + path) as it:
            return it.status, await it.read()

    async def status(self, method: str, path: str, **how: Any) -> int:
        async with self.session.request(method, self.url + path, **how) as it:
            await it.read()
            return it.status
