"""The WaveSpeedAI API, as a `bot.ports.Backend`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.wavespeed.client import Client
    from adapters.wavespeed.settings import WaveSpeedSettings
    from bot.doctor import Check


def connect(settings: WaveSpeedSettings | None = None) -> Client:
    """Make the backend; it reaches out only once it is opened with `async with`.

    Reads `WAVESPEED_*` from the environment when no settings are given. Raises BadSettings for those that make no sense.
    """
    from adapters.wavespeed.client import Client
    from bot.settings import read

    return Client(settings or read(settings_kind())[0])


def settings_kind() -> type[WaveSpeedSettings]:
    """What the operator chooses for it."""
    from adapters.wavespeed.settings import WaveSpeedSettings

    return WaveSpeedSettings


async def diagnose() -> list[Check]:
    """What `doctor` says of the account: each thing looked at, and what was found or is to be done."""
    from adapters.wavespeed import checks
    from bot.settings import read

    return await checks.diagnose(read(settings_kind())[0])


@asynccontextmanager
async def simulated(seconds: float = 1.4) -> AsyncIterator[Client]:
    """A backend that costs nothing, at a simulator of its own, whatever `WAVESPEED_*` says."""
    from pydantic import SecretStr

    from adapters.wavespeed.client import Client
    from adapters.wavespeed.simulator import Simulator

    async with Simulator(seconds=seconds) as simulator:
        # model_construct reads no environment.
        yield Client(settings_kind().model_construct(api_key=SecretStr("simulated"), base_url=simulator.base_url))


async def simulate(port: int, seconds: float, ready: Callable[[str], None]) -> None:
    """Serve the simulator on this machine until cancelled; `ready` is told its address. Raises OSError."""
    from adapters.wavespeed.simulator import serve

    await serve(port=port, seconds=seconds, ready=ready)
