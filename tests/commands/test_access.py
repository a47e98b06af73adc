"""The table of who may press what."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from bot.errors import EaselError
from bot.jobs import Job, Place, Requester
from commands import access
from commands.spec import Where
from tests.commands.house import House
from tests.doubles.turn import ANNA, BEN, SQUARE, NotingTurn

ELSEWHERE = Place("double", "other community", "other channel")
TWIN = Requester("other platform", ANNA.id, "Twin")
DM = Place("double", None, "dm-1")

PEOPLE = {
    "requester": lambda: NotingTurn(ANNA),
    "requester, elsewhere": lambda: NotingTurn(ANNA, ELSEWHERE),
    "other": lambda: NotingTurn(BEN),
    "other, next channel": lambda: NotingTurn(BEN, Place("double", SQUARE.community, "next")),
    "moderator": lambda: NotingTurn(BEN, moderates=True),
    "stranger": lambda: NotingTurn(BEN, ELSEWHERE),
    "moderator elsewhere": lambda: NotingTurn(BEN, ELSEWHERE, moderates=True),
    "same id, other platform": lambda: NotingTurn(TWIN),
    "in a direct message": lambda: NotingTurn(BEN, DM),
}
OWN = {"requester", "requester, elsewhere"}
HERE = {"other", "other, next channel", "moderator", "same id, other platform"}

# job → who may see, draw again, vary and edit it; who may cancel or delete it
TABLE: dict[str, tuple[set[str], set[str]]] = {
    "public": (OWN | HERE, OWN | {"moderator"}),
    "being posted": (OWN | HERE, OWN | {"moderator"}),
    "not posted": (OWN, OWN | {"moderator"}),
    "private": (OWN, OWN),
}


async def a_job(home: House, kind: str) -> Job:
    state = kind if kind == "being posted" else "closed"
    return await home.job(public=kind == "public", private=kind == "private", state=state)


@pytest.mark.parametrize(("kind", "who"), list(itertools.product(TABLE, PEOPLE)))
@pytest.mark.parametrize("verb", ["again", "retry", "edit", "vary", "details", "show"])
async def test_who_may_see_and_draw_again(home: House, kind: str, who: str, verb: str) -> None:
    job = await a_job(home, kind)
    if verb == "show":
        ok, words = await attempt(home, "show", Where.SLASH, PEOPLE[who](), id=job.short)
    else:
        ok, words = await attempt(home, verb, Where.BUTTON, PEOPLE[who](), job=job.id, argument=1)
    assert ok == (who in TABLE[kind][0])
    if not ok:
        assert words.startswith("There is no picture")


@pytest.mark.parametrize(("kind", "who"), list(itertools.product(TABLE, PEOPLE)))
@pytest.mark.parametrize("verb", ["delete", "cancel"])
async def test_who_may_cancel_and_delete(home: House, kind: str, who: str, verb: str) -> None:
    job = await a_job(home, kind)
    pressing = asyncio.create_task(attempt(home, verb, Where.BUTTON, PEOPLE[who](), job=job.id, argument=0))
    if kind == "being posted":  # what is deleted is waited for
        await home.store.closed(job.id, address="double:9", public=True)
    ok, words = await pressing
    assert ok == (who in TABLE[kind][1])
    reachable = who in OWN | HERE and not (kind == "private" and who not in OWN)
    if not ok and reachable:
        assert words.startswith("Only Anna, or someone who manages messages here, can")
    elif not ok:
        assert words.startswith("There is no picture")


@pytest.mark.parametrize("who", list(PEOPLE))
async def test_who_may_cover(home: House, who: str) -> None:
    job = await home.job()
    ok, _ = await attempt(home, "spoiler", Where.MESSAGE, PEOPLE[who](), message=f"double:{job.id}")
    assert ok == (who in OWN | {"moderator"})


async def test_what_isnt_there_and_what_isnt_yours_sound_the_same(home: House) -> None:
    job = await home.job(private=True)
    _, theirs = await attempt(home, "show", Where.SLASH, NotingTurn(BEN), id=job.short)
    _, nothing = await attempt(home, "show", Where.SLASH, NotingTurn(BEN), id="zzzzzz")
    assert theirs.replace(job.short, "…") == nothing.replace("zzzzzz", "…")


async def test_a_deleted_picture_is_gone_for_others(home: House) -> None:
    job = await home.job()
    await home.store.mark_deleted(job.id)
    record = await home.record(job)
    assert not access.may_see(record, NotingTurn(BEN))
    assert access.may_see(record, NotingTurn(ANNA))


async def test_those_in_one_direct_message_see_each_others(home: House) -> None:
    record = await home.record(await home.job(place=DM))
    assert access.may_see(record, NotingTurn(BEN, DM))
    assert not access.may_see(record, NotingTurn(BEN, Place("double", None, "dm-2")))


async def test_others_never_get_a_withheld_picture(home: House) -> None:
    from bot.images import Flag

    job = await home.job(flags=(Flag.NO, Flag.YES), withheld=frozenset({2}))
    record = await home.record(job)
    assert [it.index for it in access.visible(record, NotingTurn(BEN))] == [1]
    assert [it.index for it in access.visible(record, NotingTurn(ANNA))] == [1, 2]
    ok, words = await attempt(home, "vary", Where.BUTTON, NotingTurn(BEN), job=job.id, argument=2)
    assert not ok
    assert "no picture 2" in words


async def attempt(home: House, name: str, where: Where, turn: NotingTurn, **options: object) -> tuple[bool, str]:
    """Whether it was done, and if not, what was said."""
    try:
        await home.run(name, where, turn, **options)
    except EaselError as error:
        return False, str(error)
    closed = turn.reply.closed if turn.reply else None
    if closed and closed.title == "That didn't work":
        return False, closed.lines[0].text
    return True, ""
