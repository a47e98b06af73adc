from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.playground import Playground, playground
from tests.browser.visitor import Visitor, visitor

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

expect.set_options(timeout=8000)

Visit = Callable[..., Awaitable[Visitor]]


def browser_path() -> str:
    """Chromium as the system has it. Without one the tests are skipped; in CI that is a failure."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail("There is no Chromium here, and CI must not skip the page's tests: apt-get install chromium")
    pytest.skip("There is no Chromium here; on Debian: apt-get install chromium")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = browser_path()
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        await made.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Playground]:
    """One that the tests of a module share: starting it takes longer than most of them."""
    async with playground(tmp_path_factory.mktemp("playground") / "data") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, shared: Playground) -> AsyncIterator[Visit]:
    """`await visit()` is a new person who has opened the page. At the end nobody's page complained of anything."""
    people: list[Visitor] = []

    async def come(path: str = "/", **context: Any) -> Visitor:
        people.append(await visitor(browser, shared, **context))
        await people[-1].come(path)
        return people[-1]

    yield come
    for person in people:
        await person.page.context.close()
    for person in people:
        person.check()
    shared.check()
