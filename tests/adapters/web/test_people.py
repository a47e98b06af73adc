"""Who somebody is, and what all guests together may draw."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.web.address import Address
from adapters.web.pace import Pace, Rate
from adapters.web.people import People, Person, clean_name
from bot.errors import BadRequest
from tests.adapters.web.house import Playground


async def test_a_newcomer_stays_who_they_are_by_a_cookie_that_no_script_reads(house: Playground) -> None:
    ana = await house.visitor()
    assert re.fullmatch(r"Guest [0-9a-f]{4}", ana.me["name"])
    assert (await ana.get("/api/start"))["me"] == ana.me
    (cookie,) = ana.session.cookie_jar
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")
    assert int(cookie["max-age"]) > 300 * 24 * 3600
    ben = await house.visitor()
    assert ben.me["id"] != ana.me["id"]


async def test_behind_https_the_cookie_stays_there(tmp_path: Path) -> None:
    people = People([b"key"], "mark", secure=True)
    from aiohttp import web

    response = web.Response()
    people.remember(response, Person("a", "Ana"))
    (cookie,) = response.cookies.values()
    assert (cookie.key, cookie["secure"], cookie["path"]) == ("__Host-easel-mark", True, "/")


async def test_a_new_name_is_told_to_ones_other_windows_only(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    one, two = await ana.window(), await ben.window()
    assert await ana.post("/api/me", name="  Ana\u202e \t Maria\n") == {"name": "Ana Maria"}
    await one.until(lambda it: "me" in it.events)
    assert (await ana.get("/api/start"))["me"] == {"id": ana.me["id"], "name": "Ana Maria"}
    message = await two.over(await ana.drawing("a red fox"))
    assert message["who"]["name"] == "Ana Maria"
    assert "me" not in two.events
    assert (await ana.post("/api/me", name=" "))["field"] == "name"


async def test_a_first_request_that_is_a_post_makes_somebody_too(house: Playground) -> None:
    ana = await house.visitor()
    ana.session.cookie_jar.clear()
    await ana.drawing("a red fox")
    me = (await ana.get("/api/start"))["me"]
    assert (await ana.get("/api/start"))["messages"][0]["who"]["id"] == me["id"]


def test_a_forged_or_damaged_cookie_is_nobodys() -> None:
    people, name = People([b"key"], "mark", secure=False), "easel-mark"
    sealed = people.sealed(Person("a", "Ana"))
    assert people.known({name: sealed}) == Person("a", "Ana")
    body, _, signature = sealed.partition(".")
    for text in ("", ".", body, f"{body}x.{signature}", f"{body}.{'0' * 64}", "\udcff.\udcff", sealed * 20):
        assert people.known({name: text}) is None
    assert People([b"other"], "mark", secure=False).known({name: sealed}) is None
    assert People([b"new", b"key"], "mark", secure=False).known({name: sealed}) == Person("a", "Ana")


async def test_people_outlive_a_restart_by_the_operators_key_too(tmp_path: Path) -> None:
    key = (SecretStr("k" * 32),)
    async with Playground(tmp_path, secret_key=key) as house:
        ana = await house.visitor()
        cookies = ana.cookies
    async with Playground(tmp_path, secret_key=(SecretStr("n" * 32), *key)) as house:
        assert (await house.visitor(cookies)).me == ana.me
    async with Playground(tmp_path, secret_key=(SecretStr("n" * 32),)) as house:
        assert (await house.visitor(cookies)).me != ana.me


@pytest.mark.parametrize("name", ["", " \n", "\u200b", "x" * 41])
def test_a_name_has_1_to_40_visible_characters(name: str) -> None:
    with pytest.raises(BadRequest):
        clean_name(name)


async def test_all_guests_together_have_a_limit_since_a_new_one_is_free(tmp_path: Path) -> None:
    async with Playground(tmp_path, limit_per_day=3) as house:
        ana = await house.visitor()
        window = await ana.window()
        await window.over(await ana.drawing("two foxes --n 2"))
        ben = await house.visitor()
        answer = await ben.say("two owls --n 2")
        assert (answer["kind"], "3 pictures in 24 hours" in str(answer)) == ("error", True)
        await ben.drawing("one owl")
    async with Playground(tmp_path, limit_per_day=3) as house:
        answer = await (await house.visitor()).say("one more")
        assert answer["kind"] == "error"
    async with Playground(tmp_path, limit_per_day=0) as house:
        await (await house.visitor()).drawing("one more")


def test_a_pace_is_for_each_and_for_all() -> None:
    now = 0.0
    pace = Pace(Rate(2, 1), Rate(3, 1), lambda: now)
    assert [pace.wait("ana") for _ in range(3)] == [0, 0, 1]
    assert [pace.wait("ben") for _ in range(2)] == [0, 1]
    now = 1.0
    assert pace.wait("ben") == 0
    assert pace.wait("ana") > 0


def test_an_address_comes_back_and_its_key_is_the_same_in_a_retry() -> None:
    for private in (True, False):
        address = Address.asked("abc", "request", private=private)
        assert Address.parse(str(address)) == address
        assert Address.parse(str(address.cleared())) == address.cleared()
        assert Address.parse(address.key).key == address.key
        assert Address.asked("abc", "request", private=private).key == address.key
        assert Address.asked("abd", "request", private=private).key != address.key
    for text in ("", "web:main:x", "web:other:" + address.message, str(address) + "&more"):
        with pytest.raises(ValueError, match="address"):
            Address.parse(text)
