"""One simulated prediction: when it starts and ends, what it answers at a given moment, how it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from adapters.wavespeed.faults import FAILED, LORA_UNREACHABLE, MEDIA_UNREACHABLE, MODERATED, Script
from adapters.wavespeed.painter import Scene
from adapters.wavespeed.sim_rules import Inputs, dimensions

MODEL = "wavespeed-ai/flux-dev-lora"
TERMINAL = frozenset({"completed", "failed", "cancelled", "timeout"})
FLAGGED_WORDS = ("nsfw", "nude")
USUAL = Script()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long work takes: 1024×1024 in 28 steps takes `seconds` ± `spread` (0..1); more of anything takes longer."""

    seconds: float = 6.0
    spread: float = 0.2

    def duration(self, inputs: Inputs, seed: int) -> float:
        """Seconds from start to end; the same for the same seed and prompt."""
        width, height = dimensions(inputs)
        work = width * height / 1024**2 * inputs["num_inference_steps"] / 28 * inputs["num_images"]
        jitter = Random(f"{seed}/{inputs['prompt']}").uniform(1 - self.spread, 1 + self.spread)
        return float(self.seconds * (0.1 + 0.9 * work) * jitter)


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on two clocks: the simulator's own, and Unix seconds."""

    monotonic: float
    wall: float


@dataclass(slots=True)
class Prediction:
    """`starts` and `ends` are on the simulator's clock. `seed` is the one drawn where -1 was asked."""

    id: str
    version: int
    inputs: Inputs
    seed: int
    created: Moment
    starts: float
    ends: float
    script: Script = USUAL
    image: bytes | None = None
    mask: bytes | None = None
    deleted: bool = False
    looks: int = field(default=0, init=False)
    seen_ended: float | None = field(default=None, init=False)

    def status(self, now: float) -> str:
        if self.script.statuses:
            return self.script.statuses[min(max(self.looks, 1), len(self.script.statuses)) - 1]
        if now >= self.ends:
            return self.script.end
        return "processing" if now >= self.starts else "created"

    def look(self, now: float) -> str:
        """The status that this poll is told. A script of statuses goes on by one."""
        self.looks += 1
        status = self.status(now)
        if status in TERMINAL and self.seen_ended is None:
            self.seen_ended = now if self.script.statuses else self.ends
        return status

    def ended(self, now: float) -> Moment | None:
        """When it ended, if it has."""
        at = self.seen_ended if self.script.statuses else self.ends if now >= self.ends else None
        return None if at is None else Moment(at, self.created.wall + at - self.created.monotonic)

    @property
    def count(self) -> int:
        wanted: int = self.inputs["num_images"]
        return wanted if self.script.outputs is None else self.script.outputs

    @property
    def form(self) -> str | None:
        """The picture format that the request asked for, where it can say so."""
        return self.inputs.get("output_format")

    @property
    def shape(self) -> str:
        if self.script.shape:
            return self.script.shape
        return "base64" if self.inputs["enable_base64_output"] else "url"

    def scene(self, index: int) -> Scene:
        width, height = dimensions(self.inputs)
        return Scene(
            prompt=self.inputs["prompt"],
            width=width,
            height=height,
            seed=self.seed,
            index=index,
            loras=tuple((lora["path"], lora["scale"]) for lora in self.inputs["loras"]),
            image=self.image,
            mask=self.mask,
            strength=self.inputs["strength"],
        )


def verdict(inputs: Inputs, *, media: bool) -> Script:
    """How a prediction goes that no test scripted: the prompt may ask for trouble. `media`: its sources were found."""
    prompt = inputs["prompt"].lower()
    if not media:
        return MEDIA_UNREACHABLE
    if any("missing" in lora["path"] for lora in inputs["loras"]):
        return LORA_UNREACHABLE
    if "please refuse" in prompt:
        return MODERATED
    return FAILED if "please fail" in prompt else USUAL


def flags(prediction: Prediction) -> object:
    """`has_nsfw_contents` of a completed prediction; v3 has no checker for this model and so never flags."""
    if prediction.script.nsfw is not ...:
        return prediction.script.nsfw
    if not prediction.inputs.get("enable_safety_checker", False):
        return []
    flagged = any(word in prediction.inputs["prompt"].lower() for word in FLAGGED_WORDS)
    return [flagged] * prediction.count


def written(prediction: Prediction, status: str, outputs: list[Any], origin: str) -> dict[str, Any]:
    """The prediction as JSON, without the envelope. `origin` is where the API was asked."""
    done = status == "completed"
    took = round((prediction.ends - prediction.starts) * 1000) if status in TERMINAL else 0
    body: dict[str, Any] = {
        "id": prediction.id,
        "model": MODEL,
        "outputs": outputs if done else [],
        "urls": {"get": f"{origin}/api/v{prediction.version}/predictions/{prediction.id}/result"},
        "has_nsfw_contents": flags(prediction) if done else [],
        "status": status,
        "created_at": stamp(prediction.created.wall, nanoseconds=prediction.script.nanoseconds),
        "error": prediction.script.error if status in TERMINAL and not done else "",
        "executionTime": took,
        "timings": {"inference": took},
    }
    if status == "failed" and prediction.script.code is not None:
        body["code"] = prediction.script.code
    return {name: value for name, value in body.items() if name not in prediction.script.omit}


def stamp(wall: float, *, nanoseconds: bool = False) -> str:
    """Unix seconds as the API writes them: three fractional digits, or nine."""
    moment = datetime.fromtimestamp(wall, UTC)
    if nanoseconds:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}265Z"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
