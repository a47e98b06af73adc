"""The playground at home: the page on a real port before the real heart, whose engine is one plain task a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from adapters.web.client import Web
from adapters.web.pages import Pages
from adapters.web.settings import WebSettings
from bot.accounts import Accounts
from bot.alerts import Alerts
from bot.announcer import Announcer
from bot.answers import Answers
from bot.bell import Bell
from bot.brake import Brake
from bot.easel import Easel
from bot.gate import Gate
from bot.guard import Limits, Policy
from bot.intake import Intake
from bot.ledger import Ledger
from bot.library import Library
from bot.life import Life
from bot.pacing import Durations
from bot.pictures import Gallery
from bot.pricing import Pricing
from bot.settings import Settings
from bot.store import Database, Record, Store
from bot.store.migrate import upgrade
from bot.vault import Vault
from bot.web import Web as Port
from tests.adapters.web.visitor import Visitor
from tests.doubles.backend import PaintedBackend

TOKEN = "the operator's own token"
PAGE = (
    '<!doctype html><title>{{ model }}</title>{% if simulated %}simulated{% endif %}<script src="{{ static("a.js") }}">'
)


def files(root: Path, script: str = "export const a = 1;") -> Path:
    """A page of two files."""
    for name, text in (("templates/page.html", PAGE), ("static/a.js", script), ("static/icon.svg", "<svg/>")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class Playground:
    """One start of Easel on `root`. Leaving the block is a kill: whatever runs is dropped where it stands.

    `serves` False: it only draws, and nobody reaches its page.
    """

    def __init__(
        self,
        root: Path,
        backend: PaintedBackend | None = None,
        *,
        policy: Policy | None = None,
        limits: Limits | None = None,
        limit_per_day: int = 500,
        serves: bool = True,
        **settings: Any,
    ) -> None:
        self.root = root
        self.backend = backend or PaintedBackend()
        self.settings = Settings(data_dir=root, http_port=0, _env_file=None, **settings)
        self.database = Database(self.settings.database)
        upgrade(self.database)
        gallery = Gallery(root)
        self.store, self.ledger = Store(self.database, gallery.pictures), Ledger(self.database, "house")
        self._serves = serves
        self._page = WebSettings(limit_per_day=limit_per_day, _env_file=None)
        self.platform = self.new_platform()
        self.alerts = Alerts("")
        rules = policy or Policy()
        self.limits = limits or Limits(per_person=3, queue_per_person=20, per_day=100, budget=10.0)
        self.life = Life(
            store=self.store,
            ledger=self.ledger,
            accounts=Accounts(time.time),
            backend=self.backend,
            gallery=gallery,
            answers=Answers(rules, self.backend.capabilities.model),
            limits=self.limits,
            pricing=Pricing(self.backend, self.store),
            durations=Durations(),
            brake=Brake(self.backend, self.alerts, lambda: 0.015),
            alerts=self.alerts,
            platforms={"web": self.platform},
            embed_parameters=True,
            look_for=0.05,
        )
        self.intake = Intake(
            self.life,
            gate=Gate(self.limits.per_person, self.backend.pictures_at_once),
            limits=self.limits,
            at_once=self.backend.pictures_at_once,
            run=self._run,
            redeliver=self._redeliver,
            mend=self._mend,
        )
        self.easel = Easel(
            settings=self.settings,
            capabilities=self.backend.capabilities,
            library=Library.load(None),
            intake=self.intake,
            store=self.store,
            gallery=gallery,
            policy=rules,
            answers=self.life.answers,
            bell=Bell(self.database),
        )
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._visitors: list[Visitor] = []
        self._serving: asyncio.Task[None] | None = None

    def new_platform(self) -> Web:
        return Web(self._page, self.settings, pages=Pages(files(self.root / "page")))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port.port}"

    async def __aenter__(self) -> Self:
        token = self.settings.web_token.get_secret_value() if self.settings.open_to_others else None
        self._port = Port(self.settings.http_host, 0, {}, self.platform.routes(), token=token)
        await self._port.__aenter__()
        self.life.announcer = await Announcer(self.intake.place, self.life.late).__aenter__()
        self.life.accounts.refill(await self.ledger.counted())
        await self.platform.login(Vault(self.database, ()))
        listening = asyncio.Event()
        self.easel.bell.on_missed(listening.set)
        await self.easel.bell.__aenter__()
        if self.easel.bell.shared:
            await listening.wait()
        await self.platform.move_in(self.easel)
        await self._resume()
        if self._serves:
            self._serving = asyncio.create_task(self.platform.serve(self.easel))
            while not self.platform.ready:
                await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for visitor in self._visitors:
            await visitor.close()
        await self.platform.stop_taking()
        await self.platform.close()
        if self._serving is not None:
            await self._serving
        await self.intake.close()
        for task in self._runs.values():
            task.cancel()
        await asyncio.gather(*self._runs.values(), return_exceptions=True)
        await self.life.announcer.__aexit__()
        await self._port.__aexit__()
        await self.easel.bell.__aexit__()
        await self.alerts.close()
        self.database.close()

    async def visitor(self, cookies: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Visitor:
        """Somebody who opens the page; with the cookies of an earlier visit, who they were."""
        visitor = Visitor(self.url, cookies, headers)
        self._visitors.append(visitor)
        await visitor.arrive()
        return visitor

    async def visitors(self, count: int) -> Sequence[Visitor]:
        return [await self.visitor() for _ in range(count)]

    async def _resume(self) -> None:
        for record in await self.store.open():
            reply = self.platform.reopen(record.job.address) if record.job.address else None
            self.intake.resume(record, reply, inside=record.began)
            await self._mend([record])

    async def _mend(self, left: Sequence[Record]) -> None:
        for record in left:
            if record.began:
                await self._run(record.job.id)

    async def _run(self, job_id: str) -> None:
        self._runs[job_id] = asyncio.create_task(self._live(job_id))

    async def _redeliver(self, job_id: str) -> None:
        self._runs[job_id + "+"] = asyncio.create_task(self.life.redeliver(job_id))

    async def _live(self, job_id: str) -> None:
        try:
            if not await self.life.live(job_id):
                await self._redeliver(job_id)
        finally:
            self.intake.over(job_id)
