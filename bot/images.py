"""What a picture is asked with and what comes back: frozen values that cannot hold nonsense."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bot.errors import BadRequest

MAX_PROMPT = 2000
"""Characters; one cap for every platform (Discord's modal takes 4,000, Slack's section 3,000)."""

MAX_SEED = 2_147_483_647
"""The largest seed that we draw ourselves: both versions of the API take it."""


@dataclass(frozen=True, slots=True)
class Range:
    """A closed range of numbers, as a backend declares it."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise BadRequest("A picture needs a width and a height above zero.", field="size")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1024x768`, `1024×768`, `1024*768` or `1024` (square). Raises BadRequest."""
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[x×*]\s*(\d{1,5}))?\s*", text, re.IGNORECASE)
        if match is None:
            raise BadRequest(f"Size looks like 1024x1024, not “{text[:40]}”.", field="size")
        return cls(int(match[1]), int(match[2] or match[1]))

    def __str__(self) -> str:
        return f"{self.width}×{self.height}"

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA: where the API finds its weights, how strongly it is applied, and what people call it."""

    path: str
    scale: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.path:
            raise BadRequest("A LoRA needs a name.", field="loras")

    def __str__(self) -> str:
        return f"{self.name or self.path}:{self.scale:g}"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One call of the model.

    `image` and `mask` are names in our own store of sources (`bot.pictures.Sources`), never addresses or paths.
    In the mask white is repainted and black is kept. `strength` (0..1) is how far `image` is left behind.
    `seed` is always a number that we drew or were given, never "random": an unknown answer can then be recognised.
    """

    prompt: str
    size: Size
    seed: int
    loras: tuple[Lora, ...] = ()
    image: str | None = None
    mask: str | None = None
    strength: float = 0.8
    steps: int = 28
    guidance: float = 3.5
    count: int = 1
    safety: bool = True

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise BadRequest("Say what the picture should show: the prompt is empty.", field="prompt")
        if len(self.prompt) > MAX_PROMPT:
            raise BadRequest(
                f"The prompt has {len(self.prompt):,} characters; {MAX_PROMPT:,} is the most.", field="prompt"
            )
        if self.mask and not self.image:
            raise BadRequest("A mask says which part of a picture to redraw: add the picture as `image`.", field="mask")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, declared per API version. The commands' ranges come from here."""

    model: str
    """The name people see, e.g. `flux-dev-lora`."""
    side: Range
    """Pixels, for width and for height."""
    steps: Range
    guidance: Range
    strength: Range
    lora_scale: Range
    max_loras: int
    max_count: int
    max_seed: int
    default_steps: int = 28
    default_guidance: float = 3.5
    default_strength: float = 0.8
    flags_nsfw: bool = True
    """False where the API may never flag (v3): every flag is then unknown."""
    real_cancel: bool = False
    """Whether a submitted job can be stopped before it costs."""
    percent: bool = False
    """Whether progress comes with a percentage."""
    simulated: bool = False
    """Drawn by a simulator on this machine: it costs nothing, and people are told."""

    def check(self, request: ImageRequest) -> None:
        """Raise BadRequest, with the allowed range, for whatever this backend can't do."""
        _within("width", request.size.width, self.side)
        _within("height", request.size.height, self.side)
        _within("steps", request.steps, self.steps)
        _within("guidance", request.guidance, self.guidance)
        _within("strength", request.strength, self.strength)
        _within("seed", request.seed, Range(0, self.max_seed))
        _within("count", request.count, Range(1, self.max_count))
        if len(request.loras) > self.max_loras:
            raise BadRequest(
                f"{len(request.loras)} LoRAs are too many; this model takes {self.max_loras}.", field="loras"
            )
        for lora in request.loras:
            if lora.scale not in self.lora_scale:
                raise BadRequest(
                    f"The scale of {lora.name or lora.path} is {lora.scale:g}; "
                    f"it goes from {self.lora_scale.low:g} to {self.lora_scale.high:g}.",
                    field="loras",
                )


def _within(name: str, value: float, allowed: Range) -> None:
    if value not in allowed:
        # .15g: a plain :g would say 1e+10 for the largest seed
        raise BadRequest(f"{name} is {value:.15g}; it goes from {allowed.low:.15g} to {allowed.high:.15g}.", field=name)


class Flag(enum.StrEnum):
    """What the model's safety checker said of one picture."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture on our disk. `index` counts from 1, in the API's order."""

    index: int
    path: Path
    media_type: str
    size: Size
    flag: Flag


@dataclass(frozen=True, slots=True)
class Missing:
    """One output that could not be fetched or is no picture; the rest is delivered. `reason` is for people."""

    index: int
    reason: str
