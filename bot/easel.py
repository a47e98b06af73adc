"""What a command may use, in one value: handed to every platform when it starts to serve."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.images import Capabilities

if TYPE_CHECKING:
    from bot.answers import Answers
    from bot.bell import Bell
    from bot.guard import Policy
    from bot.intake import Intake
    from bot.library import Library
    from bot.pictures import Gallery
    from bot.settings import Settings
    from bot.store import Store


@dataclass(frozen=True, slots=True)
class Easel:
    settings: Settings
    capabilities: Capabilities
    library: Library
    """LoRAs by name."""
    intake: Intake
    """Takes work in, cancels it, knows the queue."""
    store: Store
    """What is remembered of jobs and pictures."""
    gallery: Gallery
    """The pictures and sources on disk."""
    policy: Policy
    """Where a flagged picture may show."""
    answers: Answers
    """The visible answers of jobs that are over."""
    bell: Bell
    """Word between processes that share one Postgres."""
    present: Callable[[], Collection[int]] = lambda: (0,)
    """Which slots of these processes are there by now, ours too."""
