"""The operator is told when they have to act, once."""

import asyncio
import json

import pytest
from aiohttp import web

from bot.alerts import Alerts
from bot.brake import Brake
from bot.errors import CreditsExhausted
from tests.doubles.backend import PaintedBackend


async def test_an_alert_reaches_the_webhook_in_both_forms_and_is_not_repeated() -> None:
    got: list[dict[str, str]] = []

    async def receive(asked: web.Request) -> web.Response:
        got.append(json.loads(await asked.text()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    alerts = Alerts(f"http://127.0.0.1:{runner.addresses[0][1]}/hook")
    for _ in range(3):
        alerts.raise_("Credits", "the account is empty.")
    alerts.raise_("Key", "the key is refused.")
    await alerts.close()
    await runner.cleanup()
    assert sorted(body["content"] for body in got) == ["Easel: the account is empty.", "Easel: the key is refused."]
    assert all(body["text"] == body["content"] for body in got)


async def test_an_alert_that_cannot_be_delivered_disturbs_nobody() -> None:
    alerts = Alerts("http://127.0.0.1:9/hook")
    alerts.raise_("Credits", "the account is empty.")
    await alerts.close()


async def test_the_brake_is_released_when_the_account_works_again() -> None:
    backend = PaintedBackend()
    brake = Brake(backend, Alerts(""), lambda: 0.015, look_every=0.01)
    brake.pull(CreditsExhausted("empty"))
    backend.account.balance = 0.005  # what is left pays for no picture
    watching = asyncio.create_task(brake.watch())
    await asyncio.sleep(0.05)
    assert brake.reason is not None
    backend.account.balance = 5
    await asyncio.wait_for(brake.wait(), 2)
    brake.check()
    watching.cancel()


async def test_a_fault_does_not_end_the_one_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, calls = PaintedBackend(), []

    async def balance() -> float:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("nonsense")
        return 5.0

    monkeypatch.setattr(backend, "balance", balance)
    brake = Brake(backend, Alerts(""), lambda: 0.015, look_every=0.01)
    brake.pull(CreditsExhausted("empty"))
    watching = asyncio.create_task(brake.watch())
    await asyncio.wait_for(brake.wait(), 2)
    watching.cancel()
