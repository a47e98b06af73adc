"""Every kind of fault that a run can be made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos import kills
from tests.chaos.world import World

Fault = Callable[[World], Awaitable[None]]

SQLITE, POSTGRES = "sqlite", "postgres"
DISCORD, SLACK, BOTH = ("discord",), ("slack",), ("discord", "slack")


@dataclass(frozen=True, slots=True)
class Kind:
    """`chats` are the choices of platforms. `patience` is the seconds from the last command on in which all jobs end.

    `weight` is its share among the runs.
    """

    name: str
    fault: Fault
    databases: tuple[str, ...] = (SQLITE, POSTGRES)
    chats: tuple[tuple[str, ...], ...] = (DISCORD, SLACK, BOTH)
    slots: int = 1
    patience: float = 90.0
    weight: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("kill", kills.at_random, weight=3),
        Kind("kill-starting", kills.while_starting),
        Kind("kill-boundary", kills.at_a_boundary, weight=3),
        Kind("kill-in-post", kills.inside_the_post, weight=2),
        Kind("stop", kills.stop_and_start),
    )
}
