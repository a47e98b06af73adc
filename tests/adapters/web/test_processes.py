"""Several processes on one Postgres, each with the page: a window sees everything, whichever of them it is open at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from adapters.web.news import Changed
from bot.guard import Policy
from bot.images import Flag
from bot.jobs import Generating
from bot.ports import Prepared, Sighting
from bot.store import Record
from tests.adapters.web.house import Playground
from tests.adapters.web.test_uploads import png
from tests.adapters.web.visitor import Json, Visitor, Window
from tests.doubles.backend import Account, Fate, PaintedBackend
from tests.servers.postgres import new_database


@pytest.fixture
def url(postgres_url: str) -> str:
    return new_database(postgres_url)


@pytest.fixture
async def here(tmp_path: Path, url: str) -> AsyncIterator[Playground]:
    """The process that people ask at. Its jobs run there."""
    async with Playground(tmp_path, database_url=url) as made:
        yield made


@pytest.fixture
async def there(here: Playground, tmp_path: Path, url: str) -> AsyncIterator[Playground]:
    """Another one, where windows are open."""
    async with Playground(tmp_path, database_url=url) as made:
        yield made


async def at(house: Playground, visitor: Visitor) -> Visitor:
    """The same person, whose request a proxy sends to another process."""
    return await house.visitor(visitor.cookies)


async def generating(window: Window, key: str) -> Json:
    def so(it: Window) -> Json | None:
        message = it.messages.get(key)
        return message if message and message["since"] else None

    message: Json = await window.until(so)
    return message


async def test_a_message_appears_shows_its_progress_and_ends_everywhere(here: Playground, there: Playground) -> None:
    here.backend.seconds = 60
    ana, ben = await here.visitor(), await there.visitor()
    one, two = await ana.window(), await ben.window()
    key = await ana.drawing("a red fox")
    mine, theirs = await generating(one, key), await generating(two, key)
    assert theirs["card"]["title"].startswith("Generating")
    assert (theirs["open"], theirs["mine"], theirs["who"]) == (True, False, mine["who"])
    began = [datetime.fromisoformat(it["since"]) for it in (mine, theirs)]
    assert abs((began[0] - began[1]).total_seconds()) < 1
    (painting,) = here.backend.account.paintings.values()
    painting.done.set()
    assert await one.over(key) == await two.over(key) | {"mine": True}
    status, _ = await ben.fetch(two.messages[key]["card"]["pictures"][0]["url"])
    assert status == 200


async def test_a_window_that_is_opened_meanwhile_sees_how_far_it_is(here: Playground, there: Playground) -> None:
    here.backend.seconds = 60
    ana = await here.visitor()
    key = await ana.drawing("a red fox")
    elsewhere = there.platform._any_home().board._elsewhere
    async with asyncio.timeout(5):
        while not isinstance(elsewhere.progress(key), Generating):
            await asyncio.sleep(0.01)
    (seen,) = (await (await there.visitor()).get("/api/start"))["messages"]
    assert (seen["key"], seen["open"]) == (key, True)
    assert seen["since"]
    assert seen["card"]["actions"]


async def test_a_private_picture_is_seen_by_its_requester_alone_everywhere(here: Playground, there: Playground) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    own, other = await (await at(there, ana)).window(), await ben.window()
    secret = await ana.drawing("a secret fox --private")
    assert (await own.over(secret))["mine"]
    after = await ana.drawing("something open")
    await other.over(after)
    assert list(other.messages) == [after]


async def test_a_failure_is_told_everywhere(
    here: Playground, there: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.backend.fates.append(Fate(lost=True, accepted=False))
    look, seen = here.backend.sightings, asyncio.Event()

    async def slowly(prepared: Prepared, since: datetime) -> list[Sighting]:
        await seen.wait()
        return await look(prepared, since)

    monkeypatch.setattr(here.backend, "sightings", slowly)
    ana, ben = await here.visitor(), await there.visitor()
    window = await ben.window()
    key = await ana.drawing("a lost fox")
    await window.until(lambda it: any("Checking" in title for title in it.titles()))
    seen.set()
    assert (await window.over(key))["card"]["pictures"] == []


async def test_delete_takes_it_away_everywhere(here: Playground, there: Playground) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    one, two = await ana.window(), await ben.window()
    key = await ana.drawing("a red fox")
    message = await two.over(key)
    await one.over(key)
    await (await at(there, ana)).press(message, "delete")
    for window in (one, two):
        await window.until(lambda it: key not in it.messages)
    assert (await ben.get("/api/start"))["messages"] == []


async def test_what_is_taken_away_while_its_row_is_read_does_not_come_back(here: Playground, there: Playground) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    window = await ben.window()
    key = await ana.drawing("a red fox")
    message = await window.over(key)
    board = there.platform._any_home().board
    find, read, go_on = board._elsewhere._find, asyncio.Event(), asyncio.Event()

    async def slowly(key: str) -> Record | None:
        record = await find(key)
        read.set()
        await go_on.wait()
        return record

    board._elsewhere._find = slowly
    board._hear(Changed(key))
    await read.wait()
    await (await at(there, ana)).press(message, "delete")
    await window.until(lambda it: key not in it.messages)
    go_on.set()
    board._elsewhere._find = find
    after = await ana.drawing("a blue whale")
    await window.over(after)
    assert list(window.messages) == [after]


async def test_covered_at_one_it_is_covered_everywhere(here: Playground, there: Playground) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    one, two = await ana.window(), await ben.window()
    key = await ana.drawing("a red fox")
    await two.over(key)
    await one.over(key)
    await (await at(there, ana)).post("/api/use", name="spoiler", message=key)
    for window in (one, two):
        await window.until(lambda it: it.messages[key]["card"]["pictures"][0]["hidden"])


async def test_cancelled_where_it_runs_it_is_over_everywhere(here: Playground, there: Playground) -> None:
    here.backend.seconds = 60
    ana, ben = await here.visitor(), await there.visitor()
    window = await ben.window()
    key = await ana.drawing("a slow fox")
    await ana.press(await generating(window, key), "cancel")
    assert (await window.over(key))["card"]["title"] == "Cancelled"


async def test_a_new_name_is_told_to_ones_own_windows_everywhere(here: Playground, there: Playground) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    own, other = await (await at(there, ana)).window(), await ben.window()
    await ana.post("/api/me", name="Ana Lindqvist")
    await own.until(lambda it: "me" in it.events)
    await other.over(await ben.drawing("something else"))
    assert "me" not in other.events


async def test_a_private_word_reaches_ones_windows_everywhere(tmp_path: Path, url: str) -> None:
    backend = PaintedBackend(fates=(Fate(flags=(Flag.YES,)),))
    withholds = Policy("block")
    async with (
        Playground(tmp_path, backend, policy=withholds, database_url=url) as here,
        Playground(tmp_path, policy=withholds, database_url=url) as there,
    ):
        ana, ben = await here.visitor(), await there.visitor()
        own, other = await (await at(there, ana)).window(), await ben.window()
        await ana.drawing("a statue")
        await own.until(lambda it: it.notes)
        await other.over(await ben.drawing("something else"))
        assert other.notes == []


async def test_who_draws_without_a_page_is_heard_of(tmp_path: Path, url: str) -> None:
    account = Account()
    async with Playground(tmp_path, database_url=url) as there:
        ben = await there.visitor()
        window = await ben.window()
        async with Playground(tmp_path, PaintedBackend(seconds=60, account=account), database_url=url) as gone:
            key = await (await gone.visitor()).drawing("a red fox")
            await generating(window, key)
        worker = Playground(tmp_path, PaintedBackend(account=account), database_url=url, serves=False)
        (painting,) = account.paintings.values()
        painting.done.set()
        async with worker:
            assert (await window.over(key))["card"]["title"] == "Done"


async def test_a_request_that_a_proxy_sends_to_two_processes_is_one_job(here: Playground, there: Playground) -> None:
    ana = await here.visitor()
    moved = await at(there, ana)
    window = await ana.window()
    again = {"request_id": str(uuid4())}
    one, two = await asyncio.gather(ana.say("a red fox", **again), moved.say("a red fox", **again))
    assert one == two
    await window.over(one["key"])
    assert [it["key"] for it in (await moved.get("/api/start"))["messages"]] == [one["key"]]
    assert here.backend.posts + there.backend.posts == 1


async def test_a_window_that_moves_to_another_process_starts_over(here: Playground, there: Playground) -> None:
    ana = await here.visitor()
    window = await ana.window()
    await window.over(await ana.drawing("a red fox"))
    moved = await (await at(there, ana)).window(window.last)
    await moved.until(lambda it: it.events[:1] == ["start"])


async def test_a_window_that_comes_back_after_news_that_nobody_was_there_for_starts_over(
    here: Playground, there: Playground
) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    last = (await ben.get("/api/start"))["cursor"]
    window = await ana.window()
    await window.over(await ana.drawing("a red fox"))
    async with asyncio.timeout(5):
        while there.platform._hub.cursor == last:
            await asyncio.sleep(0.01)
    await (await ben.window(last)).until(lambda it: "start" in it.events)


async def test_after_a_silence_every_window_starts_over(here: Playground, there: Playground) -> None:
    ben = await there.visitor()
    window = await ben.window()
    await there.database.write(
        lambda connection: connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        ).close()
    )
    await window.until(lambda it: "start" in it.events)


async def test_what_is_handed_in_at_one_process_is_drawn_from_at_another(here: Playground, there: Playground) -> None:
    ana, ben = await here.visitor(), await there.visitor()
    data = png()
    image = await ana.upload(data)
    moved = await at(there, ana)
    assert await moved.fetch(f"/api/uploads/{image['id']}") == (200, data)
    assert (await ben.fetch(f"/api/uploads/{image['id']}"))[0] == 404
    window = await moved.window()
    await window.over(await moved.drawing("as a watercolour", image=image["id"]))
    assert len(there.backend.uploads) == 1


async def test_a_guest_is_the_same_person_everywhere(tmp_path: Path, url: str) -> None:
    one, two = Playground(tmp_path, database_url=url), Playground(tmp_path, database_url=url)
    await asyncio.gather(one.__aenter__(), two.__aenter__())
    try:
        ana = await one.visitor()
        assert (await at(two, ana)).me == ana.me
    finally:
        await asyncio.gather(one.__aexit__(), two.__aexit__())
