from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wavespeed import wire
from adapters.wavespeed.wire import Inline, Nonsense, Remote, Spilled, Unreadable
from bot.images import Flag, ImageRequest, Lora, Size
from bot.ports import Prepared
from tests.adapters.wavespeed.values import request, settings

NOW = datetime(2025, 9, 29, 23, 9, 43, tzinfo=UTC)

requests = st.builds(
    ImageRequest,
    prompt=st.text(min_size=1, max_size=200).filter(str.strip),
    size=st.builds(Size, st.integers(512, 1536), st.integers(512, 1536)),
    seed=st.integers(0, 2**31 - 1),
    loras=st.lists(st.builds(Lora, st.text("abc/_", min_size=1), st.floats(0, 4), st.text("xyz")), max_size=4).map(
        tuple
    ),
    strength=st.floats(0, 1),
    steps=st.integers(1, 50),
    guidance=st.floats(0, 10),
    count=st.integers(1, 4),
    safety=st.booleans(),
)


def test_every_parameter_of_the_model_page_is_said() -> None:
    asked = request(
        "a red fox",
        size=Size(768, 1024),
        loras=(Lora("linoyts/yarn_art_Flux_LoRA", 0.8, "yarn"),),
        image="s1",
        mask="s2",
        strength=0.6,
        steps=30,
        guidance=4.5,
        count=2,
        safety=False,
    )
    assert wire.submission(Prepared(asked, "https://u/i.png", "https://u/m.png"), "v2", base64=True) == {
        "prompt": "a red fox",
        "image": "https://u/i.png",
        "mask_image": "https://u/m.png",
        "strength": 0.6,
        "loras": [{"path": "linoyts/yarn_art_Flux_LoRA", "scale": 0.8}],
        "size": "768*1024",
        "num_inference_steps": 30,
        "guidance_scale": 4.5,
        "num_images": 2,
        "seed": 7,
        "enable_base64_output": True,
        "enable_safety_checker": False,
    }


def test_v3_asks_for_png_and_never_for_the_synchronous_mode() -> None:
    body = wire.submission(Prepared(request()), "v3", base64=False)
    assert body["output_format"] == "png"
    assert body["enable_sync_mode"] is False
    assert body["enable_base64_output"] is False
    assert "image" not in body


@given(requests, st.sampled_from(["v2", "v3"]), st.booleans())
def test_a_submission_recognises_itself_in_the_listing(asked: ImageRequest, version: str, base64: bool) -> None:
    body = json.loads(json.dumps(wire.submission(Prepared(asked), version, base64=base64)))  # type: ignore[arg-type]
    item = {"id": "a" * 32, "model": wire.MODEL, "created_at": "2025-09-29T23:09:43.027Z", "inputs": body}
    found = wire.sighting(item, Prepared(asked), NOW - timedelta(seconds=60))
    assert found is not None
    assert found.request_matches is True
    assert Size.parse(body["size"]) == asked.size
    assert tuple((lora["path"], lora["scale"]) for lora in body["loras"]) == tuple(
        (lora.path, lora.scale) for lora in asked.loras
    )


@given(requests, requests)
def test_another_request_is_not_taken_for_ours(ours: ImageRequest, theirs: ImageRequest) -> None:
    body = wire.submission(Prepared(theirs), "v2", base64=False)
    found = wire.sighting({"id": "x", "input": body}, Prepared(ours), NOW)
    same = _inputs(ours) == _inputs(theirs)
    assert found is not None
    assert found.request_matches is same


def _inputs(asked: ImageRequest) -> object:
    loras = [(lora.path, lora.scale) for lora in asked.loras]
    return asked.prompt, asked.seed, asked.size, asked.count, asked.steps, asked.guidance, loras


@pytest.mark.parametrize(
    "changed",
    [
        {"loras": (Lora("owner/koda", 0.8),)},
        {"loras": (Lora("owner/yarn", 0.5),)},
        {"loras": ()},
        {"steps": 9},
        {"guidance": 1.0},
    ],
)
def test_the_same_prompt_and_seed_drawn_otherwise_is_another(changed: dict[str, Any]) -> None:
    ours = request(seed=7, loras=(Lora("owner/yarn", 0.8),), steps=28, guidance=3.5)
    body = wire.submission(Prepared(replace(ours, **changed)), "v2", base64=False)
    found = wire.sighting({"id": "x", "inputs": body}, Prepared(ours), NOW)
    assert found is not None
    assert found.request_matches is False


def test_a_prediction_from_a_picture_is_none_of_words_alone() -> None:
    body = wire.submission(Prepared(request(), image="https://cdn/x.png"), "v2", base64=False)
    found = wire.sighting({"id": "x", "inputs": body}, Prepared(request()), NOW)
    assert found is not None
    assert found.request_matches is False


@pytest.mark.parametrize(
    "item", [{"id": "x"}, {"id": "x", "inputs": {}}, {"id": "x", "input": {"prompt": "a red fox"}}]
)
def test_without_inputs_nobody_can_know(item: dict[str, object]) -> None:
    found = wire.sighting(item, Prepared(request()), NOW)
    assert found is not None
    assert found.request_matches is None


def test_other_models_and_older_predictions_are_no_sighting() -> None:
    assert wire.sighting({"id": "x", "model": "wavespeed-ai/flux-dev"}, Prepared(request()), NOW) is None
    old = {"id": "x", "created_at": "2025-09-29T23:00:00Z"}
    assert wire.sighting(old, Prepared(request()), NOW) is None
    assert wire.sighting({"id": "../../balance"}, Prepared(request()), NOW) is None


def test_the_listing_is_asked_by_model_and_time() -> None:
    assert wire.listing(2, NOW) == {
        "page": 2,
        "page_size": 100,
        "model": "wavespeed-ai/flux-dev-lora",
        "created_after": "2025-09-29T23:09:43.000Z",
    }
    assert wire.listed({"page": 1, "items": [{"id": "x"}, 3]}) == [{"id": "x"}]
    assert wire.listed({"items": None}) == []
    with pytest.raises(Nonsense):
        wire.listed({"items": "x"})


CREATED = {
    "id": "6488c2754f6f4dfea924382fa14d11bd",
    "model": "wavespeed-ai/flux-dev-lora",
    "outputs": [],
    "urls": {"get": "https://api.wavespeed.ai/api/v3/predictions/6488c2754f6f4dfea924382fa14d11bd/result"},
    "has_nsfw_contents": [],
    "status": "created",
    "created_at": "2025-09-29T23:09:43.027Z",
    "error": "",
    "executionTime": 0,
    "timings": {"inference": 0},
}


def test_a_created_prediction_is_read() -> None:
    found = wire.prediction(CREATED)
    assert wire.accepted(CREATED) == CREATED["id"]
    assert (found.status, found.terminal, found.outputs, found.seconds, found.error) == ("created", False, (), 0.0, "")
    assert found.created_at == datetime(2025, 9, 29, 23, 9, 43, 27000, UTC)


def test_a_completed_prediction_is_read() -> None:
    done = CREATED | {
        "status": "completed",
        "outputs": ["https://x.cloudfront.net/1.jpeg"],
        "has_nsfw_contents": [True],
        "created_at": "2025-05-19T06:09:15.948268264Z",
        "executionTime": 25729,
        "timings": {"inference": 20000},
    }
    found = wire.prediction(done)
    assert found.terminal
    assert found.outputs == (Remote("https://x.cloudfront.net/1.jpeg"),)
    assert found.flags == (Flag.YES,)
    assert found.seconds == 20.0
    assert found.created_at == datetime(2025, 5, 19, 6, 9, 15, 948268, UTC)
    assert wire.prediction(done | {"timings": {}}).seconds == 25.729
    assert wire.prediction(done | {"timings": None, "executionTime": None}).seconds == 0.0


@pytest.mark.parametrize(
    ("status", "terminal"),
    [("created", False), ("processing", False), ("pending", False), ("levitating", False), ("Completed", True)]
    + [(name, True) for name in ("completed", "failed", "cancelled", "timeout", "deleted")],
)
def test_which_states_are_the_end(status: str, terminal: bool) -> None:
    assert wire.prediction({"status": status}).terminal is terminal


@pytest.mark.parametrize("data", [None, [], {}, {"status": 3}, {"status": ""}, "completed"])
def test_nonsense_is_no_prediction(data: object) -> None:
    with pytest.raises(Nonsense):
        wire.prediction(data)


@pytest.mark.parametrize("data", [None, {}, {"id": 3}, {"id": ""}, {"id": "../x"}, {"id": "a b"}, {"id": "x" * 200}])
def test_nonsense_is_no_accepted_submit(data: object) -> None:
    with pytest.raises(Nonsense):
        wire.accepted(data)


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ("https://x/1.png", Remote("https://x/1.png")),
        ("HTTP://x/1.png", Remote("HTTP://x/1.png")),
        ({"url": "https://x/1.png"}, Remote("https://x/1.png")),
        ({"url": "data:image/png;base64,AAAA"}, Inline("data:image/png;base64,AAAA")),
        ("data:image/png;base64,AAAA", Inline("data:image/png;base64,AAAA")),
        ("/9j/AAAA", Inline("/9j/AAAA")),
        ("\x00picture:1", Spilled(1)),
        ("\x00picture:x", Unreadable()),
        ({"text": "no"}, Unreadable()),
        (None, Unreadable()),
        ("", Unreadable()),
        (3, Unreadable()),
    ],
)
def test_every_form_of_an_output(item: object, found: object) -> None:
    assert wire.output(item) == found


Y, N, U = Flag.YES, Flag.NO, Flag.UNKNOWN


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ([False, True], (N, Y)),
        ([True, False, True], (Y, N)),
        ([True], (Y, U)),
        ([], (U, U)),
        (None, (U, U)),
        ("false", (U, U)),
        ([None, 0], (U, U)),
        ({"0": True}, (U, U)),
    ],
)
def test_a_flag_that_is_not_said_is_unknown(raw: object, found: tuple[Flag, ...]) -> None:
    assert wire.flags(raw, 2) == found


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12", 12.0),
        (" 1.5 ", 1.5),
        ("Mon, 29 Sep 2025 23:10:43 GMT", 60.0),
        ("Mon, 29 Sep 2025 23:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_both_forms_of_retry_after(header: str | None, seconds: float | None) -> None:
    assert wire.retry_after(header, NOW) == seconds


def test_prices() -> None:
    assert wire.price({"price": 0.03}) == 0.03
    assert wire.price({"price": 0.03, "discounted_price": 0.024, "discount_rate": 20, "currency": "USD"}) == 0.024
    assert wire.price({"price": 0.03, "discounted_price": 0}) == 0.03
    assert wire.unit_price({"unit_price": 0.015}) == 0.015
    assert wire.balance({"balance": -0.2}) == -0.2
    for nonsense in (None, {}, {"price": "0.03"}, {"price": True}, {"price": -1}, {"price": float("nan")}):
        with pytest.raises(Nonsense):
            wire.price(nonsense)


def test_an_upload_is_an_address() -> None:
    assert wire.uploaded({"download_url": "https://x/u.png"}) == "https://x/u.png"
    with pytest.raises(Nonsense):
        wire.uploaded({"download_url": "file:///etc/passwd"})


def test_what_each_version_can_do() -> None:
    v2, v3 = (wire.capabilities(version, settings()) for version in ("v2", "v3"))
    assert (v2.side.low, v2.side.high, v2.guidance.high, v2.max_loras, v2.max_seed) == (512, 1536, 10, 5, 9_999_999_999)
    assert (v3.side.low, v3.side.high, v3.guidance.high, v3.max_loras, v3.max_seed) == (256, 1536, 20, 4, 2**31 - 1)
    assert (v2.flags_nsfw, v3.flags_nsfw) == (True, False)
    assert not v2.real_cancel
    assert not v3.percent
    assert wire.capabilities("v3", settings(max_loras=3)).max_loras == 3
