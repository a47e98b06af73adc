"""The page and its files, as they are in the package."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from adapters.web.pages import FOREVER, Pages
from tests.adapters.web.house import Playground, files

STATIC = re.compile(r'(?:href|src)="(/static/[^"]+)"')
MOST = 150 * 1024
"""Bytes of the page before its pictures, as they are sent."""


def test_the_packages_own_page_names_only_files_that_are_there_and_is_light() -> None:
    pages = Pages()
    text = pages.shell(simulated=True, model="flux-dev-lora").text or ""
    named = {name.removeprefix(f"/static/{pages.version}/") for name in STATIC.findall(text)}
    assert named
    assert named <= pages._files.keys()
    assert len(text.encode()) + sum(len(file.packed) for file in pages._files.values()) < MOST
    assert not re.search(r"""(?:href|src)=["'](?:https?:)?//""", text)
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", text)


async def test_a_file_is_kept_for_good_by_its_version_and_asked_for_anew_without(house: Playground) -> None:
    ana = await house.visitor()
    _, page = await ana.fetch("/")
    (versioned,) = STATIC.findall(page.decode())
    for path, kept, status in (
        (versioned, FOREVER, 200),
        ("/static/a.js", "no-cache", 200),
        ("/static/old/a.js", "no-cache", 200),
    ):
        async with ana.session.get(ana.url + path) as answer:
            assert (answer.status, answer.headers["Cache-Control"]) == (status, kept)
            assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert await ana.status("GET", "/static/b.js") == 404


def test_the_version_changes_with_any_file(tmp_path: Path) -> None:
    one = Pages(files(tmp_path, "1")).version
    assert Pages(files(tmp_path, "1")).version == one
    assert Pages(files(tmp_path, "2")).version != one


async def test_while_easel_starts_the_page_waits_for_it(tmp_path: Path) -> None:
    from bot.web import Web

    house = Playground(tmp_path)
    try:
        async with Web("127.0.0.1", 0, {}, house.platform.routes()) as port, aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port.port}/") as answer:
                assert (answer.status, answer.headers["Refresh"]) == (503, "1")
            async with session.get(f"http://127.0.0.1:{port.port}/api/start") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    finally:
        house.database.close()


async def test_the_gallery_has_filters_and_pages(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    window = await ana.window()
    for visitor, text in (
        (ana, "a red fox --lora yarn:0.8"),
        (ben, "two owls --n 2"),
        (ana, "a secret fox --private"),
        (ben, "a secret owl --private"),
    ):
        key = await visitor.drawing(text)
        if "owl" not in text or "secret" not in text:
            await window.over(key)

    async def prompts(query: str) -> list[str]:
        items = (await ana.get(f"/api/gallery?{query}"))["items"]
        return [item["prompt"].partition(",")[0] for item in items]  # a LoRA adds its trigger words

    assert await prompts("") == ["a secret fox", "two owls", "two owls", "a red fox"]
    assert await prompts("mine=1") == ["a secret fox", "a red fox"]
    assert await prompts("text=OWL") == ["two owls", "two owls"]
    assert await prompts("lora=yarn") == ["a red fox"]
    (fox,) = (await ana.get("/api/gallery?lora=yarn"))["items"]
    page = await ana.get("/api/gallery?limit=2")
    assert page["more"]
    assert [item["prompt"] for item in page["items"]] == ["a secret fox", "two owls", "two owls"]
    rest = await ana.get(f"/api/gallery?limit=2&before={page['more']}")
    assert ([item["job"] for item in rest["items"]], rest["more"]) == ([fox["job"]], None)
    assert fox["line"].startswith("/imagine a red fox")
    assert fox["mine"]
    assert (await ana.fetch(fox["url"]))[0] == 200
    for query in ("limit=x", "limit=-1", "limit=99999999999", "before=%00", "before='", "text=%25", "lora=%22"):
        assert (await ana.fetch(f"/api/gallery?{query}"))[0] == 200


async def test_suggestions_keep_the_weight_that_was_typed(house: Playground) -> None:
    ana = await house.visitor()
    async with ana.session.get(f"{ana.url}/api/suggest?command=imagine&option=lora1&text=yar:0.5") as answer:
        assert {"label", "value"} == set((await answer.json())[0])
        assert "yarn:0.5" in [choice["value"] for choice in await answer.json()]
    async with ana.session.get(f"{ana.url}/api/suggest?command=nothing&option=x") as answer:
        assert await answer.json() == []


async def test_the_start_tells_all_that_can_be_asked(house: Playground) -> None:
    ana = await house.visitor()
    started = await ana.get("/api/start")
    names = {command["name"]: command for command in started["commands"]}
    assert {"imagine", "edit", "show", "lora list"} <= names.keys()
    width = next(option for option in names["imagine"]["options"] if option["name"] == "width")
    assert (width["kind"], width["low"], width["high"]) == ("integer", 64, 1536)
    assert {command["name"] for command in started["on_message"]} == {"details", "source", "spoiler"}
    assert started["capabilities"]["side"] == [64, 1536]
    assert (started["simulated"], started["model"], started["notice"]) == (False, "painted", "")
    assert {"names": ["lora", "loras"], "example": "--lora yarn:0.8", "option": "loras"} in started["flags"]


async def test_a_file_comes_packed_to_browsers_that_unpack_it(house: Playground) -> None:
    ana = await house.visitor()
    _, page = await ana.fetch("/")
    (path,) = STATIC.findall(page.decode())
    async with ana.session.get(ana.url + path, headers={"Accept-Encoding": "identity"}) as plain:
        assert "Content-Encoding" not in plain.headers
        whole = await plain.read()
    async with ana.session.get(ana.url + path, headers={"Accept-Encoding": "gzip"}) as packed:
        assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert await packed.read() == whole
