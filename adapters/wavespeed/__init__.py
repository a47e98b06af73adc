"""The WaveSpeedAI API, as a `bot.ports.Backend`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

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
async def simulated(seconds: float = 1.4, memory: Path | None = None) -> AsyncIterator[Client]:
    """A backend that costs nothing, at a simulator of its own, whatever `WAVESPEED_*` says.

    With `memory`, a file, that simulator outlives us: the next one goes on with what this one accepted. Raises OSError
    when it can't be opened.
    """
    from pydantic import SecretStr

    from adapters.wavespeed.client import Client
    from adapters.wavespeed.simulator import Simulator

    # PNGs, since they carry their parameters: who tries things out finds that, too.
    async with Simulator(seconds=seconds, memory=memory, picture="png") as simulator:
        # model_construct reads no environment.
        settings = settings_kind().model_construct(api_key=SecretStr("simulated"), base_url=simulator.base_url)
        yield Client(settings, simulated=True)


def stand_in(data_dir: Path) -> AbstractAsyncContextManager[Client] | None:
    """What draws for who has no key yet: a simulator that remembers its work in `data_dir`; None where there is a key."""
    from bot.settings import raw

    if raw("WAVESPEED_API_KEY"):
        return None
    data_dir.mkdir(parents=True, exist_ok=True)
    return simulated(memory=data_dir / "simulator.sqlite")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`simulate`: the simulator by itself."""
    found = commands.add_parser("simulate", help="serve a simulated image API that costs nothing")
    found.add_argument("--port", type=int, default=8041, help="8041 if not given; 0 takes a free one")
    found.add_argument("--seconds", type=float, default=6.0, help="how long a picture takes, about")
    found.set_defaults(run=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    import asyncio
    import contextlib
    import signal

    def ready(address: str) -> None:
        print(f"A simulated WaveSpeedAI API answers at {address} and charges nothing. Ctrl-C ends it.")  # noqa: T201
        print(f"To draw with it:  WAVESPEED_BASE_URL={address} WAVESPEED_API_KEY=any make run", flush=True)  # noqa: T201

    async def until_asked() -> None:
        serving = asyncio.create_task(simulate(arguments.port, arguments.seconds, ready))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        await serving

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(until_asked())
    return 0


async def simulate(port: int, seconds: float, ready: Callable[[str], None]) -> None:
    """Serve the simulator on this machine until cancelled; `ready` is told its address. Raises OSError."""
    from adapters.wavespeed.simulator import serve

    await serve(port=port, seconds=seconds, ready=ready)
