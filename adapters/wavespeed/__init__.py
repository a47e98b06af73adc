"""The WaveSpeedAI API, as a `bot.ports.Backend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.wavespeed.client import Client
    from adapters.wavespeed.settings import WaveSpeedSettings


def connect(settings: WaveSpeedSettings | None = None) -> Client:
    """Make the backend; it reaches out only once it is opened with `async with`.

    Reads `WAVESPEED_*` from the environment when no settings are given. Raises BadSettings for those that make no sense.
    """
    from adapters.wavespeed.client import Client
    from adapters.wavespeed.settings import WaveSpeedSettings
    from bot.settings import read

    return Client(settings or read(WaveSpeedSettings)[0])
