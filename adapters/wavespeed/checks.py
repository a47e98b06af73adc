"""What `doctor` can tell of the WaveSpeedAI account; it reads only, and costs nothing."""

from __future__ import annotations

from adapters.wavespeed.client import Client
from adapters.wavespeed.settings import WaveSpeedSettings
from bot.doctor import Check
from bot.errors import EaselError, KeyRefused
from bot.images import ImageRequest, Size

USUAL = ImageRequest("a red fox", Size(1024, 1024), seed=1)
"""Whose price is asked."""


async def diagnose(settings: WaveSpeedSettings) -> list[Check]:
    """Never raises; what can't be looked at is not well and says so."""
    async with Client(settings) as client:
        checks = [_version(settings)]
        try:
            balance = await client.balance()
        except KeyRefused:
            advice = "WaveSpeedAI refuses it. Copy it anew from wavespeed.ai/accesskey → WAVESPEED_API_KEY."
            return [*checks, Check("WaveSpeedAI key", False, advice)]
        except EaselError as error:
            return [*checks, Check("WaveSpeedAI", False, f"No good answer from {settings.base_url}: {_why(error)}")]
        checks.append(Check("WaveSpeedAI key", True, "it is accepted"))
        try:
            price = await client.price(USUAL)
        except EaselError as error:
            return [*checks, _balance(balance, 0.0), Check("WaveSpeedAI price", False, _why(error))]
    what = f"{USUAL.size} in {USUAL.steps} steps"
    return [*checks, _balance(balance, price), Check("WaveSpeedAI price", True, f"${price:.3f} for {what}")]


def _why(error: EaselError) -> str:
    return f"{error} ({error.detail})" if error.detail else str(error)


def _balance(balance: float, price: float) -> Check:
    if balance <= price:
        advice = f"${balance:.2f} is left, which draws nothing. Top up at wavespeed.ai/billing."
        return Check("WaveSpeedAI balance", False, advice)
    enough = f", enough for about {balance / price:,.0f} pictures" if price else ""
    return Check("WaveSpeedAI balance", True, f"${balance:.2f}{enough}")


def _version(settings: WaveSpeedSettings) -> Check:
    pace = settings.pace
    return Check(
        "WaveSpeedAI API",
        True,
        f"{settings.api_version} at {settings.base_url}, tier {settings.tier}: "
        f"{pace.at_once} pictures at once, {pace.per_minute} a minute",
    )
