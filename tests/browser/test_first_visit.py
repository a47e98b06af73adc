"""What somebody finds who comes for the first time: how it feels, how heavy it is, and that it stays on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.async_api import Browser, Response, expect

from tests.browser.conftest import Visit
from tests.browser.playground import Playground, playground
from tests.browser.visitor import visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_BYTES = 150_000
ACKNOWLEDGED = 0.05
STARTED = 3.0
SMALLEST = {"width": 360, "height": 700}


def crowd() -> float:
    """How many wait for each of this machine's processors, where other tests run beside these; 1 when it is idle."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def quick(times: Sequence[float]) -> bool:
    """One surely, and most of them, but for what the crowd adds."""
    return min(times) <= ACKNOWLEDGED and sorted(times)[len(times) // 2] <= ACKNOWLEDGED * crowd()


async def test_the_page_says_what_to_do_and_an_example_is_one_click_away(browser: Browser, tmp_path: Path) -> None:
    async with playground(tmp_path / "data") as easel:  # where nobody has said anything yet
        ana = await visitor(browser, easel)
        await ana.come()
        await expect(ana.page.get_by_role("heading", name="Say what you would like to see")).to_be_visible()
        await expect(ana.field).to_be_focused()
        await ana.button("/imagine a red fox in the snow --ar 16:9 --lora yarn:0.8").click()
        await expect(ana.field).to_have_value("/imagine a red fox in the snow --ar 16:9 --lora yarn:0.8")
        await ana.page.context.close()
    ana.check()
    easel.check()


async def test_it_weighs_at_most_150_kb_and_asks_nobody_else(browser: Browser, shared: Playground) -> None:
    ana = await visitor(browser, shared)  # whose browser has kept nothing yet
    responses: list[Response] = []
    ana.page.on("response", lambda response: responses.append(response))
    await ana.come()
    await ana.page.wait_for_load_state("load")
    sizes = [await it.request.sizes() for it in responses if not it.url.endswith("/api/events")]
    await ana.page.context.close()
    assert len(sizes) > 20
    assert sum(it["responseBodySize"] + it["responseHeadersSize"] for it in sizes) <= MOST_BYTES
    ana.check()


async def test_a_typed_command_is_acknowledged_within_50_ms(visit: Visit) -> None:
    ana = await visit()
    times: list[float] = []
    while len(times) < 5 or (len(times) < 30 and not quick(times)):
        await ana.field.fill("/ping")
        before = await ana.notes.count()
        took = await ana.page.evaluate(
            """before => new Promise(done => {
              const list = document.getElementById("messages"), started = performance.now();
              new MutationObserver((_, watch) => {
                if (list.querySelectorAll(".note").length <= before) return;
                watch.disconnect();
                done(performance.now() - started);
              }).observe(list, { childList: true });
              document.getElementById("composer").requestSubmit();
            })""",
            before,
        )
        times.append(float(took) / 1000)
    assert quick(times), times


async def test_a_phone_needs_no_sideways_scrolling_anywhere(visit: Visit) -> None:
    ana = await visit(viewport=SMALLEST, has_touch=True, is_mobile=True)
    await ana.drawn(
        "a lighthouse with a very-long-word-" + "x" * 200 + " in it --n 2",
        "a lighthouse with a very-long-word-" + "x" * 200 + " in it",
    )
    await ana.say("/help")
    await expect(ana.notes.first).to_be_visible()
    assert await ana.sideways() == 0
    await ana.field.fill("/")
    await expect(ana.page.get_by_role("option").first).to_be_visible()
    assert await ana.sideways() == 0
    await ana.field.fill("")
    await ana.button("Draw with a form").click()
    await expect(ana.dialog).to_be_visible()
    assert await ana.sideways() == 0
    await ana.page.keyboard.press("Escape")
    await ana.page.get_by_role("link", name="Gallery").click()
    await expect(ana.page.locator(".grid .picture").first).to_be_visible()
    assert await ana.sideways() == 0
    await ana.page.locator(".grid .open").first.tap()
    await ana.button("Paint a mask").tap()
    await expect(ana.page.locator(".paint")).to_be_visible()
    assert await ana.sideways() == 0


async def test_at_200_percent_on_a_laptop_everything_is_still_there(visit: Visit) -> None:
    ana = await visit(viewport={"width": 640, "height": 400}, device_scale_factor=2)
    message = await ana.drawn("a small boat")
    assert await ana.sideways() == 0
    await message.get_by_role("button", name="Delete").scroll_into_view_if_needed()
    await expect(message.get_by_role("button", name="Delete")).to_be_in_viewport()
    await expect(ana.field).to_be_in_viewport()


async def test_it_is_usable_within_3_seconds_of_the_start(shared: Playground, visit: Visit) -> None:
    async def usable() -> bool:
        await shared.stop()
        started = time.monotonic()
        await shared.start()
        ana = await visit()
        took = time.monotonic() - started
        ana.offline = True
        return took <= STARTED * crowd()

    assert await usable() or await usable()  # the load is a minute's: it tells late of tests that began just now
