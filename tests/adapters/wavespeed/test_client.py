from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.wavespeed import connect, faults
from adapters.wavespeed.client import Client
from adapters.wavespeed.faults import Fault, Script
from adapters.wavespeed.simulator import Simulator
from bot.errors import (
    Ambiguous,
    BadOutput,
    BadRequest,
    CreditsExhausted,
    EaselError,
    GenerationFailed,
    KeyRefused,
    RateLimited,
    TryAgain,
    Unreachable,
)
from bot.images import Flag, ImageRequest, Size
from bot.pacing import LEARNT_FROM, Usual
from bot.ports import Prepared, Rendered, Step, Ticket
from tests.adapters.wavespeed.elsewhere import elsewhere
from tests.adapters.wavespeed.values import KEY, picture, request, settings

pytestmark = pytest.mark.usefixtures("impatient")
QUICK = Usual(0.05, 0.06, 0.9, LEARNT_FROM)


@asynccontextmanager
async def opened(simulator: Simulator, **more: Any) -> AsyncIterator[Client]:
    async with connect(settings(simulator.base_url, **more)) as client:
        yield client


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=0.05, post_latency=0.0, separate_outputs=True, key=KEY) as found:
        yield found
        assert found.leaks == []


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    async with opened(simulator) as found:
        yield found


async def submit(client: Client, asked: ImageRequest) -> Ticket:
    async with client.turn(asked.count):
        return await client.submit(await client.prepare(asked, {}))


async def follow(
    client: Client, ticket: Ticket, asked: ImageRequest, into: Path, usual: Usual = QUICK
) -> list[Step | Rendered]:
    async with asyncio.timeout(20):
        return [step async for step in client.watch(ticket, asked, into, usual)]


async def draw(client: Client, asked: ImageRequest, into: Path) -> Rendered:
    end = (await follow(client, await submit(client, asked), asked, into))[-1]
    assert isinstance(end, Rendered)
    return end


# ---- submitting ----

LOST = [
    faults.dropped(accepts=False),
    faults.dropped(accepts=True),
    faults.truncated(),
    faults.cut(),
    faults.late(1.0),
    faults.slow(1.0),
    faults.server_error(500),
    faults.server_error(500, accepts=True),
    faults.server_error(502),
    faults.server_error(503),
    faults.server_error(504, accepts=True),
    faults.hollow(),
    faults.hollow(data="absent"),
    faults.nonsense(),
    faults.nonsense(b"<html></html>", "text/html"),
    faults.redirect("http://127.0.0.1:1/"),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.wire.value} {fault.status} {fault.accepts}")
async def test_an_unknown_fate_is_ambiguous_and_never_posted_again(simulator: Simulator, fault: Fault) -> None:
    async with opened(simulator, submit_timeout=0.3) as client:
        simulator.plan("submit", fault)
        with pytest.raises(Ambiguous):
            await submit(client, request())
        assert simulator.posts == 1


REFUSED: list[tuple[Fault, type[EaselError]]] = [
    (faults.refusal(400, "size is wrong"), BadRequest),
    (faults.refusal(422, "x"), BadRequest),
    (faults.refusal(413, "too large"), BadRequest),
    (faults.no_credit(400), CreditsExhausted),
    (faults.no_credit(402), CreditsExhausted),
    (faults.no_credit(403), CreditsExhausted),
    (faults.BAD_KEY, KeyRefused),
    (faults.SUSPENDED, KeyRefused),
    (faults.ROLE_REFUSED, KeyRefused),
    (faults.too_many(), RateLimited),
    (faults.hollow(401, "unauthorized"), KeyRefused),
]


@pytest.mark.parametrize(("fault", "kind"), REFUSED)
async def test_a_refusal_is_one_post(
    simulator: Simulator, client: Client, fault: Fault, kind: type[EaselError]
) -> None:
    simulator.plan("submit", fault)
    with pytest.raises(kind):
        await submit(client, request())
    assert simulator.posts == 1
    assert simulator.charged == {}


async def test_after_a_429_everyone_pauses_as_long_as_it_says(simulator: Simulator, client: Client) -> None:
    simulator.plan("submit", faults.too_many("1"))
    clock = asyncio.get_running_loop().time
    with pytest.raises(RateLimited) as caught:
        await submit(client, request())
    assert caught.value.retry_after == 1.0
    began = clock()
    await submit(client, request())
    assert 0.9 <= clock() - began < 2.0


async def test_a_tier_is_never_exceeded() -> None:
    """The simulator answers 429 to the eleventh picture in its minute; nobody gets one, the eleventh waits."""
    async with Simulator(seconds=0.05, post_latency=0.0, per_minute=10) as simulator:
        async with opened(simulator, tier="bronze") as client:
            await asyncio.gather(*(submit(client, request(seed=seed, count=2)) for seed in range(5)))
            waiting = asyncio.create_task(submit(client, request()))
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert simulator.posts == 5


async def test_bronze_has_one_lane() -> None:
    async with Simulator(seconds=0.05, post_latency=0.1) as simulator, opened(simulator, tier="bronze") as client:
        await asyncio.gather(*(submit(client, request(seed=seed)) for seed in range(3)))
        times = [each.at for each in simulator.submits]
        assert all(later - sooner >= 0.1 for sooner, later in pairwise(times))


async def test_what_was_asked_arrives(simulator: Simulator, client: Client) -> None:
    asked = request("a red fox", size=Size(512, 768), steps=30, guidance=4.5, count=2, seed=9_876_543_210)
    await submit(client, asked)
    inputs = simulator.submits[0].inputs
    assert (inputs["prompt"], inputs["size"], inputs["num_inference_steps"]) == ("a red fox", "512*768", 30)
    assert (inputs["guidance_scale"], inputs["num_images"], inputs["seed"]) == (4.5, 2, 9_876_543_210)
    assert inputs["enable_base64_output"] is False
    assert inputs["enable_safety_checker"] is True


# ---- following ----


@pytest.mark.parametrize("shape", ["url", "data_uri", "base64", "object"])
@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_every_form_of_output_becomes_a_file(
    simulator: Simulator, tmp_path: Path, shape: Any, version: str
) -> None:
    async with opened(simulator, api_version=version) as client:
        simulator.script(Script(shape=shape))
        end = await draw(client, request(count=2), tmp_path / "x")
    assert [each.path.stem for each in end.pictures] == ["x-1", "x-2"]
    assert sorted(tmp_path.iterdir()) == sorted(each.path for each in end.pictures)


async def test_steps_are_told_once_each(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    simulator.script(Script(statuses=("created", "created", "processing", "completed")))
    asked = request()
    seen = await follow(client, await submit(client, asked), asked, tmp_path / "x")
    assert seen[:-1] == [Step("created"), Step("processing")]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (faults.FAILED, GenerationFailed),
        (faults.FAILED_TRANSIENT, GenerationFailed),
        (faults.FAILED_SILENTLY, GenerationFailed),
        (faults.CANCELLED, GenerationFailed),
        (faults.TIMED_OUT, GenerationFailed),
        (faults.BAD_INPUT, BadRequest),
        (faults.EMPTY, BadOutput),
    ],
)
async def test_a_bad_end_is_said(
    simulator: Simulator, client: Client, tmp_path: Path, script: Script, kind: type[EaselError]
) -> None:
    simulator.script(script)
    with pytest.raises(kind):
        await draw(client, request(), tmp_path / "x")


async def test_an_unknown_state_is_waited_through_and_logged_once(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    for _ in range(2):
        simulator.script(Script(statuses=("levitating", "levitating", "completed"), nanoseconds=True))
    with capture_logs() as logs:
        await draw(client, request(seed=1), tmp_path / "x")
        await draw(client, request(seed=2), tmp_path / "y")
    assert [entry["state"] for entry in logs if entry["log_level"] == "warning"] == ["'levitating'"]


@pytest.mark.parametrize(
    ("nsfw", "flags"),
    [
        ([True, False], [Flag.YES, Flag.NO]),
        ([True], [Flag.YES, Flag.UNKNOWN]),
        ([], [Flag.UNKNOWN] * 2),
        (None, [Flag.UNKNOWN] * 2),
    ],
)
async def test_flags(simulator: Simulator, client: Client, tmp_path: Path, nsfw: object, flags: list[Flag]) -> None:
    simulator.script(Script(nsfw=nsfw))
    end = await draw(client, request(count=2), tmp_path / "x")
    assert [each.flag for each in end.pictures] == flags


async def test_a_missing_flag_is_unknown(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    simulator.script(Script(omit=frozenset({"has_nsfw_contents", "timings", "executionTime", "error"})))
    end = await draw(client, request(), tmp_path / "x")
    assert (end.pictures[0].flag, end.seconds) == (Flag.UNKNOWN, 0.0)
    assert end.took > 0


READS = [
    faults.server_error(500),
    faults.server_error(502),
    faults.dropped(accepts=False),
    faults.truncated(),
    faults.cut(),
    faults.hollow(),
    faults.nonsense(),
    faults.too_many("0"),
    faults.GONE,
    faults.redirect("http://127.0.0.1:1/"),
]


@pytest.mark.parametrize(
    ("fault", "base64"),
    [(fault, False) for fault in READS] + [(faults.truncated(), True), (faults.cut(), True)],
    ids=lambda value: value if isinstance(value, bool) else f"{value.wire.value} {value.status}",
)
async def test_a_failing_look_is_repeated(simulator: Simulator, tmp_path: Path, fault: Fault, base64: bool) -> None:
    async with opened(simulator, base64=base64) as client:
        simulator.plan("result", fault)
        end = await draw(client, request(), tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == [end.pictures[0].path.name]
    assert simulator.posts == 1


async def test_a_key_refused_while_watching_is_the_operators(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    simulator.plan("result", faults.BAD_KEY)
    with pytest.raises(KeyRefused):
        await draw(client, request(), tmp_path / "x")


async def test_some_pictures_are_better_than_none(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    simulator.fail_next("output", faults.nonsense(b"<html>", "text/html"), times=5)
    asked = request(count=2)
    simulator.script(Script(outputs=2))
    end = await draw(client, asked, tmp_path / "x")
    assert len(end.pictures) + len(end.missing) == 2
    assert len(end.pictures) >= 1


async def test_fewer_pictures_than_asked_are_said(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    simulator.script(Script(outputs=1))
    end = await draw(client, request(count=3), tmp_path / "x")
    assert [each.index for each in end.pictures] == [1]
    assert [each.index for each in end.missing] == [2, 3]


@pytest.mark.parametrize("fault", [faults.oversize(1_100_000), faults.nonsense(b"GIF89a", "image/gif"), faults.GONE])
async def test_no_usable_picture_at_all_is_bad_output(simulator: Simulator, tmp_path: Path, fault: Fault) -> None:
    async with opened(simulator, max_picture_mb=1) as client:
        simulator.fail_next("output", fault, times=10)
        with pytest.raises(BadOutput):
            await draw(client, request(), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


async def test_a_paid_picture_is_waited_for_while_its_host_is_down(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    simulator.fail_next("output", faults.server_error(502), times=5)
    end = await draw(client, request(), tmp_path / "x")
    assert len(end.pictures) == 1


async def test_after_its_deadline_it_says_try_again(simulator: Simulator, tmp_path: Path) -> None:
    async with opened(simulator, give_up_after=0.3) as client:
        asked = request()
        simulator.script(Script(seconds=60.0))
        ticket = await submit(client, asked)
        with pytest.raises(TryAgain):
            await follow(client, ticket, asked, tmp_path / "x")
        simulator.fail_next("output", faults.server_error(502), times=10)
        with pytest.raises(TryAgain):
            await draw(client, request(seed=8), tmp_path / "y")


async def test_a_job_can_be_followed_by_another_process(simulator: Simulator, tmp_path: Path) -> None:
    asked = request()
    async with opened(simulator) as client:
        ticket = await submit(client, asked)
    (tmp_path / "x-1.part").write_bytes(b"what a kill left")
    (tmp_path / "x-1.jpg").write_bytes(b"half of it")
    async with opened(simulator, api_version="v3") as client:
        end = (await follow(client, ticket, asked, tmp_path / "x"))[-1]
    assert isinstance(end, Rendered)
    assert [path.name for path in tmp_path.iterdir()] == ["x-1.jpg"]
    assert simulator.posts == 1


async def test_a_job_that_ended_while_we_were_away_is_seen_at_once(
    simulator: Simulator, client: Client, tmp_path: Path
) -> None:
    asked, clock = request(), asyncio.get_running_loop().time
    ticket = await submit(client, asked)
    old = Ticket(ticket.id, ticket.submitted_at - timedelta(hours=5))
    await simulator.until(lambda: bool(simulator.submits))
    began = clock()
    assert isinstance((await follow(client, old, asked, tmp_path / "x"))[-1], Rendered)
    assert clock() - began < 5


async def test_a_cancelled_watch_leaves_no_trace(simulator: Simulator, tmp_path: Path) -> None:
    async with opened(simulator, base64=True) as client:
        simulator.fail_next("result", faults.slow(0.5), times=3)
        asked = request(size=Size(1024, 1024))
        ticket = await submit(client, asked)
        task = asyncio.create_task(follow(client, ticket, asked, tmp_path / "x"))
        await simulator.until(lambda: simulator.polls[ticket.id] > 0)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert list(tmp_path.iterdir()) == []
        assert client._poller._watched == set()
        assert client._poller._due == []
        assert isinstance((await follow(client, ticket, asked, tmp_path / "x"))[-1], Rendered)


async def test_leaving_a_watch_early_leaves_no_trace(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    simulator.script(Script(statuses=("created", "processing", "completed")))
    asked = request()
    ticket = await submit(client, asked)
    async with aclosing(client.watch(ticket, asked, tmp_path / "x", QUICK)) as steps:  # type: ignore[type-var]
        async for _ in steps:
            break
    assert client._poller._watched == set()


async def test_closing_ends_every_watch_and_every_task(simulator: Simulator, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with opened(simulator) as client:
        asked = request()
        simulator.script(Script(seconds=60.0))
        ticket = await submit(client, asked)
        task = asyncio.create_task(follow(client, ticket, asked, tmp_path / "x"))
        await simulator.until(lambda: simulator.polls[ticket.id] > 0)
    with pytest.raises(TryAgain):
        await task
    gc.collect()
    assert {each for each in asyncio.all_tasks() if "server" not in repr(each).lower()} - before <= {task}


async def test_looks_follow_what_is_usual(tmp_path: Path) -> None:
    async with Simulator(seconds=1.5, spread=0.2, post_latency=0.0) as simulator, opened(simulator) as client:

        async def one(seed: int) -> float:
            asked = request(seed=seed)
            ticket = await submit(client, asked)
            await follow(client, ticket, asked, tmp_path / f"{seed}", Usual(0.3, 0.4, 0.5, LEARNT_FROM))
            return simulator.polls[ticket.id]

        looks = await asyncio.gather(*(one(seed) for seed in range(20)))
    assert max(looks) <= 5


# ---- the key ----


async def test_the_key_goes_to_the_api_alone(tmp_path: Path) -> None:
    """The API's own answers point elsewhere with everything they have."""
    async with elsewhere() as thief, elsewhere() as api:
        redirected = api.on("/signed", thief.on("/1.png", picture()))
        data = {
            "id": "abc",
            "status": "completed",
            "urls": {"get": f"{thief.origin}/result"},
            "outputs": [f"{thief.origin}/1.png", redirected, {"url": f"{api.origin}/2.png"}],
        }
        api.on("/2.png", picture())
        api.on("/api/v2/wavespeed-ai/flux-dev-lora", json.dumps({"code": 200, "data": data}).encode())
        api.on("/api/v2/predictions/abc/result", json.dumps({"code": 200, "data": data}).encode())
        async with connect(settings(api.origin)) as client:
            end = await draw(client, request(count=3), tmp_path / "x")
        assert len(end.pictures) == 3
        assert thief.keys == []
        assert {path for path, _, _ in thief.asked} == {"/1.png"}
        with_key = {path for path, _, headers in api.asked if "Authorization" in headers}
        assert with_key == {"/api/v2/wavespeed-ai/flux-dev-lora", "/api/v2/predictions/abc/result"}


# ---- money ----


async def test_a_price_is_asked_once_an_hour(simulator: Simulator, client: Client) -> None:
    first = await asyncio.gather(*(client.price(request(seed=seed)) for seed in range(20)))
    assert set(first) == {0.015}
    simulator.fail_next("price", faults.server_error(500), times=20)
    assert await client.price(request("another prompt")) == 0.015
    with pytest.raises(Unreachable):
        await client.price(request(count=3))


async def test_the_older_price_list_stands_in(simulator: Simulator, client: Client) -> None:
    simulator.plan("price", faults.GONE)
    assert await client.price(request(count=3)) == pytest.approx(0.045)


async def test_the_balance_is_read(simulator: Simulator, client: Client) -> None:
    simulator.plan("balance", faults.server_error(502), faults.truncated())
    assert await client.balance() == 50.0
    simulator.plan("balance", faults.BAD_KEY)
    with pytest.raises(KeyRefused):
        await client.balance()


# ---- sources ----


async def test_sources_are_uploaded_and_named_in_the_submit(simulator: Simulator, client: Client) -> None:
    simulator.plan("upload", faults.server_error(500))
    image, mask = picture("PNG", (512, 512)), picture("JPEG", (512, 512))
    asked = request(image="a", mask="b")
    prepared = await client.prepare(asked, {"a": image, "b": mask})
    await client.submit(prepared)
    body = simulator.submits[0].body
    assert (body["image"], body["mask_image"]) == (prepared.image, prepared.mask)
    assert len(simulator.uploads) == 2


async def test_what_is_no_picture_is_not_uploaded(simulator: Simulator, client: Client) -> None:
    with pytest.raises(BadRequest) as caught:
        await client.prepare(request(image="a"), {"a": b"%PDF-1.4"})
    assert caught.value.field == "image"
    assert simulator.uploads == []


# ---- lost and found ----


@pytest.mark.parametrize("inputs", ["inputs", "input", None])
async def test_a_listing_with_and_without_inputs(inputs: Any) -> None:
    async with (
        Simulator(seconds=0.05, post_latency=0.0, listing_inputs=inputs) as simulator,
        opened(simulator) as client,
    ):
        simulator.plan("submit", faults.dropped(accepts=True))
        with pytest.raises(Ambiguous):
            await submit(client, request())
        await submit(client, request("someone else's"))
        found = await client.sightings(Prepared(request()), datetime.now(UTC))
    assert [each.request_matches for each in found] == ([None, None] if inputs is None else [False, True])


async def test_every_page_of_the_listing_is_read(simulator: Simulator, client: Client) -> None:
    since = datetime.now(UTC)
    await asyncio.gather(*(submit(client, request(seed=seed)) for seed in range(230)))
    simulator.plan("listing", None, faults.server_error(500))
    found = await client.sightings(Prepared(request(seed=0)), since)
    assert len({each.ticket.id for each in found}) == 230
    assert sum(bool(each.request_matches) for each in found) == 1


async def test_a_listing_that_fails_says_so(simulator: Simulator, client: Client) -> None:
    simulator.fail_next("listing", faults.server_error(500), times=10)
    with pytest.raises(TryAgain):
        await client.sightings(Prepared(request()), datetime.now(UTC))


# ---- weight ----


@pytest.mark.parametrize("mode", ["url", "base64"])
async def test_a_hundred_large_pictures_at_once_stay_small_in_memory(tmp_path: Path, mode: str) -> None:
    async with Simulator(
        seconds=1.0, post_latency=0.0, picture_bytes=3_000_000, one_picture=True, separate_outputs=True
    ) as simulator:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.adapters.wavespeed.load", simulator.base_url, mode, "100", str(tmp_path)),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
    told = json.loads(out)
    assert told["sizes"] == [told["sizes"][0]] * 100
    assert told["sizes"][0] >= 3_000_000
    assert told["peak"] < 300
    assert told["peak"] - told["before"] < 120
    assert simulator.leaks == []
