"""The official Python SDK, unchanged, against the simulator: both must mean the same protocol."""

from __future__ import annotations

import asyncio
import base64
import io
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.wavespeed import faults
from adapters.wavespeed.faults import Script
from adapters.wavespeed.painter import encode
from adapters.wavespeed.simulator import Simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies warn at import on some versions
    import wavespeed
    from wavespeed import config

MODEL = "wavespeed-ai/flux-dev-lora"
INPUTS = {"prompt": "a red fox", "size": "512*512", "seed": 7, "output_format": "png"}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(key="sdk-key", seconds=0.2, post_latency=0.0) as server:
        yield server


@pytest.fixture
def sdk(simulator: Simulator) -> Iterator[Any]:
    """Its own module-level functions, set up through its own configuration."""
    settings = {"api.api_key": "sdk-key", "api.base_url": simulator.base_url, "api.retry_interval": 0.01}
    with config.patch(settings):
        wavespeed.api._default_client = None
        yield wavespeed
    wavespeed.api._default_client = None


async def test_it_runs_a_prompt_and_gets_addresses_of_pictures(simulator: Simulator, sdk: Any) -> None:
    done = await asyncio.to_thread(sdk.run, MODEL, INPUTS | {"num_images": 2}, poll_interval=0.02, timeout=10)
    assert len(done["outputs"]) == 2
    assert all(url.startswith(simulator.base_url) and url.endswith(".png") for url in done["outputs"])
    assert simulator.posts == 1
    assert simulator.submits[0].headers["X-Client-Name"] == "wavespeed-python"


async def test_it_uploads_a_picture_and_draws_from_it(simulator: Simulator, sdk: Any, tmp_path: Path) -> None:
    file = tmp_path / "blue.png"
    file.write_bytes(encode(Image.new("RGB", (512, 512), (10, 20, 200)), "png"))
    url = await asyncio.to_thread(sdk.upload, str(file))
    inputs = INPUTS | {"image": url, "strength": 0, "enable_base64_output": True}
    done = await asyncio.to_thread(sdk.run, MODEL, inputs, poll_interval=0.02, timeout=10)
    with Image.open(io.BytesIO(base64.b64decode(done["outputs"][0]))) as picture:
        assert picture.convert("RGB").getpixel((50, 50)) == (10, 20, 200)
    assert simulator.uploads[0].data == file.read_bytes()
    assert simulator.leaks == []


async def test_it_finds_a_result_again_by_its_id(simulator: Simulator, sdk: Any) -> None:
    told = await asyncio.to_thread(sdk.run_no_throw, MODEL, INPUTS, poll_interval=0.02, timeout=10)
    result = await asyncio.to_thread(sdk.get_result, told["task_id"])
    assert result["code"] == 200
    assert result["data"]["outputs"] == told["outputs"]


async def test_it_understands_a_synchronous_answer(simulator: Simulator, sdk: Any) -> None:
    done = await asyncio.to_thread(sdk.run, MODEL, INPUTS, enable_sync_mode=True, timeout=10)
    assert len(done["outputs"]) == 1
    simulator.script(Script(sync_overrun=True))
    told = await asyncio.to_thread(sdk.run_no_throw, MODEL, INPUTS, enable_sync_mode=True, timeout=10)
    assert told["status"] == "processing"
    assert told["task_id"] in simulator.predictions


async def test_it_understands_a_failed_prediction(simulator: Simulator, sdk: Any) -> None:
    simulator.script(faults.MODERATED)
    told = await asyncio.to_thread(sdk.run_no_throw, MODEL, INPUTS, poll_interval=0.02, timeout=10)
    assert told["status"] == "failed"
    assert "potentially sensitive" in told["error"]
    assert told["task_id"] in simulator.predictions


async def test_it_understands_a_refused_key(simulator: Simulator, sdk: Any) -> None:
    client = sdk.Client(api_key="wrong", base_url=simulator.base_url)
    with pytest.raises(RuntimeError, match="HTTP 401"):
        await asyncio.to_thread(client.run, MODEL, INPUTS)


async def test_it_reads_on_after_a_server_error_and_never_posts_twice(simulator: Simulator, sdk: Any) -> None:
    simulator.fail_next("result", faults.server_error(502), times=2)
    done = await asyncio.to_thread(sdk.run, MODEL, INPUTS, poll_interval=0.02, timeout=10)
    assert len(done["outputs"]) == 1
    simulator.fail_next("submit", faults.dropped(accepts=True))
    told = await asyncio.to_thread(sdk.run_no_throw, MODEL, INPUTS)
    assert "may already" in told["error"]
    assert simulator.posts == 2
