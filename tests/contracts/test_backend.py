"""What every Backend keeps, so that the heart can rely on it: the real client against the simulator, and the double."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import stamina
from PIL import Image

from adapters.wavespeed import connect, faults
from adapters.wavespeed.simulator import Simulator
from bot.errors import (
    Ambiguous,
    BadRequest,
    Expired,
    GenerationFailed,
    KeyRefused,
    MediaUnreachable,
    Moderated,
    RateLimited,
)
from bot.images import Flag, ImageRequest, Lora, Size
from bot.pacing import LEARNT_FROM, Usual
from bot.ports import Backend, Prepared, Rendered, Step, Ticket
from tests.adapters.wavespeed.values import picture, request, settings
from tests.doubles.backend import Fate, PaintedBackend

QUICK = Usual(0.05, 0.06, 0.1, LEARNT_FROM)
"""Here jobs end at once, and are known to."""


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Repeats come as often as usual, but at once."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


@dataclass(frozen=True, slots=True)
class Stage:
    """A backend and the strings to pull behind it. `next` says how the next submit goes."""

    backend: Backend
    next: Callable[[str], None]
    posts: Callable[[], int]


FATES = {
    "moderated": Fate(fails=Moderated("x")),
    "failed": Fate(fails=GenerationFailed("x")),
    "media": Fate(fails=MediaUnreachable("x")),
    "flagged": Fate(flags=(Flag.YES,)),
    "unjudged": Fate(flags=()),
    "throttled": Fate(refused=RateLimited("x", retry_after=0.1)),
    "key": Fate(refused=KeyRefused("x")),
    "lost": Fate(lost=True, accepted=False),
    "lost but taken": Fate(lost=True),
}


@asynccontextmanager
async def painted() -> AsyncIterator[Stage]:
    backend = PaintedBackend(seconds=0.05)
    yield Stage(backend, lambda name: backend.fates.append(FATES[name]), lambda: backend.posts)


def pull(simulator: Simulator, name: str) -> None:
    scripts = {
        "moderated": faults.MODERATED,
        "failed": faults.FAILED,
        "media": faults.LORA_UNREACHABLE,
        "flagged": faults.Script(nsfw=[True]),
        "unjudged": faults.Script(nsfw=None),
    }
    doors = {
        "throttled": faults.too_many("0"),
        "key": faults.BAD_KEY,
        "lost": faults.dropped(accepts=False),
        "lost but taken": faults.dropped(accepts=True),
    }
    if name in scripts:
        simulator.script(scripts[name])
    else:
        simulator.plan("submit", doors[name])


@asynccontextmanager
async def wavespeed(version: str, base64: bool) -> AsyncIterator[Stage]:
    async with Simulator(seconds=0.05, post_latency=0.0, separate_outputs=True) as simulator:
        async with connect(settings(simulator.base_url, api_version=version, base64=base64)) as client:
            yield Stage(client, partial(pull, simulator), lambda: simulator.posts)
        assert simulator.leaks == []


KINDS: dict[str, Callable[[], AbstractAsyncContextManager[Stage]]] = {
    "double": painted,
    "v2": partial(wavespeed, "v2", False),
    "v2 base64": partial(wavespeed, "v2", True),
    "v3": partial(wavespeed, "v3", False),
    "v3 base64": partial(wavespeed, "v3", True),
}


@pytest.fixture(params=KINDS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with KINDS[request.param]() as found:
        yield found


async def submit(backend: Backend, asked: ImageRequest) -> tuple[Prepared, Ticket]:
    prepared = await backend.prepare(asked, {})
    async with backend.turn(asked.count):
        return prepared, await backend.submit(prepared)


async def follow(backend: Backend, ticket: Ticket, asked: ImageRequest, into: Path) -> tuple[list[Step], Rendered]:
    async with asyncio.timeout(20):
        seen = [step async for step in backend.watch(ticket, asked, into, QUICK)]
    assert isinstance(seen[-1], Rendered)
    steps = [step for step in seen if isinstance(step, Step)]
    assert len(steps) == len(seen) - 1
    return steps, seen[-1]


async def draw(stage: Stage, asked: ImageRequest, into: Path) -> Rendered:
    _, ticket = await submit(stage.backend, asked)
    return (await follow(stage.backend, ticket, asked, into))[1]


async def test_it_is_a_backend(stage: Stage) -> None:
    assert isinstance(stage.backend, Backend)
    assert stage.backend.pictures_at_once >= 1
    assert isinstance(stage.backend.exclusive_key, bool)


async def test_a_request_becomes_pictures_on_disk(stage: Stage, tmp_path: Path) -> None:
    asked = request(size=Size(512, 768), count=2, loras=(Lora("linoyts/yarn_art_Flux_LoRA", 0.8),))
    rendered = await draw(stage, asked, tmp_path / "jobs" / "abc")
    assert rendered.missing == ()
    assert rendered.seconds >= 0
    assert rendered.took >= 0
    assert [picture.index for picture in rendered.pictures] == [1, 2]
    for found in rendered.pictures:
        assert found.path.with_suffix("") == tmp_path / "jobs" / f"abc-{found.index}"
        with Image.open(found.path) as image:
            image.load()
            assert (image.width, image.height) == (512, 768)
            assert Image.MIME[image.format or ""] == found.media_type
        assert found.size == Size(512, 768)
    assert len(list((tmp_path / "jobs").iterdir())) == 2


async def test_two_requests_become_two_different_pictures(stage: Stage, tmp_path: Path) -> None:
    one = await draw(stage, request(seed=1), tmp_path / "one")
    two = await draw(stage, request(seed=2), tmp_path / "two")
    again = await draw(stage, request(seed=1), tmp_path / "again")
    first, second, third = (found.pictures[0].path.read_bytes() for found in (one, two, again))
    assert first != second
    assert first == third


async def test_watching_may_be_repeated(stage: Stage, tmp_path: Path) -> None:
    asked = request()
    _, ticket = await submit(stage.backend, asked)
    _, once = await follow(stage.backend, ticket, asked, tmp_path / "x")
    before = once.pictures[0].path.read_bytes()
    _, twice = await follow(stage.backend, ticket, asked, tmp_path / "x")
    assert once.pictures == twice.pictures
    assert twice.pictures[0].path.read_bytes() == before
    assert stage.posts() == 1


async def test_a_cancelled_watch_can_be_taken_up_again(stage: Stage, tmp_path: Path) -> None:
    asked = request()
    _, ticket = await submit(stage.backend, asked)

    async def watch() -> None:
        async with aclosing(stage.backend.watch(ticket, asked, tmp_path / "x", QUICK)) as steps:  # type: ignore[type-var]
            async for _ in steps:
                pass

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    _, rendered = await follow(stage.backend, ticket, asked, tmp_path / "x")
    assert [path.stem for path in tmp_path.iterdir()] == ["x-1"]
    assert rendered.pictures[0].path.exists()


async def test_an_old_ticket_is_expired(stage: Stage, tmp_path: Path) -> None:
    old = Ticket("f" * 32, datetime.now(UTC) - timedelta(days=8))
    with pytest.raises(Expired):
        await follow(stage.backend, old, request(), tmp_path / "x")


@pytest.mark.parametrize(("flag", "name"), [(Flag.YES, "flagged"), (Flag.UNKNOWN, "unjudged")])
async def test_flags_are_told(stage: Stage, tmp_path: Path, flag: Flag, name: str) -> None:
    stage.next(name)
    rendered = await draw(stage, request(), tmp_path / "x")
    assert [found.flag for found in rendered.pictures] == [flag]


@pytest.mark.parametrize(
    ("name", "error"), [("moderated", Moderated), ("failed", GenerationFailed), ("media", MediaUnreachable)]
)
async def test_a_task_that_fails_says_how(stage: Stage, tmp_path: Path, name: str, error: type[Exception]) -> None:
    stage.next(name)
    with pytest.raises(error):
        await draw(stage, request(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "error"), [("throttled", RateLimited), ("key", KeyRefused)])
async def test_a_refusal_is_one_post_and_nothing_accepted(stage: Stage, name: str, error: type[Exception]) -> None:
    stage.next(name)
    since = datetime.now(UTC)
    with pytest.raises(error):
        await submit(stage.backend, request())
    assert stage.posts() == 1
    assert await stage.backend.sightings(Prepared(request()), since) == []


@pytest.mark.parametrize(("name", "taken"), [("lost", False), ("lost but taken", True)])
async def test_a_lost_answer_is_one_post_and_can_be_found_again(
    stage: Stage, tmp_path: Path, name: str, taken: bool
) -> None:
    stage.next(name)
    asked, since = request("a lost fox"), datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(Ambiguous):
        await submit(stage.backend, asked)
    assert stage.posts() == 1
    found = await stage.backend.sightings(Prepared(asked), since)
    assert [sighting.request_matches for sighting in found] == [True] * taken
    if taken:
        _, rendered = await follow(stage.backend, found[0].ticket, asked, tmp_path / "x")
        assert rendered.pictures


async def test_sightings_come_newest_first_and_tell_ours_from_others(stage: Stage) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    _, first = await submit(stage.backend, request(seed=1))
    await asyncio.sleep(0.01)
    prepared, second = await submit(stage.backend, request(seed=2))
    found = await stage.backend.sightings(prepared, since)
    assert [(sighting.ticket.id, sighting.request_matches) for sighting in found] == [
        (second.id, True),
        (first.id, False),
    ]


async def test_it_tells_money(stage: Stage) -> None:
    one, four = await stage.backend.price(request()), await stage.backend.price(request(count=4))
    assert one > 0
    assert four == pytest.approx(4 * one)
    before = await stage.backend.balance()
    await submit(stage.backend, request(count=4))
    assert await stage.backend.balance() == pytest.approx(before - four)


async def test_sources_are_prepared_for_free(stage: Stage, tmp_path: Path) -> None:
    asked = request(image="source", mask="hole", strength=0.5)
    sources = {"source": picture("PNG", (512, 512)), "hole": picture("JPEG", (512, 512))}
    before = await stage.backend.balance()
    prepared = await stage.backend.prepare(asked, sources)
    assert prepared.image
    assert prepared.mask
    assert prepared.image != prepared.mask
    assert await stage.backend.balance() == before
    assert stage.posts() == 0
    async with stage.backend.turn(1):
        ticket = await stage.backend.submit(prepared)
    _, rendered = await follow(stage.backend, ticket, asked, tmp_path / "x")
    assert rendered.pictures


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"count": 5}, "count"),
        ({"steps": 51}, "steps"),
        ({"guidance": 21.0}, "guidance"),
        ({"loras": (Lora("a/b"),) * 6}, "loras"),
        ({"loras": (Lora("a/b", 4.5),)}, "loras"),
        ({"size": Size(32, 1024)}, "width"),
        ({"seed": 10**10}, "seed"),
    ],
)
async def test_what_it_cant_do_is_refused_before_anything_is_sent(
    stage: Stage, more: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        await stage.backend.prepare(request(**more), {})
    assert caught.value.field == field
    with pytest.raises(BadRequest):
        await stage.backend.submit(Prepared(request(**more)))
    assert stage.posts() == 0


async def test_cancel_says_whether_it_could(stage: Stage) -> None:
    _, ticket = await submit(stage.backend, request())
    assert await stage.backend.cancel(ticket) is stage.backend.capabilities.real_cancel
