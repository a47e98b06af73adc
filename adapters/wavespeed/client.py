"""The WaveSpeedAI backend: prices, uploads, submits once, follows, and finds lost submits again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import structlog

from adapters.wavespeed import wire
from adapters.wavespeed.outputs import SUFFIX, Collected, Outputs, discard, sniff
from adapters.wavespeed.pace import Turns
from adapters.wavespeed.polling import Poller, Watched, looks
from adapters.wavespeed.settings import WaveSpeedSettings
from adapters.wavespeed.sieve import Sieve, no_room
from adapters.wavespeed.transport import Api, Outside, outside
from adapters.wavespeed.verdicts import Call, Trouble, classify
from adapters.wavespeed.wire import Nonsense, Prediction
from bot.errors import BadOutput, BadRequest, Expired, RateLimited, Unreachable
from bot.images import ImageRequest
from bot.pacing import Usual, backoff
from bot.ports import Prepared, Rendered, Sighting, Step, Ticket

PRICE_KEPT = 3600.0
"""Seconds."""
FRESH = 60.0
"""Seconds during which the API may not know a job yet that it just accepted."""
LISTING_SLACK = timedelta(seconds=60)
"""Their clock and ours may differ."""
PAGES = 10
"""Of 100 predictions each, newest first; a lost submit is minutes old, not days."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Client:
    """A `bot.ports.Backend`. Nothing is opened before `async with`."""

    def __init__(
        self, settings: WaveSpeedSettings, *, dice: random.Random | None = None, simulated: bool = False
    ) -> None:
        pace = settings.pace
        self.capabilities = replace(wire.capabilities(settings.api_version, settings), simulated=simulated)
        self.pictures_at_once = pace.at_once
        self.pictures_per_minute = pace.per_minute
        self.submit_lanes = pace.lanes
        self.exclusive_key = settings.exclusive_key
        self._settings = settings
        self._version = settings.api_version
        self._dice = dice or random.Random()
        self._api = Api(settings)
        self._turns = Turns(lanes=pace.lanes, per_minute=pace.per_minute)
        self._poller = Poller(self._look, at_once=min(64, 2 + pace.looks // 4), per_second=pace.looks)
        self._prices: dict[tuple[object, ...], tuple[float, float]] = {}
        self._pricing = asyncio.Lock()
        self._odd_states: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._api.open()
        settings = self._settings
        resolver = Outside(settings.base_url)
        self._outside = outside(resolver, connect=settings.connect_timeout, read=settings.read_timeout)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="pictures")
        self._outputs = Outputs(self._outside, resolver, self._threads, settings.max_picture_bytes)
        self._poller.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._poller.close()
        await self._api.close()
        await self._outside.close()
        self._threads.shutdown(cancel_futures=True)

    # ---- money ----

    async def price(self, request: ImageRequest) -> float:
        key = (request.size, request.steps, request.count, len(request.loras), bool(request.image))
        async with self._pricing:  # two hundred at once ask once
            known = self._prices.get(key)
            if known and known[0] > time.monotonic():
                return known[1]
            try:
                found = await self._ask_price(request)
            except Unreachable:
                if known is None:
                    raise
                return known[1]
            self._prices[key] = (time.monotonic() + PRICE_KEPT, found)
            return found

    async def _ask_price(self, request: ImageRequest) -> float:
        inputs = wire.submission(Prepared(request), self._version, base64=self._settings.base64)
        try:
            return await self._read_price("/api/v3/model/price", {"model_id": wire.MODEL, "inputs": inputs})
        except Unreachable:
            data = await self._api.read(Call.PRICE, "POST", "/api/v3/model/pricing", lambda: {"model_id": wire.MODEL})
            return _understood(wire.unit_price, data) * request.count

    async def _read_price(self, path: str, body: dict[str, Any]) -> float:
        return _understood(wire.price, await self._api.once(Call.PRICE, "POST", path, body))

    async def balance(self) -> float:
        return _understood(wire.balance, await self._api.read(Call.BALANCE, "GET", "/api/v3/balance"))

    # ---- submitting ----

    async def prepare(self, request: ImageRequest, sources: Mapping[str, bytes]) -> Prepared:
        self.capabilities.check(request)
        image = await self._upload(sources[request.image]) if request.image else None
        mask = await self._upload(sources[request.mask]) if request.mask else None
        return Prepared(request, image, mask)

    async def _upload(self, data: bytes) -> str:
        kind = sniff(data[:16])
        if kind is None:
            raise BadRequest("That file is no PNG, JPEG or WebP picture.", field="image")

        def form() -> aiohttp.FormData:
            fields = aiohttp.FormData()
            fields.add_field("file", data, filename=f"source{SUFFIX[kind]}", content_type=f"image/{kind.lower()}")
            return fields

        return _understood(
            wire.uploaded, await self._api.read(Call.UPLOAD, "POST", "/api/v3/media/upload/binary", form)
        )

    def turn(self, pictures: int) -> AbstractAsyncContextManager[None]:
        return self._turns.turn(pictures)

    async def submit(self, prepared: Prepared) -> Ticket:
        self.capabilities.check(prepared.request)
        body = wire.submission(prepared, self._version, base64=self._settings.base64)
        try:
            data = await self._api.once(Call.SUBMIT, "POST", f"/api/{self._version}/{wire.MODEL}", body)
            return Ticket(wire.accepted(data), datetime.now(UTC))
        except RateLimited as error:
            self._turns.pause(error.retry_after)
            raise
        except Nonsense as error:
            raise classify(Trouble(Call.SUBMIT, 200)) from error

    # ---- following ----

    async def watch(
        self, ticket: Ticket, request: ImageRequest, into: Path, usual: Usual | None
    ) -> AsyncIterator[Step | Rendered]:
        watched = self._watched(ticket, into, usual)
        try:
            _make_room(into)
            self._poller.follow(watched)
            while True:
                news = await watched.news.get()
                if isinstance(news, Exception):
                    raise news
                if news.terminal:
                    break
                yield Step(news.status)
            if news.status != "completed" or not news.outputs:
                raise classify(Trouble(Call.TASK, code=news.code, text=news.error, state=news.status))
            found = await self._collect(watched, news, request.count)
            yield Rendered(found.pictures, found.missing, news.seconds, _took(watched, news))
        finally:
            self._poller.forget(watched)
            _discard(watched)

    def _watched(self, ticket: Ticket, into: Path, usual: Usual | None) -> Watched:
        now = asyncio.get_running_loop().time()
        age = max(0.0, (datetime.now(UTC) - ticket.submitted_at).total_seconds())
        plan = looks(usual, age, self._settings.deadline, self._dice)
        return Watched(ticket.id, into, plan, now - age, now + self._settings.give_up_after)

    async def _look(self, watched: Watched) -> Prediction:
        _discard(watched)
        path = f"/api/{self._version}/predictions/{watched.id}/result"
        sieve = Sieve(lambda number: Path(f"{watched.into}-inline{number}.part"), self._settings.max_picture_bytes)
        watched.spilled = sieve.pictures
        try:
            found = _understood(wire.prediction, await self._api.once(Call.RESULT, "GET", path, sieve=sieve))
        except Expired as error:
            if asyncio.get_running_loop().time() - watched.began < FRESH:
                raise Unreachable(str(error), detail=error.detail) from error
            raise
        finally:
            sieve.close()
        self._note_state(found.status)
        return found

    def _note_state(self, state: str) -> None:
        if state in wire.RUNNING or state in wire.TERMINAL or state in self._odd_states:
            return
        if len(self._odd_states) < 20:
            self._odd_states.add(state)
            log.warning("the API tells an unknown state; it is taken for a running one", state=repr(state))

    async def _collect(self, watched: Watched, found: Prediction, count: int) -> Collected:
        """Fetch the pictures. While none can be had but the way may come back, keep trying until we give up."""
        for attempt in range(1, 1000):
            collected = await self._outputs.collect(found, count, watched.into, watched.spilled)
            if collected.pictures:
                return collected
            if not collected.later:
                raise BadOutput("The picture was drawn but what came back is no picture. Please try again.")
            if asyncio.get_running_loop().time() >= watched.give_up_at:
                break
            await asyncio.sleep(backoff(attempt, self._dice, first=2.0, most=60.0))
        raise Unreachable("The picture is drawn but can't be fetched right now. Please look again later.")

    # ---- lost and found ----

    async def sightings(self, prepared: Prepared, since: datetime) -> list[Sighting]:
        after = since - LISTING_SLACK
        found: dict[str, Sighting] = {}
        for page in range(1, PAGES + 1):
            body = wire.listing(page, after)
            data = await self._api.read(Call.LISTING, "POST", "/api/v3/predictions", lambda body=body: body)  # type: ignore[misc]
            items = _understood(wire.listed, data)
            seen = [wire.sighting(item, prepared, after) for item in items]
            found |= {sighting.ticket.id: sighting for sighting in seen if sighting}
            if len(items) < body["page_size"]:
                break
        return sorted(found.values(), key=lambda sighting: sighting.ticket.submitted_at, reverse=True)

    async def cancel(self, ticket: Ticket) -> bool:
        """The API documents no cancel; its delete forgets the result of what was paid."""
        return False


def _understood(read: Callable[[object], T], data: object) -> T:
    """Read a free answer; one that makes no sense may be asked for again."""
    try:
        return read(data)
    except Nonsense as error:
        raise classify(Trouble(Call.READ, 200)) from error


def _took(watched: Watched, found: Prediction) -> float:
    """Seconds from the submit to the end: between the last two looks, as near to the told inference time as can be."""
    guess = found.seconds or (watched.unfinished_at + watched.seen_at) / 2
    return min(max(guess, watched.unfinished_at), watched.seen_at)


def _make_room(into: Path) -> None:
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise no_room(error) from error


def _discard(watched: Watched) -> None:
    for picture in watched.spilled:
        picture.close()
        discard(picture.path)
