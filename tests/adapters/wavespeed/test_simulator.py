"""The simulator of the API: what it takes, how predictions go, what it bills, and what goes wrong when a test says so."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from adapters.wavespeed import faults
from adapters.wavespeed.faults import Fault, Script
from adapters.wavespeed.painter import encode
from adapters.wavespeed.simulator import Simulator, serve

MODEL = "wavespeed-ai/flux-dev-lora"
LISTING = {"page": 1, "page_size": 100}


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


class Caller:
    """A minimal client of the API, with nothing in common with ours."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.simulator.base_url + path, json=body, **more) as answer:
            return answer.status, await answer.json()

    async def data(self, method: str, path: str, body: Any = None) -> Any:
        status, envelope = await self.call(method, path, body)
        assert (status, envelope["code"], envelope["message"]) == (200, 200, "success"), envelope
        return envelope["data"]

    async def submit(self, prompt: str = "a red fox", version: int = 2, **inputs: Any) -> Any:
        small = {"prompt": prompt, "size": "512*512", "seed": 1}
        return await self.data("POST", f"/api/v{version}/{MODEL}", small | inputs)

    async def refused(self, version: int = 2, **inputs: Any) -> tuple[int, str]:
        body = {"prompt": "a red fox", "size": "512*512"} | inputs
        status, envelope = await self.call("POST", f"/api/v{version}/{MODEL}", body)
        assert envelope["code"] == status
        return status, envelope["message"]

    async def result(self, name: str, version: int = 2) -> Any:
        return await self.data("GET", f"/api/v{version}/predictions/{name}/result")

    async def picture(self, url: str) -> Image.Image:
        async with aiohttp.request("GET", url) as answer:
            assert answer.status == 200
            return opened(await answer.read())


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture


def plain(colour: tuple[int, int, int], side: int = 512) -> str:
    return base64.b64encode(encode(Image.new("RGB", (side, side), colour), "png")).decode()


@asynccontextmanager
async def calling(**options: Any) -> AsyncIterator[Caller]:
    options = {"post_latency": 0.0, "clock": Clock(), **options}
    headers = {"Authorization": "Bearer key"}
    async with Simulator(**options) as simulator, aiohttp.ClientSession(headers=headers) as session:
        yield Caller(simulator, session)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(clock: Clock) -> AsyncIterator[Caller]:
    async with calling(clock=clock) as caller:
        yield caller


# The usual way


@pytest.mark.parametrize("version", [2, 3])
async def test_a_prediction_is_created_then_processing_then_completed(api: Caller, clock: Clock, version: int) -> None:
    made = await api.submit(version=version)
    assert made["status"] == "created"
    assert made["outputs"] == []
    assert made["has_nsfw_contents"] == []
    assert made["model"] == MODEL
    assert made["error"] == ""
    assert made["timings"] == {"inference": 0}
    assert len(made["id"]) == 32
    assert int(made["id"], 16) > 0
    assert made["urls"]["get"] == f"{api.simulator.base_url}/api/v{version}/predictions/{made['id']}/result"
    states = []
    for _ in range(8):
        clock.forward(0.4)
        states.append((await api.result(made["id"], version))["status"])
    assert states == sorted(states, key=["created", "processing", "completed"].index)
    assert states[0] == "processing"
    assert states[-1] == "completed"


async def test_both_versions_show_the_same_prediction(api: Caller, clock: Clock) -> None:
    made = await api.submit(version=3)
    clock.forward(60)
    answers = [await api.result(made["id"], 2), await api.result(made["id"], 3)]
    answers.append(await api.data("GET", f"/api/v3/predictions/{made['id']}"))
    assert answers[0] == answers[1] == answers[2]
    assert api.simulator.polls[made["id"]] == 3


async def test_the_first_state_is_shown_while_the_post_is_answered_late() -> None:
    async with calling(post_latency=0.05, clock=time.monotonic) as api:
        await api.submit()
        assert time.monotonic() - api.simulator.submits[0].at >= 0.05


async def test_v2_sends_bare_base64_unless_told_otherwise(api: Caller, clock: Clock) -> None:
    made = await api.submit(num_images=2)
    clock.forward(60)
    done = await api.result(made["id"])
    pictures = [opened(base64.b64decode(output)) for output in done["outputs"]]
    assert [picture.size for picture in pictures] == [(512, 512)] * 2
    assert pictures[0].format == "JPEG"
    assert done["has_nsfw_contents"] == [False, False]
    assert done["timings"]["inference"] > 0


async def test_v3_sends_addresses_unless_told_otherwise(api: Caller, clock: Clock) -> None:
    made = await api.submit(version=3, output_format="png", size="640*256")
    clock.forward(60)
    done = await api.result(made["id"], 3)
    picture = await api.picture(done["outputs"][0])
    assert (picture.format, picture.size) == ("PNG", (640, 256))
    assert api.simulator.downloads == {f"{made['id']}/1": 1}
    assert api.simulator.leaks == []


async def test_the_same_seed_prompt_and_loras_give_the_same_picture(api: Caller, clock: Clock) -> None:
    loras = [{"path": "linoyts/yarn_art_Flux_LoRA", "scale": 0.8}]
    made = [await api.submit(loras=loras), await api.submit(loras=loras), await api.submit()]
    clock.forward(60)
    one, same, without = [(await api.result(each["id"]))["outputs"][0] for each in made]
    assert one == same != without


async def test_seed_minus_one_draws_another_seed_each_time(api: Caller, clock: Clock) -> None:
    made = [await api.submit(seed=-1), await api.submit(seed=-1)]
    clock.forward(60)
    one, other = [(await api.result(each["id"]))["outputs"][0] for each in made]
    assert one != other


async def test_outputs_are_not_there_before_the_end(api: Caller, clock: Clock) -> None:
    made = await api.submit()
    async with aiohttp.request("GET", f"{api.simulator.base_url}/outputs/{made['id']}/1.jpeg") as answer:
        assert answer.status == 404


async def test_time_grows_with_size_steps_and_count(clock: Clock) -> None:
    async with calling(clock=clock, seconds=6.0, spread=0.0) as api:
        asked: list[dict[str, Any]] = [
            {"size": "1024*1024"},
            {"size": "1536*1536"},
            {"size": "1024*1024", "num_inference_steps": 50},
            {"size": "1024*1024", "num_images": 4},
        ]
        made = [(await api.submit(**each))["id"] for each in asked]
        begun = clock.now
        clock.forward(600)
        usual, large, careful, many = [api.simulator.finished_at[name].monotonic - begun for name in made]
        assert usual == pytest.approx(6.0)
        assert usual < careful < large < many


async def test_time_varies_within_the_spread_and_repeats_with_the_seed(clock: Clock) -> None:
    async with calling(clock=clock, seconds=10.0, spread=0.2) as api:
        made = [(await api.submit(size="1024*1024", seed=seed))["id"] for seed in (*range(12), 0)]
        begun = clock.now
        clock.forward(60)
        took = [api.simulator.finished_at[name].monotonic - begun for name in made]
        assert all(8 <= seconds <= 12 for seconds in took)
        assert len(set(took)) == 12
        assert took[0] == took[-1]


async def test_the_end_is_known_to_the_moment_on_both_clocks(api: Caller, clock: Clock) -> None:
    made = await api.submit()
    assert api.simulator.finished_at == {}
    clock.forward(100)
    ended, submit = api.simulator.finished_at[made["id"]], api.simulator.submits[0]
    assert 0 < ended.monotonic - submit.at < 10
    assert ended.wall - submit.wall == pytest.approx(ended.monotonic - submit.at)
    assert abs(submit.wall - time.time()) < 5


# What is taken

BAD: list[tuple[int, dict[str, Any], str]] = [
    (2, {"prompt": "  "}, "prompt"),
    (2, {"size": "1024x1024"}, "size"),
    (2, {"size": "256*1024"}, "512 to 1536"),
    (3, {"size": "255*1024"}, "256 to 1536"),
    (3, {"size": "1024*1537"}, "256 to 1536"),
    (2, {"num_inference_steps": 51}, "num_inference_steps"),
    (2, {"num_inference_steps": 0}, "num_inference_steps"),
    (2, {"num_inference_steps": 1.5}, "num_inference_steps"),
    (2, {"guidance_scale": 10.1}, "guidance_scale"),
    (3, {"guidance_scale": 20.1}, "guidance_scale"),
    (2, {"num_images": 5}, "num_images"),
    (2, {"num_images": True}, "num_images"),
    (2, {"seed": 10_000_000_000}, "seed"),
    (3, {"seed": 2_147_483_648}, "seed"),
    (2, {"seed": -2}, "seed"),
    (2, {"strength": 1.01}, "strength"),
    (2, {"loras": [{"path": "a/b", "scale": 4.1}]}, "loras[0].scale"),
    (2, {"loras": [{"scale": 1}]}, "loras[0].path"),
    (2, {"loras": [{"path": "a/b", "scale": 1}] * 6}, "at most 5"),
    (3, {"loras": [{"path": "a/b", "scale": 1}] * 5}, "at most 4"),
    (2, {"enable_base64_output": "yes"}, "enable_base64_output"),
    (2, {"enable_safety_checker": 1}, "enable_safety_checker"),
    (3, {"output_format": "gif"}, "output_format"),
    (2, {"mask_image": plain((0, 0, 0), 8)}, "mask_image"),
]


@pytest.mark.parametrize(("version", "inputs", "said"), BAD, ids=[f"v{v} {next(iter(i))} {s}" for v, i, s in BAD])
async def test_a_value_out_of_range_is_refused_with_400(
    api: Caller, version: int, inputs: dict[str, Any], said: str
) -> None:
    status, message = await api.refused(version, **inputs)
    assert status == 400
    assert said in message
    assert api.simulator.submits == []
    assert api.simulator.spent == 0


@pytest.mark.parametrize(
    ("version", "inputs"),
    [
        (2, {"size": "512*1536", "seed": 9_999_999_999, "guidance_scale": 10, "num_inference_steps": 50}),
        (3, {"size": "256*1536", "seed": 2_147_483_647, "guidance_scale": 20.0, "strength": 0}),
        (2, {"loras": [{"path": "a/b", "scale": 0}, {"path": "c/d", "scale": 4.0}], "image": "", "mask_image": ""}),
    ],
)
async def test_the_ends_of_the_ranges_are_taken(api: Caller, version: int, inputs: dict[str, Any]) -> None:
    assert (await api.submit(version=version, **inputs))["status"] == "created"


async def test_undeclared_fields_are_dropped_silently(api: Caller) -> None:
    await api.submit(version=3, enable_safety_checker=True, colour="red")
    submit = api.simulator.submits[0]
    assert submit.body["colour"] == "red"
    assert not {"colour", "enable_safety_checker"} & set(submit.inputs)
    assert submit.inputs["enable_base64_output"] is False


@pytest.mark.parametrize("body", ["[1]", "{", '"text"'])
async def test_a_body_that_is_no_object_is_refused(api: Caller, body: str) -> None:
    status, _ = await api.call("POST", f"/api/v2/{MODEL}", data=body)
    assert status == 400
    assert api.simulator.posts == 1


@pytest.mark.parametrize("bearer", ["", "Bearer ", "Basic key", "Bearer wrong"])
async def test_a_missing_or_wrong_key_is_refused_with_401(bearer: str) -> None:
    async with calling(key="right") as api:
        status, envelope = await api.call("GET", "/api/v3/balance", headers={"Authorization": bearer})
        assert (status, envelope["code"]) == (401, 401)
        status, _ = await api.call("GET", "/api/v3/balance", headers={"Authorization": "Bearer right"})
        assert status == 200


async def test_another_header_does_not_stand_in_for_the_key(api: Caller) -> None:
    async with aiohttp.request("GET", f"{api.simulator.base_url}/api/v3/balance", headers={"X-API-Key": "k"}) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("path", ["/api/v3/predictions/" + "0" * 32 + "/result", "/api/v4/nothing", "/api/v3/no/model"])
async def test_an_unknown_id_or_path_is_404(api: Caller, path: str) -> None:
    status, envelope = await api.call("GET", path)
    assert (status, envelope["code"]) == (404, 404)


async def test_after_seven_days_a_prediction_is_forgotten(api: Caller, clock: Clock) -> None:
    made = await api.submit()
    clock.forward(7 * 24 * 3600 + 1)
    status, _ = await api.call("GET", f"/api/v2/predictions/{made['id']}/result")
    assert status == 404
    assert (await api.data("POST", "/api/v3/predictions", LISTING))["items"] == []


# Sources


async def uploaded(api: Caller, colour: tuple[int, int, int] = (10, 20, 200), side: int = 512) -> str:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", base64.b64decode(plain(colour, side)), filename="a b.png", content_type="image/png")
    async with api.session.post(f"{api.simulator.base_url}/api/v2/media/upload/binary", data=form) as answer:
        assert answer.status == 200
        data = (await answer.json())["data"]
    assert (data["type"], data["filename"]) == ("image", "a_b.png")
    return str(data["download_url"])


async def drawn(api: Caller, clock: Clock, **inputs: Any) -> Image.Image:
    made = await api.submit(version=3, output_format="png", **inputs)
    clock.forward(60)
    done = await api.result(made["id"])
    assert done["status"] == "completed", done
    return await api.picture(done["outputs"][0])


async def test_an_uploaded_picture_can_be_fetched_and_drawn_from(api: Caller, clock: Clock) -> None:
    url = await uploaded(api)
    assert (await api.picture(url)).getpixel((0, 0)) == (10, 20, 200)
    picture = await drawn(api, clock, image=url, strength=0)
    assert picture.getpixel((100, 100)) == (10, 20, 200)
    assert api.simulator.uploads[0].size == len(api.simulator.uploads[0].data or b"")


@pytest.mark.parametrize("start", ["", "data:image/png;base64,"])
async def test_a_source_may_come_as_base64(api: Caller, clock: Clock, start: str) -> None:
    picture = await drawn(api, clock, image=start + plain((10, 20, 200)), strength=0)
    assert picture.getpixel((100, 100)) == (10, 20, 200)


async def test_the_mask_keeps_black_to_the_pixel(api: Caller, clock: Clock) -> None:
    mask = Image.new("L", (512, 512), 0)
    mask.paste(255, (0, 0, 512, 256))
    masked = base64.b64encode(encode(mask, "png")).decode()
    picture = await drawn(api, clock, image=plain((10, 20, 200)), mask_image=masked, strength=1)
    assert picture.crop((0, 256, 512, 512)).getcolors() == [(512 * 256, (10, 20, 200))]
    assert len(picture.crop((0, 0, 512, 256)).getcolors(100_000) or []) > 50


async def test_an_output_can_be_the_next_source(api: Caller, clock: Clock) -> None:
    made = await api.submit(version=3, output_format="png")
    clock.forward(60)
    url = (await api.result(made["id"]))["outputs"][0]
    picture = await drawn(api, clock, image=url, strength=0)
    assert picture.getpixel((100, 100)) == (await api.picture(url)).getpixel((100, 100))


@pytest.mark.parametrize("image", ["https://example.com/cat.png", "not base64 at all", base64.b64encode(b"x").decode()])
async def test_a_source_that_cannot_be_had_fails_with_1402(api: Caller, clock: Clock, image: str) -> None:
    made = await api.submit(image=image)
    clock.forward(60)
    done = await api.result(made["id"])
    assert (done["status"], done["code"], done["outputs"]) == ("failed", 1402, [])
    assert done["error"]


async def test_the_direct_upload_takes_the_bytes_without_a_key(api: Caller) -> None:
    data = base64.b64decode(plain((1, 2, 3), 16))
    wanted = {"filename": "m.png", "size": len(data), "content_type": "image/png"}
    ticket = await api.data("POST", "/api/v3/media/uploads", wanted)
    place = ticket["upload"]
    async with api.session.put(place["url"], data=data, headers=place["headers"]) as answer:
        assert answer.status == 400
    assert len(api.simulator.leaks) == 1
    for expected in (200, 403):
        async with aiohttp.request("PUT", place["url"], data=data, headers=place["headers"]) as answer:
            assert answer.status == expected
    assert (await api.picture(ticket["download_url"])).getpixel((0, 0)) == (1, 2, 3)


async def test_an_upload_over_twenty_megabytes_is_413(api: Caller) -> None:
    status, envelope = await api.call("POST", "/api/v3/media/uploads", {"filename": "a.png", "size": 20_000_001})
    assert (status, envelope["code"]) == (413, 413)


async def test_outputs_may_lie_at_another_origin_and_a_key_sent_there_is_noticed(clock: Clock) -> None:
    async with calling(clock=clock, separate_outputs=True) as api:
        made = await api.submit(version=3)
        clock.forward(60)
        url = (await api.result(made["id"]))["outputs"][0]
        assert not url.startswith(api.simulator.base_url)
        await api.picture(url)
        assert api.simulator.leaks == []
        async with api.session.get(url) as answer:
            assert answer.status == 200
        assert api.simulator.leaks == [f"/outputs/{made['id']}/1.jpeg"]


# The safety checker


@pytest.mark.parametrize(
    ("version", "prompt", "inputs", "flags"),
    [
        (2, "a red fox", {}, [False]),
        (2, "something NSFW", {"num_images": 2}, [True, True]),
        (2, "a nude statue", {}, [True]),
        (2, "a nude statue", {"enable_safety_checker": False}, []),
        (3, "a nude statue", {"enable_safety_checker": True}, []),
    ],
)
async def test_v2_flags_what_the_prompt_says_and_v3_never_does(
    api: Caller, clock: Clock, version: int, prompt: str, inputs: dict[str, Any], flags: list[bool]
) -> None:
    made = await api.submit(prompt, version, **inputs)
    clock.forward(60)
    assert (await api.result(made["id"]))["has_nsfw_contents"] == flags


@pytest.mark.parametrize(
    ("prompt", "loras", "code"),
    [
        ("please refuse this", [], 1200),
        ("Please fail", [], 1403),
        ("a fox", [{"path": "a/missing", "scale": 1}], 1403),
    ],
)
async def test_a_prompt_may_ask_for_trouble(
    api: Caller, clock: Clock, prompt: str, loras: list[Any], code: int
) -> None:
    made = await api.submit(prompt, loras=loras)
    clock.forward(60)
    done = await api.result(made["id"])
    assert (done["status"], done["code"]) == ("failed", code)
    assert ("download" in done["error"]) == bool(loras)


# Money and limits


async def test_each_picture_is_charged_once_and_the_balance_falls(api: Caller) -> None:
    one, four = await api.submit(), await api.submit(num_images=4)
    assert api.simulator.charged == {one["id"]: 0.015, four["id"]: 0.06}
    assert api.simulator.spent == 0.075
    assert await api.data("GET", "/api/v3/balance") == {"balance": 49.925}


async def test_without_credit_a_submit_is_refused_with_the_words_of_the_api() -> None:
    async with calling(balance=0.02) as api:
        await api.submit()
        status, message = await api.refused()
        assert status == 400
        assert message == "Insufficient credits. Please top up your account to continue."
        assert len(api.simulator.charged) == 1
        assert api.simulator.posts == 2


async def test_the_price_is_told_in_both_forms(api: Caller) -> None:
    wanted = {"model_id": MODEL, "inputs": {"prompt": "a", "num_images": 3}}
    price = await api.data("POST", "/api/v3/model/price", wanted)
    assert (price["price"], price["discounted_price"], price["currency"]) == (0.045, 0.045, "USD")
    pricing = await api.data("POST", "/api/v3/model/pricing", wanted)
    assert pricing == {"model_id": MODEL, "unit_price": 0.045, "currency": "USD"}
    status, _ = await api.call("POST", "/api/v3/model/price", {"model_id": "other/model", "inputs": {}})
    assert status == 404


async def test_the_catalogue_describes_the_model(api: Caller) -> None:
    (model,) = await api.data("GET", "/api/v3/models")
    described = model["api_schema"]["api_schemas"][0]["request_schema"]
    assert model["model_id"] == MODEL
    assert described["required"] == ["prompt"]
    assert described["properties"]["num_inference_steps"] == {"type": "integer", "default": 28}


async def test_more_pictures_than_the_minute_allows_are_429_until_the_next_minute(clock: Clock) -> None:
    async with calling(clock=clock, per_minute=3) as api:
        await api.submit(num_images=2)
        assert (await api.refused(num_images=2))[0] == 429
        await api.submit()
        assert (await api.refused())[0] == 429
        clock.forward(60)
        await api.submit(num_images=3)
        assert len(api.simulator.submits) == 3


async def test_beyond_the_concurrency_work_waits_as_created(clock: Clock) -> None:
    async with calling(clock=clock, concurrency=2, spread=0.0) as api:
        api.simulator.script(*[Script(seconds=10)] * 4)
        made = [(await api.submit())["id"] for _ in range(3)]
        clock.forward(5)
        assert [(await api.result(name))["status"] for name in made] == ["processing", "processing", "created"]
        clock.forward(6)
        assert [(await api.result(name))["status"] for name in made] == ["completed", "completed", "processing"]
        pair = (await api.submit(num_images=2))["id"]
        begun = clock.now
        clock.forward(100)
        assert api.simulator.finished_at[pair].monotonic - begun == pytest.approx(19)


# The listing


async def test_the_listing_shows_the_newest_first_with_inputs_and_pages(api: Caller, clock: Clock) -> None:
    made = []
    for seed in range(3):
        made.append((await api.submit(seed=seed))["id"])
        clock.forward(1)
    listed = await api.data("POST", "/api/v3/predictions", {"page": 1, "page_size": 2})
    assert (listed["page"], listed["total"]) == (1, 3)
    assert [item["id"] for item in listed["items"]] == made[:0:-1]
    assert listed["items"][0]["inputs"]["seed"] == 2
    rest = await api.data("POST", "/api/v3/predictions", {"page": 2, "page_size": 2})
    assert [item["id"] for item in rest["items"]] == made[:1]


async def test_the_listing_can_be_filtered(api: Caller, clock: Clock) -> None:
    early = (await api.submit())["id"]
    clock.forward(100)
    late = (await api.submit())["id"]
    wall = api.simulator.submits[1].wall

    async def ids(**filters: Any) -> list[str]:
        listed = await api.data("POST", "/api/v3/predictions", LISTING | filters)
        return [item["id"] for item in listed["items"]]

    between = datetime.fromtimestamp(wall - 50, UTC).isoformat()
    assert await ids(created_after=between) == [late]
    assert await ids(created_before=between) == [early]
    assert await ids(status="completed") == [early]
    assert await ids(model=MODEL) == [late, early]
    assert await ids(model="other/model") == []


@pytest.mark.parametrize("asked", [{}, {"page": 0, "page_size": 10}, {"page": 1, "page_size": 101}, {"page": 1}])
async def test_the_listing_needs_a_page_and_a_size_up_to_100(api: Caller, asked: dict[str, int]) -> None:
    status, _ = await api.call("POST", "/api/v3/predictions", asked)
    assert status == 400


@pytest.mark.parametrize("name", [None, "input", "inputs"])
async def test_the_listing_carries_the_inputs_under_either_name_or_not_at_all(name: Any) -> None:
    async with calling(listing_inputs=name) as api:
        await api.submit()
        (item,) = (await api.data("POST", "/api/v3/predictions", LISTING))["items"]
        assert {"input", "inputs"} & set(item) == ({name} if name else set())


async def test_the_listing_may_lag(clock: Clock) -> None:
    async with calling(clock=clock, listing_lag=5.0) as api:
        await api.submit()
        assert (await api.data("POST", "/api/v3/predictions", LISTING))["items"] == []
        clock.forward(5)
        assert len((await api.data("POST", "/api/v3/predictions", LISTING))["items"]) == 1


async def test_deleting_hides_a_prediction_but_gives_no_money_back(api: Caller) -> None:
    made = await api.submit()
    assert await api.data("POST", "/api/v3/predictions/delete", {"ids": [made["id"], "0" * 32]}) == {"deleted_count": 1}
    status, _ = await api.call("GET", f"/api/v2/predictions/{made['id']}/result")
    assert status == 404
    assert api.simulator.spent == 0.015


# Scripts: how a prediction goes


async def test_a_script_gives_the_states_one_a_look(api: Caller) -> None:
    api.simulator.script(Script(statuses=("created", "pending", "dreaming", "completed")))
    name = (await api.submit())["id"]
    assert [(await api.result(name))["status"] for _ in range(5)] == [
        "created", "pending", "dreaming", "completed", "completed",
    ]  # fmt: skip
    assert name in api.simulator.finished_at


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (faults.MODERATED, "failed", 1200),
        (faults.MEDIA_UNREACHABLE, "failed", 1402),
        (faults.LORA_UNREACHABLE, "failed", 1403),
        (faults.FAILED_TRANSIENT, "failed", 5000),
        (faults.BAD_INPUT, "failed", 1400),
        (faults.FAILED_SILENTLY, "failed", None),
        (faults.CANCELLED, "cancelled", None),
        (faults.TIMED_OUT, "timeout", None),
        (faults.EMPTY, "completed", None),
    ],
)
async def test_a_script_gives_the_end(api: Caller, clock: Clock, script: Script, status: str, code: int | None) -> None:
    api.simulator.script(script)
    name = (await api.submit())["id"]
    clock.forward(60)
    done = await api.result(name)
    assert (done["status"], done.get("code"), done["outputs"]) == (status, code, [])
    assert done["error"] == script.error


@pytest.mark.parametrize("flags", [None, [], [True], [True, False], "odd"])
async def test_a_script_gives_any_flags(api: Caller, clock: Clock, flags: object) -> None:
    api.simulator.script(Script(nsfw=flags))
    name = (await api.submit(num_images=2))["id"]
    clock.forward(60)
    assert (await api.result(name))["has_nsfw_contents"] == flags


async def test_a_script_can_leave_fields_out(api: Caller, clock: Clock) -> None:
    api.simulator.script(Script(omit=frozenset({"has_nsfw_contents", "timings"})))
    made = await api.submit()
    assert not {"has_nsfw_contents", "timings"} & set(made)


@pytest.mark.parametrize("shape", ["url", "data_uri", "base64", "object"])
async def test_a_script_gives_the_outputs_in_every_shape(api: Caller, clock: Clock, shape: Any) -> None:
    api.simulator.script(Script(shape=shape))
    name = (await api.submit())["id"]
    clock.forward(60)
    (output,) = (await api.result(name))["outputs"]
    if shape in ("url", "object"):
        picture = await api.picture(output["url"] if shape == "object" else output)
    else:
        assert output.startswith("data:image/jpeg;base64,") == (shape == "data_uri")
        picture = opened(base64.b64decode(output.rpartition(",")[2]))
    assert picture.size == (512, 512)


async def test_a_script_gives_the_bytes_of_the_picture(api: Caller, clock: Clock) -> None:
    api.simulator.script(Script(picture=b"no picture", shape="base64"))
    name = (await api.submit())["id"]
    clock.forward(60)
    assert base64.b64decode((await api.result(name))["outputs"][0]) == b"no picture"


async def test_timestamps_have_three_fractional_digits_or_nine(api: Caller) -> None:
    api.simulator.script(Script(), Script(nanoseconds=True))
    stamps = [(await api.submit())["created_at"] for _ in range(2)]
    assert [len(stamp.partition(".")[2]) for stamp in stamps] == [4, 10]
    wall = api.simulator.submits[1].wall
    assert datetime.fromisoformat(stamps[1]).timestamp() == pytest.approx(wall, abs=1e-3)


async def test_a_script_can_wait_for_a_certain_prompt(api: Caller) -> None:
    api.simulator.script(Script(statuses=("cancelled",)), prompt="wolf")
    fox, wolf = (await api.submit("a fox"))["id"], (await api.submit("a wolf"))["id"]
    assert (await api.result(fox))["status"] == "created"
    assert (await api.result(wolf))["status"] == "cancelled"


# Faults: what happens to an answer


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.refusal(400, "num_images is too large"), 400),
        (faults.BAD_KEY, 401),
        (faults.no_credit(402), 402),
        (faults.SUSPENDED, 403),
        (faults.GONE, 404),
        (faults.refusal(413, "too large"), 413),
        (faults.too_many(), 429),
        (faults.server_error(500), 500),
        (faults.server_error(503), 503),
    ],
)
@pytest.mark.parametrize("door", ["submit", "result", "listing", "balance", "price", "upload"])
async def test_every_door_can_refuse_in_every_way(api: Caller, fault: Fault, status: int, door: Any) -> None:
    name = (await api.submit())["id"]
    paths = {
        "submit": ("POST", f"/api/v2/{MODEL}"),
        "result": ("GET", f"/api/v2/predictions/{name}/result"),
        "listing": ("POST", "/api/v3/predictions"),
        "balance": ("GET", "/api/v3/balance"),
        "price": ("POST", "/api/v3/model/price"),
        "upload": ("POST", "/api/v3/media/uploads"),
    }
    api.simulator.fail_next(door, fault)
    told, envelope = await api.call(*paths[door], {"prompt": "a"})
    assert (told, envelope["code"]) == (status, status)
    assert len(api.simulator.submits) == 1
    api.simulator.plan(door, None)
    again, _ = await api.call(*paths[door], {"prompt": "a", "size": "512*512", **LISTING})
    assert again != status or status in (400, 404)


@pytest.mark.parametrize("told", ["7", "Wed, 21 Oct 2026 07:28:00 GMT", None])
async def test_429_comes_with_or_without_retry_after(api: Caller, told: str | None) -> None:
    api.simulator.fail_next("submit", faults.too_many(told))
    url = f"{api.simulator.base_url}/api/v2/{MODEL}"
    async with api.session.post(url, json={"prompt": "a"}) as answer:
        assert (answer.status, answer.headers.get("Retry-After")) == (429, told)


@pytest.mark.parametrize("status", [502, 504])
@pytest.mark.parametrize("accepts", [True, False])
async def test_a_gateway_answers_in_html_whether_it_was_accepted_or_not(
    api: Caller, status: int, accepts: bool
) -> None:
    api.simulator.fail_next("submit", faults.server_error(status, accepts=accepts))
    url = f"{api.simulator.base_url}/api/v2/{MODEL}"
    async with api.session.post(url, json={"prompt": "a"}) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
    assert len(api.simulator.submits) == len(api.simulator.charged) == int(accepts)


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_dropped_submit_exists_in_the_listing_only_if_it_was_accepted(api: Caller, accepts: bool) -> None:
    api.simulator.fail_next("submit", faults.dropped(accepts=accepts))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api.submit()
    items = (await api.data("POST", "/api/v3/predictions", LISTING))["items"]
    assert len(items) == int(accepts)
    assert api.simulator.posts == 1
    assert api.simulator.spent == 0.015 * accepts


async def test_the_true_answer_can_be_truncated(api: Caller) -> None:
    api.simulator.fail_next("submit", faults.truncated())
    with pytest.raises(json.JSONDecodeError):
        await api.submit()
    assert len(api.simulator.submits) == 1


async def test_the_connection_can_close_in_the_middle_of_the_body(api: Caller) -> None:
    api.simulator.fail_next("submit", faults.cut())
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.submit()
    assert len(api.simulator.submits) == 1


async def test_the_body_can_come_slowly(api: Caller) -> None:
    name = (await api.submit())["id"]
    api.simulator.fail_next("result", faults.slow(30))
    async with api.session.get(f"{api.simulator.base_url}/api/v2/predictions/{name}/result") as answer:
        assert answer.status == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.read(), 0.05)


async def test_the_answer_can_come_late(api: Caller) -> None:
    api.simulator.fail_next("submit", faults.late(30))
    asking = asyncio.create_task(api.submit())
    await api.simulator.until(lambda: bool(api.simulator.submits))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asking, 0.1)
    assert len(api.simulator.submits) == 1


async def test_a_slow_body_arrives_whole_in_the_end(api: Caller) -> None:
    api.simulator.fail_next("submit", faults.slow(0.01))
    assert (await api.submit())["status"] == "created"


@pytest.mark.parametrize("data", ["null", "absent"])
async def test_an_envelope_can_be_hollow(api: Caller, data: Any) -> None:
    name = (await api.submit())["id"]
    api.simulator.fail_next("result", faults.hollow(data=data))
    status, envelope = await api.call("GET", f"/api/v2/predictions/{name}/result")
    assert (status, envelope["code"]) == (200, 500)
    assert envelope.get("data") is None
    assert ("data" in envelope) == (data == "null")


@pytest.mark.parametrize(
    ("fault", "status", "size"),
    [
        (faults.refusal(403, "expired"), 403, None),
        (faults.GONE, 404, None),
        (faults.server_error(500), 500, None),
        (faults.nonsense(b"<html>", "text/html"), 200, 6),
        (faults.oversize(2_000_000), 200, 2_000_000),
        (faults.redirect("http://127.0.0.1:9/elsewhere"), 302, None),
    ],
)
async def test_an_output_can_go_wrong_in_every_way(
    api: Caller, clock: Clock, fault: Fault, status: int, size: int | None
) -> None:
    name = (await api.submit())["id"]
    clock.forward(60)
    api.simulator.fail_next("output", fault)
    url = f"{api.simulator.base_url}/outputs/{name}/1.jpeg"
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        assert answer.status == status
        if size:
            assert len(await answer.read()) == size
        if status == 302:
            assert answer.headers["Location"] == "http://127.0.0.1:9/elsewhere"
    assert (await api.picture(url)).size == (512, 512)


async def test_the_server_stops_at_once_while_an_answer_is_held_back() -> None:
    async with calling() as api:
        api.simulator.fail_next("balance", faults.late(600))
        waiting = asyncio.create_task(api.call("GET", "/api/v3/balance"))
        await api.simulator.until(lambda: api.simulator.requests["balance"] == 1)
        begun = time.monotonic()
        await api.simulator.stop()
        assert time.monotonic() - begun < 3
        with pytest.raises(aiohttp.ClientError):
            await waiting


# Synchronous submits and webhooks


async def test_a_synchronous_submit_answers_at_the_end() -> None:
    async with calling(clock=time.monotonic) as api:
        api.simulator.script(Script(seconds=0.05))
        done = await api.submit(version=3, enable_sync_mode=True)
        assert done["status"] == "completed"
        assert len(done["outputs"]) == 1


async def test_a_synchronous_submit_that_takes_too_long_says_5004(api: Caller) -> None:
    api.simulator.script(Script(sync_overrun=True))
    answer = await api.submit(version=3, enable_sync_mode=True)
    assert (answer["status"], answer["code"]) == ("processing", 5004)
    assert "Sync mode timed out" in answer["error"]
    assert (await api.result(answer["id"]))["status"] == "created"


class Receiver:
    """Takes webhooks; refuses the first `refusals` of them."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.url = ""
        self.taken: list[tuple[dict[str, str], bytes]] = []

    async def _take(self, request: web.Request) -> web.Response:
        self.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=500 if len(self.taken) <= self.refusals else 204)

    async def __aenter__(self) -> Receiver:
        application = web.Application()
        application.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()


def rightly_signed(headers: dict[str, str], body: bytes, secret: str, now: float) -> bool:
    """As the documentation tells a receiver to check."""
    if "webhook-signature" not in headers or abs(now - int(headers["webhook-timestamp"])) > 300:
        return False
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(secret.removeprefix("whsec_").encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers["webhook-signature"], f"v3,{expected}")


@pytest.mark.parametrize(("signature", "right"), [("good", True), ("bad", False), ("old", False), ("none", False)])
async def test_a_webhook_carries_the_bare_prediction_and_a_signature(
    api: Caller, clock: Clock, signature: Any, right: bool
) -> None:
    secret = (await api.data("GET", "/api/v3/webhook/secret"))["secret"]
    name = (await api.submit(version=3))["id"]
    clock.forward(60)
    async with Receiver() as receiver:
        assert await api.simulator.send_webhook(name, receiver.url, signature) == 1
    ((headers, body),) = receiver.taken
    told = json.loads(body)
    assert (told["id"], told["status"], told["input"]["prompt"]) == (name, "completed", "a red fox")
    assert "data" not in told
    assert rightly_signed(headers, body, secret, time.time() + 60) is right


async def test_a_submit_may_name_a_webhook_which_is_told_the_end() -> None:
    async with calling(clock=time.monotonic) as api, Receiver(refusals=1) as receiver:
        api.simulator.script(Script(seconds=0.05))
        body = {"prompt": "a", "size": "512*512"}
        async with api.session.post(
            f"{api.simulator.base_url}/api/v3/{MODEL}", json=body, params={"webhook": receiver.url}
        ) as answer:
            assert answer.status == 200
        await api.simulator.until(lambda: api.simulator.webhooks_sent == 2)
        assert json.loads(receiver.taken[-1][1])["status"] == "completed"


async def test_no_webhook_leaves_this_machine(api: Caller) -> None:
    status, _ = await api.call("POST", f"/api/v3/{MODEL}?webhook=https://example.com/hook", {"prompt": "a"})
    assert status == 400
    assert api.simulator.submits == []


# For measuring, and for people


@pytest.mark.parametrize("version", [2, 3])
async def test_one_picture_of_three_megabytes_serves_everything(clock: Clock, version: int) -> None:
    async with calling(clock=clock, one_picture=True, picture_bytes=3_000_000) as api:
        made = [(await api.submit(seed=seed, version=version))["id"] for seed in (1, 2)]
        clock.forward(60)
        outputs = [(await api.result(name))["outputs"][0] for name in made]
        if version == 3:
            assert [(await api.picture(url)).size for url in outputs] == [(1024, 1024)] * 2
        else:
            assert outputs[0] == outputs[1]
            assert 3_000_000 <= len(base64.b64decode(outputs[0])) < 3_001_000


async def test_two_hundred_predictions_at_once_are_served_quickly() -> None:
    async with calling(one_picture=True, clock=time.monotonic, seconds=0.01) as api:
        begun = time.process_time()
        made = await asyncio.gather(*[api.submit(seed=seed, enable_base64_output=False) for seed in range(200)])
        await asyncio.gather(*[api.result(each["id"]) for each in made])
        assert time.process_time() - begun < 4
        assert len(api.simulator.submits) == 200


async def test_until_waits_for_what_the_simulator_was_asked(api: Caller) -> None:
    waiting = asyncio.create_task(api.simulator.until(lambda: len(api.simulator.submits) == 2))
    await api.submit()
    assert not waiting.done()
    await api.submit()
    await waiting
    with pytest.raises(TimeoutError):
        await api.simulator.until(lambda: False, timeout=0.01)


async def test_serve_tells_its_address_and_runs_until_cancelled() -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(port=0, ready=told.set_result, seconds=1))
    url = await told
    async with aiohttp.request("GET", f"{url}/api/v3/balance", headers={"Authorization": "Bearer k"}) as answer:
        assert answer.status == 200
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_a_stopped_simulator_comes_back_at_its_address_and_remembers(api: Caller, clock: Clock) -> None:
    made = await api.submit()
    await api.simulator.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.result(made["id"])
    await api.simulator.start()
    clock.forward(60)
    assert (await api.result(made["id"]))["status"] == "completed"


async def test_a_port_that_is_taken_is_an_error(api: Caller) -> None:
    port = int(api.simulator.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"):
        await Simulator(port=port).start()
