"""A Backend in memory: paints plain pictures at once or after some seconds, and fails when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from bot.errors import Ambiguous, EaselError, Expired, GaveUp
from bot.images import MAX_SEED, Capabilities, Flag, ImageRequest, Missing, Picture, Range
from bot.pacing import Usual
from bot.ports import Prepared, Rendered, Sighting, Step, Ticket

CAPABILITIES = Capabilities(
    model="painted",
    side=Range(64, 1536),
    steps=Range(1, 50),
    guidance=Range(0, 10),
    strength=Range(0, 1),
    lora_scale=Range(0, 4),
    max_loras=5,
    max_count=4,
    max_seed=MAX_SEED,
)
V2 = Capabilities(
    model="flux-dev-lora",
    side=Range(512, 1536),
    steps=Range(1, 50),
    guidance=Range(0, 10),
    strength=Range(0, 1),
    lora_scale=Range(0, 4),
    max_loras=5,
    max_count=4,
    max_seed=9_999_999_999,
)
"""What version 2 of the WaveSpeedAI API takes."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one submit, where it differs from the usual.

    `refused` is raised by the submit and nothing is accepted. `lost` raises Ambiguous from it; `accepted` says whether
    the prediction exists all the same. `fails` is how the accepted task ends. `flags` are its pictures' (the last one
    for all further), `missing` the indexes of pictures that can't be fetched.
    """

    refused: EaselError | None = None
    lost: bool = False
    accepted: bool = True
    fails: EaselError | None = None
    seconds: float | None = None
    flags: tuple[Flag, ...] = (Flag.NO,)
    missing: frozenset[int] = frozenset()


@dataclass(slots=True)
class Painting:
    """One accepted prediction. `done` is set when its time has come; a test may set it itself."""

    ticket: Ticket
    prepared: Prepared
    fate: Fate
    ends: float
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Account:
    """What survives a restart of the bot: the other side. Hand it to the next PaintedBackend."""

    def __init__(self, *, balance: float = 50.0, price: float = 0.015) -> None:
        self.balance = balance
        self.price = price
        self.paintings: dict[str, Painting] = {}
        self.posts: list[Prepared] = []
        """Every POST, also the refused and the lost ones."""
        self.tells_inputs = True


class PaintedBackend:
    """`seconds` is what a job takes; `fates` are those of the next submits, in order; `by_prompt` those of every
    submit whose prompt contains a word.
    """

    def __init__(
        self,
        *,
        seconds: float = 0.0,
        fates: tuple[Fate, ...] = (),
        by_prompt: Mapping[str, Fate] | None = None,
        account: Account | None = None,
        pictures_at_once: int = 100,
        pictures_per_minute: int = 10_000,
        submit_lanes: int = 4,
        exclusive_key: bool = False,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        self.capabilities = capabilities
        self.pictures_at_once = pictures_at_once
        self.pictures_per_minute = pictures_per_minute
        self.submit_lanes = submit_lanes
        self.exclusive_key = exclusive_key
        self.account = account or Account()
        self.seconds = seconds
        self.fates = deque(fates)
        self.by_prompt = dict(by_prompt or {})
        self.uploads: list[bytes] = []
        self._lanes = asyncio.Semaphore(submit_lanes)

    async def __aenter__(self) -> PaintedBackend:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @property
    def posts(self) -> int:
        return len(self.account.posts)

    async def price(self, request: ImageRequest) -> float:
        return self.account.price * request.count

    async def balance(self) -> float:
        return self.account.balance

    async def prepare(self, request: ImageRequest, sources: Mapping[str, bytes]) -> Prepared:
        self.capabilities.check(request)
        named = [sources[name] for name in (request.image, request.mask) if name]
        self.uploads += named
        image = f"memory:{request.image}" if request.image else None
        return Prepared(request, image, f"memory:{request.mask}" if request.mask else None)

    @asynccontextmanager
    async def turn(self, pictures: int) -> AsyncIterator[None]:
        async with self._lanes:
            yield

    async def submit(self, prepared: Prepared) -> Ticket:
        self.capabilities.check(prepared.request)
        self.account.posts.append(prepared)
        fate = self._fate(prepared.request.prompt)
        await asyncio.sleep(0)
        if fate.refused is not None:
            raise fate.refused
        ticket = self._accept(prepared, fate) if fate.accepted else None
        if fate.lost or ticket is None:
            raise Ambiguous("The answer was lost. Easel is checking whether it took the job.")
        return ticket

    def _fate(self, prompt: str) -> Fate:
        if self.fates:
            return self.fates.popleft()
        return next((fate for word, fate in self.by_prompt.items() if word in prompt), Fate())

    def _accept(self, prepared: Prepared, fate: Fate) -> Ticket:
        ticket = Ticket(f"{len(self.account.paintings) + 1:032x}", datetime.now(UTC))
        seconds = self.seconds if fate.seconds is None else fate.seconds
        ends = asyncio.get_running_loop().time() + seconds
        self.account.paintings[ticket.id] = Painting(ticket, prepared, fate, ends)
        self.account.balance -= self.account.price * prepared.request.count
        return ticket

    async def watch(
        self, ticket: Ticket, request: ImageRequest, into: Path, usual: Usual | None
    ) -> AsyncIterator[Step | Rendered]:
        painting = self.account.paintings.get(ticket.id)
        if painting is None:
            raise Expired("The image service no longer knows this job.")
        yield Step("processing")
        left = painting.ends - asyncio.get_running_loop().time()
        if left > 0:
            try:
                await asyncio.wait_for(painting.done.wait(), left)
            except TimeoutError:
                painting.done.set()
        if painting.fate.fails is not None:
            raise painting.fate.fails
        seconds = self.seconds if painting.fate.seconds is None else painting.fate.seconds
        yield _rendered(painting, into, seconds)

    async def sightings(self, prepared: Prepared, since: datetime) -> list[Sighting]:
        found = [painting for painting in self.account.paintings.values() if painting.ticket.submitted_at >= since]
        return [self._sighting(painting, prepared) for painting in reversed(found)]

    def _sighting(self, painting: Painting, prepared: Prepared) -> Sighting:
        ours, theirs = prepared.request, painting.prepared.request
        same = (ours.prompt, ours.seed, ours.size) == (theirs.prompt, theirs.seed, theirs.size)
        return Sighting(painting.ticket, same if self.account.tells_inputs else None)

    async def cancel(self, ticket: Ticket) -> bool:
        return False


def _rendered(painting: Painting, into: Path, seconds: float) -> Rendered:
    request, fate = painting.prepared.request, painting.fate
    into.parent.mkdir(parents=True, exist_ok=True)
    pictures, missing = [], []
    for index in range(1, request.count + 1):
        if index in fate.missing:
            missing.append(Missing(index, "it could not be fetched"))
            continue
        flag = fate.flags[min(index, len(fate.flags)) - 1] if fate.flags else Flag.UNKNOWN
        pictures.append(_paint(Path(f"{into}-{index}.png"), request, index, flag))
    if not pictures:
        raise GaveUp("No picture came of it. Please try again.")
    return Rendered(tuple(pictures), tuple(missing), seconds, seconds)


def _paint(path: Path, request: ImageRequest, index: int, flag: Flag) -> Picture:
    """One colour, made of prompt, seed and index, so that nobody's picture is taken for another's."""
    colour = hash_of(f"{request.prompt}|{request.seed}|{index}")
    Image.new("RGB", (request.size.width, request.size.height), colour).save(path, compress_level=1)
    return Picture(index, path, "image/png", request.size, flag)


def hash_of(text: str) -> tuple[int, int, int]:
    """A colour that is the same in every process."""
    value = 0
    for letter in text.encode():
        value = (value * 131 + letter) % (1 << 24)
    return value >> 16, value >> 8 & 255, value & 255
