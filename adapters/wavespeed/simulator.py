"""The WaveSpeedAI HTTP API, v2 and v3, served on this machine: paints real pictures without a model, and bills.

It shares no code with our client, so that each is a witness of what the other believes about the protocol. Where the
live API is unknown it follows the examples of the documentation.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from aiohttp import web

from adapters.wavespeed import sim_catalogue, sim_webhooks
from adapters.wavespeed.faults import Door, Fault, Script, envelope
from adapters.wavespeed.sim_account import Account
from adapters.wavespeed.sim_files import Files
from adapters.wavespeed.sim_media import MEDIA_TYPES, Studio, Upload
from adapters.wavespeed.sim_predictions import MODEL, Moment, Pace, Prediction, written
from adapters.wavespeed.sim_register import Register
from adapters.wavespeed.sim_rules import RULES, Inputs, Refused, read
from adapters.wavespeed.sim_wire import answered, asked, spoilt, success
from bot.tasks import cancelled

SYNC_LIMIT = 90.0
"""Seconds that a synchronous submit stays open."""

BODY_LIMIT = 64_000_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Submit:
    """One accepted submit. `body` is the JSON as it came, `inputs` what was made of it; `at` is on `clock`."""

    id: str
    version: int
    inputs: Inputs
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float
    wall: float


class Simulator:
    """`async with Simulator() as simulator:` serves at `simulator.base_url` until the block ends.

    `seconds` is what 1024×1024 in 28 steps takes, ± `spread`; `post_latency` is what each submit's answer takes.
    `key` None takes any non-empty Bearer key. `balance` and `price` (per picture) are US$. `per_minute` and
    `concurrency` are a tier's limits in pictures, None for none. `picture` is the format where the request names none;
    every picture has at least `picture_bytes` bytes. `one_picture` serves the same picture for everything, for
    measuring. `listing_inputs` is the field that carries the inputs in the listing (None: it carries none), and a
    prediction shows there only after `listing_lag` seconds. With `separate_outputs` the files lie at another origin
    (a second port), as they do with the live API. With `memory`, a file, it goes on with what any simulator before it
    accepted there within a day, also after a kill: the same ids, ends, pictures and money. `clock` counts seconds, like
    `time.monotonic`.

    Sources are taken as base64 or from this simulator's own addresses; webhooks go to this machine only.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seconds: float = 6.0,
        spread: float = 0.2,
        post_latency: float = 0.05,
        key: str | None = None,
        balance: float = 50.0,
        price: float = 0.015,
        per_minute: int | None = None,
        concurrency: int | None = None,
        picture: Literal["jpeg", "png"] = "jpeg",
        picture_bytes: int | None = None,
        one_picture: bool = False,
        listing_inputs: Literal["inputs", "input"] | None = "inputs",
        listing_lag: float = 0.0,
        separate_outputs: bool = False,
        memory: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = ""
        self.account = Account(balance=balance, price=price, per_minute=per_minute, concurrency=concurrency)
        self.post_latency = post_latency
        self.listing_inputs = listing_inputs
        self.webhook_signature: sim_webhooks.Signature = "good"
        self.webhook_secret = f"whsec_{secrets.token_hex(24)}"

        self.submits: list[Submit] = []
        self.posts = 0
        """Every POST to the model's path, also the refused and the dropped ones."""
        self.requests: Counter[Door] = Counter()
        """How often each kind of request came with a good key."""
        self.polls: Counter[str] = Counter()
        self.leaks: list[str] = []
        """Paths of files that were asked for, or sent, with an Authorization header although none belongs there."""
        self.webhooks_sent = 0

        self._address = (host, port)
        self._key = key
        self._clock = clock
        self._epoch = time.time() - clock()
        self._separate = separate_outputs
        self._register = Register(self.account, Pace(seconds, spread), listing_lag)
        self._studio = Studio(form=picture, least=picture_bytes, one_picture=one_picture)
        self._files = Files(self._studio, lambda name: self._register.find(name, self._clock()))
        self._faults: defaultdict[Door, deque[Fault | None]] = defaultdict(deque)
        self._memory = memory
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulse = asyncio.Event()

    # Its life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve; after a `stop` at the same address, with all that was known. Raises OSError when the port is taken,
        or the memory can't be opened."""
        if self._memory is not None:
            self._register.remember(self._memory, self._now())
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        host, port = self._address
        try:
            self.base_url = await self._listen(host, port)
            self._address = (host, int(self.base_url.rpartition(":")[2]))
            self._files.apart = await self._listen(host, 0) if self._separate else ""
        except OSError:
            await self.stop()
            raise

    async def _listen(self, host: str, port: int) -> str:
        assert self._runner is not None
        await web.TCPSite(self._runner, host, port).start()
        return f"http://{host}:{self._runner.addresses[-1][1]}"

    async def stop(self) -> None:
        await cancelled(self._tasks)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._studio.close()
        self._register.close()

    # What shall go wrong

    def plan(self, door: Door, *faults: Fault | None) -> None:
        """The next requests at this door are answered so, in this order; None is a good answer."""
        self._faults[door].extend(faults)

    def fail_next(self, door: Door, fault: Fault, times: int = 1) -> None:
        self.plan(door, *[fault] * times)

    def heal(self, *doors: Door) -> None:
        """Forget what is still planned at these doors, or at all of them."""
        for door in doors or tuple(self._faults):
            self._faults[door].clear()

    def script(self, *scripts: Script, prompt: str = "") -> None:
        """The next accepted submits go so, in this order; with `prompt`, only those whose prompt contains it."""
        self._register.scripts.extend((prompt, script) for script in scripts)

    async def send_webhook(self, prediction: str, url: str, signature: sim_webhooks.Signature = "good") -> int:
        """Tell `url` now how a prediction stands. Returns how often it was sent until it was taken."""
        found, now = self._register.predictions[prediction], self._now()
        body = await self._body(found, found.status(now.monotonic), self.base_url, self._files.apart or self.base_url)
        body["input"] = found.inputs
        return await sim_webhooks.deliver(url, body, self.webhook_secret, now.wall, signature)

    # What happened

    async def until(self, fact: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until something that the simulator was asked makes `fact` true. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while not fact():
                await self._pulse.wait()

    @property
    def charged(self) -> Mapping[str, float]:
        """US$ by prediction id."""
        return self.account.charged

    @property
    def spent(self) -> float:
        """US$, all predictions together."""
        return round(sum(self.account.charged.values()), 6)

    @property
    def finished_at(self) -> Mapping[str, Moment]:
        """When the predictions ended that have ended, by id."""
        now = self._clock()
        return {name: ended for name, each in self.predictions.items() if (ended := each.ended(now))}

    @property
    def predictions(self) -> Mapping[str, Prediction]:
        return self._register.predictions

    @property
    def uploads(self) -> list[Upload]:
        """What was uploaded and still lies here, oldest first."""
        return self._files.uploads

    @property
    def downloads(self) -> Counter[str]:
        """How often each output was asked for, by `<id>/<index>`."""
        return self._files.downloads

    def _moved(self) -> None:
        """Wake whoever waits in `until`; the event is down again at once, so it tells of changes only."""
        self._pulse.set()
        self._pulse.clear()

    def _now(self) -> Moment:
        now = self._clock()
        return Moment(now, self._epoch + now)

    # The server

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._guarded])
        add, door, files = application.router.add_route, self._door, self._files
        for version in RULES:
            add("POST", f"/api/v{version}/{MODEL}", door("submit", partial(self._submit, version=version)))
            add("GET", f"/api/v{version}/predictions/{{id}}/result", door("result", self._result))
            add("POST", f"/api/v{version}/media/upload/binary", door("upload", files.upload))
        add("GET", "/api/v3/predictions/{id}", door("result", self._result))
        add("POST", "/api/v3/predictions", door("listing", self._listing))
        add("POST", "/api/v3/predictions/delete", self._delete)
        add("GET", "/api/v3/balance", door("balance", self._balance))
        add("POST", "/api/v3/model/price", door("price", self._price))
        add("POST", "/api/v3/model/pricing", door("price", self._pricing))
        add("GET", "/api/v3/models", self._models)
        add("GET", "/api/v3/webhook/secret", self._secret)
        add("POST", "/api/v3/media/uploads", door("upload", files.ticket))
        add("PUT", "/uploads/{name}", files.receive)
        add("GET", "/uploads/{name}/{file}", files.uploaded)
        add("GET", "/outputs/{id}/{file}", door("output", lambda ask: files.output(ask, self._clock())))
        return application

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Ask for the key under /api, note it elsewhere, and write every refusal as the API does."""
        bearer = request.headers.get("Authorization", "")
        try:
            if request.path.startswith("/api/"):
                self._count(request)
                self._check_key(bearer)
            elif bearer:
                self.leaks.append(request.path)
            return await handler(request)
        except Refused as refused:
            return answered(envelope(refused.status, refused.message, **refused.more), refused.status)
        except web.HTTPError as error:
            return answered(envelope(error.status, error.reason), error.status)
        finally:
            self._moved()

    def _count(self, request: web.Request) -> None:
        if request.method == "POST" and request.path.endswith(MODEL):
            self.posts += 1
            self._moved()

    def _check_key(self, bearer: str) -> None:
        scheme, _, key = bearer.partition(" ")
        if scheme != "Bearer" or not key.strip() or (self._key is not None and key.strip() != self._key):
            raise Refused(401, "Invalid authentication: the API key is missing or unknown.")

    def _door(self, door: Door, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        """The handler, unless a fault is planned for this door."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self.requests[door] += 1
            self._moved()
            fault = self._faults[door].popleft() if self._faults[door] else None
            if fault is None:
                return await handler(request)
            return await spoilt(request, await handler(request) if fault.accepts else None, fault)

        return answer

    # Predictions

    async def _submit(self, request: web.Request, version: int) -> web.Response:
        now = self._now()
        body = await asked(request)
        inputs = read(body, RULES[version])
        webhook = request.query.get("webhook", "")
        if webhook and not sim_webhooks.local(webhook):
            raise Refused(400, "webhook must be an address on this machine: this is a simulator.")
        self.account.admit(inputs["num_images"], now.monotonic)
        image, mask = await self._files.source(inputs["image"]), await self._files.source(inputs["mask_image"])
        prediction = self._register.accept(version, inputs, now, image, mask)
        headers = dict(request.headers)
        self.submits.append(Submit(prediction.id, version, inputs, body, headers, now.monotonic, now.wall))
        self._moved()
        if webhook:
            self._spawn(self._tell(prediction, webhook))
        await asyncio.sleep(self.post_latency)
        if inputs.get("enable_sync_mode"):
            return await self._synchronous(request, prediction)
        return await self._shown(request, prediction, prediction.status(now.monotonic))

    async def _synchronous(self, request: web.Request, prediction: Prediction) -> web.Response:
        left = 0.0 if prediction.script.sync_overrun else prediction.ends - self._clock()
        await asyncio.sleep(max(0.0, min(left, SYNC_LIMIT)))
        if left <= SYNC_LIMIT and not prediction.script.sync_overrun:
            return await self._shown(request, prediction, prediction.look(max(self._clock(), prediction.ends)))
        origin = str(request.url.origin())
        body = await self._body(prediction, "processing", origin, self._files.origin(request))
        error = f"Sync mode timed out after {SYNC_LIMIT:.0f} seconds. Query the result with the prediction's id."
        return success(body | {"code": 5004, "error": error})

    async def _result(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        self.polls[name] += 1
        now = self._clock()
        prediction = self._register.find(name, now)
        return await self._shown(request, prediction, prediction.look(now))

    async def _shown(self, request: web.Request, prediction: Prediction, status: str) -> web.Response:
        return success(await self._body(prediction, status, str(request.url.origin()), self._files.origin(request)))

    async def _body(self, prediction: Prediction, status: str, origin: str, files: str) -> dict[str, Any]:
        outputs = await self._outputs(prediction, prediction.shape, files) if status == "completed" else []
        return written(prediction, status, outputs, origin)

    async def _outputs(self, prediction: Prediction, shape: str, files: str) -> list[Any]:
        """Only base64 and data URIs need the pictures now; an address paints nothing."""
        form = self._studio.form_of(prediction)
        places = range(1, prediction.count + 1)
        if shape in ("url", "object"):
            urls = [f"{files}/outputs/{prediction.id}/{place}.{form}" for place in places]
            return [{"url": url} for url in urls] if shape == "object" else urls
        start = f"data:{MEDIA_TYPES[form]};base64," if shape == "data_uri" else ""
        return [start + await self._studio.in_base64(prediction, place) for place in places]

    async def _listing(self, request: web.Request) -> web.Response:
        wanted, now = await asked(request), self._clock()
        total, found = self._register.page(wanted, now)
        items = [await self._row(request, each, now) for each in found]
        return success({"page": wanted["page"], "total": total, "items": items})

    async def _row(self, request: web.Request, prediction: Prediction, now: float) -> dict[str, Any]:
        outputs = await self._outputs(prediction, "url", self._files.origin(request))
        row = written(prediction, prediction.status(now), outputs, str(request.url.origin()))
        return row | ({self.listing_inputs: prediction.inputs} if self.listing_inputs else {})

    async def _delete(self, request: web.Request) -> web.Response:
        return success({"deleted_count": self._register.delete(await asked(request))})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, prediction: Prediction, url: str) -> None:
        await asyncio.sleep(max(0.0, prediction.ends - self._clock()))
        self.webhooks_sent += await self.send_webhook(prediction.id, url, self.webhook_signature)
        self._moved()

    # The rest of the account

    async def _balance(self, request: web.Request) -> web.Response:
        return success({"balance": self.account.balance})

    async def _price(self, request: web.Request) -> web.Response:
        return success(sim_catalogue.price(self.account, await asked(request)))

    async def _pricing(self, request: web.Request) -> web.Response:
        return success(sim_catalogue.pricing(self.account, await asked(request)))

    async def _models(self, request: web.Request) -> web.Response:
        return success(sim_catalogue.models(self.account))

    async def _secret(self, request: web.Request) -> web.Response:
        return success({"secret": self.webhook_secret})


async def serve(
    host: str = "127.0.0.1", port: int = 8041, *, ready: Callable[[str], None] | None = None, **options: Any
) -> None:
    """Serve until cancelled. `ready` is told the address once it answers; `options` are the Simulator's."""
    async with Simulator(host=host, port=port, **options) as simulator:
        if ready is not None:
            ready(simulator.base_url)
        await asyncio.Event().wait()
