"""The composition root: opens everything by name, goes on with what a crash left, serves, and drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from aiohttp import web

from bot import folder, metrics, workflow
from bot.accounts import Accounts
from bot.adapters import adapter, chats, platforms, usual_platforms
from bot.alerts import Alerts
from bot.announcer import Announcer
from bot.answers import Answers
from bot.bell import Bell
from bot.brake import Brake
from bot.common import Common
from bot.easel import Easel
from bot.errors import BadSettings, Unreachable
from bot.gate import Gate
from bot.guard import Limits, Policy
from bot.health import Check
from bot.intake import Intake
from bot.ledger import Ledger
from bot.library import Library
from bot.life import Life
from bot.moving import check_in_use
from bot.pacing import Durations, backoff
from bot.pictures import Gallery
from bot.ports import Backend, Platform, Route, Settles, Sweeps
from bot.pricing import Pricing
from bot.settings import Settings, raw, read
from bot.standing import Alone, Held, Standing
from bot.store import Database, Record, Store, sweeping
from bot.store.admission import Bounds
from bot.store.lease import Lease, owner_of
from bot.store.migrate import upgrade
from bot.tasks import cancelled
from bot.vault import Vault
from bot.web import Web
from bot.workflow import Engine

log = structlog.get_logger()

TICK_EVERY = 1.0
FIRST_SWEEP = 60.0
"""Seconds after the start: one that restarts every hour has to sweep, too."""
SWEEP_EVERY = 3600.0
PRICE_EVERY = 3600.0
SETTLE = 3.0
"""Seconds that a stop waits for submits under way: their answers are worth money."""
WORKFLOWS_KEPT = timedelta(days=1)

Drawing = AbstractAsyncContextManager[Backend]


def backend_of(settings: Settings) -> Backend:
    """Raises BadSettings for an adapter that draws nothing."""
    made = adapter(settings.backend).connect()
    if not isinstance(made, Backend):
        raise BadSettings(f"EASEL_BACKEND: “{settings.backend}” draws no pictures; Easel has wavespeed.")
    return made


def platform_of(name: str) -> Platform:
    """Raises BadSettings for an adapter that nobody can chat on."""
    made = adapter(name).connect()
    if not isinstance(made, Platform):
        raise BadSettings(f"EASEL_PLATFORMS: “{name}” is no chat platform; Easel has {chats()}.")
    return made


def read_all(*, chat: bool = True, draws: bool = True) -> Settings:
    """Easel's settings, once those of the adapters that it uses are found good, too.

    Raises BadSettings with the problems of them all in one message. `chat` False: no chat platform is used; `draws`
    False: not the image API either.
    """
    problems: list[str] = []
    settings: Settings | None = None
    try:
        settings = read(Settings)[0]
        names = ((settings.backend,) if draws else ()) + (platforms(settings) if chat else ())
    except BadSettings as error:
        problems += str(error).splitlines()[1:]
        names = _named(chat=chat)[0 if draws else 1 :]
    for name in names:
        try:
            read(adapter(name).settings_kind())
        except BadSettings as error:
            problems += str(error).splitlines()[1:] or [f"  {error}"]
    if problems or settings is None:
        raise BadSettings("\n".join(["These settings need a change:", *problems]))
    return settings


def _named(*, chat: bool) -> tuple[str, ...]:
    """The adapters that are probably meant, when Easel's own settings can't be read."""
    named = tuple(name.strip().lower() for name in raw("EASEL_PLATFORMS").split(",") if name.strip())
    return (raw("EASEL_BACKEND") or "wavespeed", *((named or usual_platforms()) if chat else ()))


@asynccontextmanager
async def opened(settings: Settings, backend: Backend, platforms: Sequence[Platform]) -> AsyncIterator[Easel]:
    """Easel at work, until the block ends: what runs then is left to the next start.

    The order matters: recovered work begins inside `launch`, and needs store, backend and the platforms' REST.
    """
    async with AsyncExitStack() as stack:
        several = settings.slots > 1
        stack.enter_context(folder.held(settings.data_dir, settings.slot if several else None))
        database = Database(settings.database, owner_of(settings.slot), run_lanes=1 if several else 2)
        stack.callback(database.close)
        await asyncio.to_thread(upgrade, database)
        await asyncio.to_thread(workflow.upgrade, settings.engine_database, settings.slots)
        await asyncio.to_thread(check_in_use, database)
        standing = await _stand(settings, database, frozenset(platform.name for platform in platforms), stack)
        bell = await stack.enter_async_context(Bell(database, alone=not several))
        gallery = Gallery(settings.data_dir)
        store = Store(database, gallery.pictures, standing.owner, bell if several else None)
        ledger = Ledger(database, standing.owner)
        await stack.enter_async_context(backend)
        alerts = Alerts(settings.alert_url.get_secret_value())
        stack.push_async_callback(alerts.close)
        pricing = Pricing(backend, store)
        life = Life(
            store=store,
            ledger=ledger,
            accounts=Accounts(time.time),
            backend=backend,
            gallery=gallery,
            answers=Answers(Policy(settings.nsfw, settings.unknown_nsfw), backend.capabilities.model),
            limits=limits_of(settings),
            pricing=pricing,
            durations=Durations(),
            brake=Brake(backend, alerts, pricing.plain),
            alerts=alerts,
            platforms={platform.name: platform for platform in platforms},
            embed_parameters=settings.embed_parameters,
            standing=standing,
        )
        common = _common(settings, life, database, standing, bell) if several else None
        if common is not None:
            life.spent = lambda: common.spent.surely
            await common.settle()  # before anything goes on
        engine, intake = _engine(settings, life, common)
        receives = settings.role != "worker"
        stack.enter_context(metrics.watching(life, intake, slots=settings.slots, receives=receives))
        life.announcer = await stack.enter_async_context(Announcer(intake.place, life.late, may=lambda: standing.sure))
        await _remember(life, several=several)
        vault = Vault(database, [key.get_secret_value() for key in settings.secret_key])
        easel = Easel(
            settings=settings,
            capabilities=backend.capabilities,
            library=Library.load(settings.lora_file),
            intake=intake,
            store=store,
            gallery=gallery,
            policy=life.answers.policy,
            answers=life.answers,
            bell=bell,
            present=lambda: standing.present,
        )
        for platform in platforms:
            stack.push_async_callback(platform.close)
            await _login(platform, vault)
            if isinstance(platform, Settles):
                await platform.move_in(easel)
        if settings.role == "gateway":
            await store.release()  # it may have had another role before
        else:
            await _go_on(intake, life, engine, stack, several=several)
        stack.push_async_callback(life.settle, SETTLE)
        stack.push_async_callback(intake.close)
        if isinstance(standing, Held):
            stack.callback(_leave, standing)
            _listen(standing, bell, intake, runs=settings.role != "gateway")
            standing.stays()
        intake.pump()
        async with background(
            life.brake.watch(),
            _refresh(life),
            _sweep(settings, database, life, engine),
            *([_tick(intake)] if isinstance(standing, Held) else []),
        ):
            yield easel


async def _login(platform: Platform, vault: Vault) -> None:
    """A platform that is down delays us; what it owes people is not given up."""
    for attempt in itertools.count(1):
        try:
            await platform.login(vault)
            return
        except Unreachable as error:
            wait = backoff(attempt, random.Random(), first=2.0, most=60.0)
            log.warning("platform does not answer", platform=platform.name, detail=error.detail, again_in=round(wait))
            await asyncio.sleep(wait)


async def _stand(settings: Settings, database: Database, serves: frozenset[str], stack: AsyncExitStack) -> Standing:
    """On Postgres our slot, held until the stack ends."""
    if database.is_sqlite:
        return Alone()
    lease = Lease(database, settings.slot, settings.slots, settings.role, settings.adopt_after, serves)
    return await stack.enter_async_context(Held(lease))


def _common(settings: Settings, life: Life, database: Database, standing: Standing, bell: Bell) -> Common:
    assert isinstance(standing, Held)
    bounds = Bounds(settings.limit_per_person, life.backend.pictures_at_once, life.backend.pictures_per_minute)
    runs = settings.role != "gateway"
    return Common(database, standing, bell, life.ledger, life.limits, bounds, runs)


async def _go_on(intake: Intake, life: Life, engine: Engine, stack: AsyncExitStack, *, several: bool) -> None:
    """With everything that was open when we stopped."""
    if not several:
        await life.store.own()
    left = await life.store.open()
    _take_back(intake, life, left)
    engine.launch()
    stack.push_async_callback(engine.close)
    await _mend(intake, engine, left, await engine.under_way())


def _listen(standing: Held, bell: Bell, intake: Intake, *, runs: bool) -> None:
    """To our peers, and after them."""
    if runs:
        standing.draws(now=True)
        standing.adopts(intake.take)
        bell.on("place", lambda _: intake.pump())
        bell.on("job", lambda _: intake.wake())
        bell.on("cancelled", intake.hear_cancelled)
        bell.on_missed(intake.hear_missed)


def _leave(standing: Held) -> None:
    """What we let in from now on, or took over, we would not go on with."""
    standing.draws(now=False)
    standing.adopts(None)


def _engine(settings: Settings, life: Life, common: Common | None) -> tuple[Engine, Intake]:
    def over(job_id: str) -> None:
        intake.over(job_id)

    async def mend(left: Sequence[Record]) -> None:
        await _mend(intake, engine, left, engine.here())

    engine = Engine(life, settings.engine_database, settings.slot, over)
    at_once = life.backend.pictures_at_once
    intake = Intake(
        life,
        gate=Gate(settings.limit_per_person, at_once),
        limits=life.limits,
        at_once=at_once,
        run=engine.start,
        redeliver=engine.start_redelivery,
        mend=mend,
        common=common,
    )
    return engine, intake


def limits_of(settings: Settings) -> Limits:
    return Limits(settings.limit_per_person, settings.queue_per_person, settings.limit_per_day, settings.budget_per_day)


async def _remember(life: Life, *, several: bool) -> None:
    """Fill what is decided from memory."""
    await life.pricing.remember()
    if not several:  # else what peers give back would stay charged here
        life.accounts.refill(await life.ledger.counted())
    for kind, seconds in await life.store.durations():
        life.durations.learn(kind, seconds)


def _take_back(intake: Intake, life: Life, left: Sequence[Record]) -> None:
    """Everything that was open when we stopped, with its visible message."""
    for record in left:
        intake.resume(record, life.reopen(record.job), inside=record.began)
    if left:
        log.info("resuming", jobs=len(left))


async def _mend(intake: Intake, engine: Engine, left: Sequence[Record], under_way: Collection[str]) -> None:
    """What a crash left, here or elsewhere: jobs that began, and that our engine does not run."""
    for record in left:
        if not record.began or record.job.id in under_way:
            continue
        if record.outcome is not None:  # its run is over, its answer is not out
            intake.over(record.job.id)
            await engine.start_redelivery(record.job.id)
        else:
            await engine.start_again(record.job.id)


async def _refresh(life: Life) -> None:
    while True:
        try:
            await life.pricing.refresh()
        except Exception:  # tried again in an hour
            log.exception("price not refreshed")
        await asyncio.sleep(PRICE_EVERY)


async def _tick(intake: Intake) -> None:
    while True:
        try:
            await intake.tick()
        except Exception:  # the database is away: once more in a second
            log.exception("tick failed")
        await asyncio.sleep(TICK_EVERY)


async def _sweep(settings: Settings, database: Database, life: Life, engine: Engine) -> None:
    days = max(settings.jobs_days, settings.pictures_days)  # a picture that is there can be shown

    async def files() -> int:
        return await life.gallery.sweep(days=settings.pictures_days, most_bytes=settings.pictures_max_gb * 1e9)

    brooms: dict[str, Callable[[], Awaitable[object]]] = {
        "files": files,
        "rows": lambda: sweeping.sweep(database, jobs_days=days),
    }
    if settings.role != "gateway":  # its engine is not at work
        brooms["workflows"] = lambda: engine.sweep(WORKFLOWS_KEPT)
    brooms |= {name: platform.sweep for name, platform in life.platforms.items() if isinstance(platform, Sweeps)}
    wait = FIRST_SWEEP
    while True:
        await asyncio.sleep(wait)
        wait = SWEEP_EVERY
        log.info("swept", **{name: await _swept(name, broom) for name, broom in brooms.items()})


async def _swept(name: str, broom: Callable[[], Awaitable[object]]) -> str:
    """One that breaks holds up no other, and is tried again in an hour."""
    try:
        return str(await broom())
    except Exception:
        log.exception("sweep failed", what=name)
        return "failed"


@asynccontextmanager
async def background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the block, and cancel them at its end."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        await cancelled(tasks)


async def serve(
    settings: Settings,
    names: Sequence[str],
    backend: Drawing | None = None,
    ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Run the bot on these platforms until SIGTERM or SIGINT; a second signal ends it at once.

    `backend` takes the place of the one in the settings; `ready` is told the HTTP port's address once all of them serve.
    """
    stop, started = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(_serve(settings, names, backend, ready, stop, started))

    def asked() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if not started.is_set():  # it may wait for a platform that is down
            running.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    try:
        await running
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    log.info("stopped")


async def _serve(
    settings: Settings,
    names: Sequence[str],
    drawing: Drawing | None,
    ready: Callable[[str], None],
    stop: asyncio.Event,
    started: asyncio.Event,
) -> None:
    chats = [platform_of(name) for name in names]
    serving: set[asyncio.Task[None]] = set()
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(drawing or contextlib.nullcontext(backend_of(settings)))
        easel = await stack.enter_async_context(opened(settings, backend, chats))
        receiving = [] if settings.role == "worker" else chats
        server = await stack.enter_async_context(_web(settings, easel, receiving))
        log.info("started", platforms=",".join(names), http=server.address, slot=settings.slot, role=settings.role)
        started.set()
        _settle_memory()
        serving = {asyncio.create_task(platform.serve(easel)) for platform in receiving}
        async with background(_tell_when_ready(receiving, lambda: ready(server.address))):
            await _first(stop, serving)
        log.info("stopping")
        await asyncio.gather(*(platform.stop_taking() for platform in receiving))
    await asyncio.gather(*serving, return_exceptions=True)


async def _tell_when_ready(chats: Sequence[Platform], tell: Callable[[], None]) -> None:
    while not all(platform.ready for platform in chats):  # noqa: ASYNC110 - once, at the start
        await asyncio.sleep(0.05)
    tell()


def _web(settings: Settings, easel: Easel, chats: Sequence[Platform]) -> Web:
    checks = {"database": _alive(easel), **{platform.name: _readiness(platform) for platform in chats}}
    routes = [Route("GET", "/metrics", _metrics), *itertools.chain(*(platform.routes() for platform in chats))]
    token = settings.web_token.get_secret_value() if settings.open_to_others else None
    return Web(settings.http_host, settings.http_port, checks, routes, token=token)


async def _metrics(_request: web.Request) -> web.Response:
    page, kind = metrics.page()
    return web.Response(body=page, headers={"Content-Type": kind})


def _settle_memory() -> None:
    """What was made so far lives for good: keep the collector from walking it, which takes 0.2 s each time."""
    gc.collect()
    gc.freeze()


async def _first(stop: asyncio.Event, serving: set[asyncio.Task[None]]) -> None:
    """Wait until we are asked to stop. A platform that can't serve any more ends us, with its reason."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopping, *serving}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done & serving:
        task.result()


def _readiness(platform: Platform) -> Check:
    async def ready() -> bool:
        return platform.ready

    return ready


def _alive(easel: Easel) -> Check:
    async def alive() -> bool:
        await easel.store.fact("alive")
        return True

    return alive
