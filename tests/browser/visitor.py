"""A person at the playground's page: what they see there, and what they do."""

from __future__ import annotations

import re
from typing import Any, Protocol

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect

WAIT = 20_000
"""Milliseconds for what takes the picture's time."""


class Reached(Protocol):
    """Where the page is: a process, or a proxy before several."""

    url: str


class Visitor:
    """One window in a browser profile of its own. `wrong` is what the page complained of itself."""

    def __init__(self, page: Page, easel: Reached) -> None:
        self.page = page
        self.easel = easel
        self.wrong: list[str] = []
        self.foreign: list[str] = []
        self.offline = False
        """While the server is away on purpose, the browser complains of that in its console."""
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._heard)
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self.offline:
            self.wrong.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.easel.url, "blob:", "data:")):
            self.foreign.append(request.url)

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not self.offline:
            self.wrong.append(f"{response.status} {response.url}")

    async def come(self, path: str = "/") -> None:
        await self.page.goto(self.easel.url + path)
        await self.known()

    async def known(self) -> None:
        """Until the page knows who is here, and with that everything else."""
        await expect(self.page.locator(".me-name")).not_to_be_empty()

    async def reload(self) -> None:
        await self.page.reload()
        await self.known()

    # ---- the channel ----

    @property
    def field(self) -> Locator:
        return self.page.locator("#say")

    @property
    def messages(self) -> Locator:
        return self.page.locator("#messages > article:not(.note)")

    @property
    def notes(self) -> Locator:
        return self.page.locator("#messages > .note")

    def message(self, prompt: str) -> Locator:
        """The messages with exactly this prompt."""
        quote = self.page.locator("blockquote", has_text=re.compile(f"^{re.escape(prompt)}$"))
        return self.messages.filter(has=quote)

    async def say(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def drawn(self, text: str, prompt: str = "") -> Locator:
        """Asks for a picture and waits until it is to be seen. `prompt` where it isn't the whole text."""
        await self.say(text)
        message = self.message(prompt or text).last
        await expect(message.locator(".picture.here").first).to_be_visible(timeout=WAIT)
        return message

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=name, exact=True)

    @property
    def trouble(self) -> Locator:
        return self.page.locator("#trouble")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def natural_size(self, message: Locator) -> tuple[int, int]:
        """Of its first picture's file."""
        image: Any = await message.locator("img").first.evaluate("it => [it.naturalWidth, it.naturalHeight]")
        return image[0], image[1]

    async def as_windows_close(self, act: str) -> None:
        """Run this JavaScript each time that a window closes, before the page hears of it: its close event comes later."""
        await self.page.evaluate(
            """() => {
                const close = HTMLDialogElement.prototype.close;
                HTMLDialogElement.prototype.close = function () {
                    close.call(this);
                    ACT
                };
            }""".replace("ACT", act)
        )

    async def sideways(self) -> int:
        """Pixels by which the page, or its open window, is too wide for the screen."""
        return int(
            await self.page.evaluate(
                """() => Math.max(...[document.documentElement, document.body, ...document.querySelectorAll(
                   'main, dialog, .window-body, .scroll, #messages, .composer')]
                   .filter(it => it.offsetParent !== null || it === document.body || it.tagName === 'DIALOG')
                   .map(it => it.scrollWidth - it.clientWidth))"""
            )
        )

    def check(self) -> None:
        assert not self.wrong, self.wrong
        assert not self.foreign, self.foreign


async def visitor(browser: Browser, easel: Reached, **context: Any) -> Visitor:
    """A new person: their browser has never been here. `context` as for Playwright's `new_context`."""
    made = await browser.new_context(**({"viewport": {"width": 1100, "height": 860}} | context))
    made.set_default_timeout(8000)
    return Visitor(await made.new_page(), easel)
