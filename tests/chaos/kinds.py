"""Every kind of fault that a run can be made of."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace

from tests.chaos import apis, chats, databases, kills, mixed, peers
from tests.chaos.world import World

Fault = Callable[[World], Coroutine[None, None, None]]

SQLITE, POSTGRES = "sqlite", "postgres"
DISCORD, SLACK, BOTH = ("discord",), ("slack",), ("discord", "slack")
ON_DISCORD, ON_SLACK = (DISCORD, BOTH), (SLACK, BOTH)


@dataclass(frozen=True, slots=True)
class Kind:
    """`faults` come one after the other, and people ask during each. `chats` are the choices of platforms. `patience` is the seconds from the last command on in which all jobs end.

    `gateways` of the `slots` only receive, and the others only draw; 0: all do both. `weight` is its share among the runs.
    `may_end`: a process may end by itself, e.g. one that starts while the database is away.
    """

    name: str
    faults: tuple[Fault, ...]
    databases: tuple[str, ...] = (SQLITE, POSTGRES)
    chats: tuple[tuple[str, ...], ...] = (DISCORD, SLACK, BOTH)
    slots: int = 1
    gateways: int = 0
    patience: float = 90.0
    weight: int = 1
    may_end: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def _by_three(kind: Kind) -> Kind:
    """The same with three processes."""
    return replace(kind, name=f"{kind.name}-3", databases=(POSTGRES,), slots=3, weight=1)


BY_ONE = (
    Kind("kill", (kills.at_random,), weight=3),
    Kind("kill-starting", (kills.while_starting,)),
    Kind("kill-boundary", (kills.at_a_boundary,), weight=3),
    Kind("kill-in-post", (kills.inside_the_post,), weight=2),
    Kind("stop", (kills.stop_and_start,)),
    Kind("api-down", (apis.down,)),
    Kind("api-slow", (apis.slow,)),
    Kind("api-429", (apis.too_many,), patience=150.0),
    Kind("api-answers-lost", (apis.answers_lost,), weight=2),
    Kind("api-submits-lost", (apis.submits_lost,)),
    Kind("discord-down", (chats.discord_down,), chats=ON_DISCORD),
    Kind("discord-down-kill", (chats.discord_down_and_killed,), chats=ON_DISCORD),
    Kind("discord-429", (chats.discord_too_many,), chats=ON_DISCORD),
    Kind("discord-answers-lost", (chats.discord_loses_answers,), chats=ON_DISCORD),
    Kind("discord-cuts", (chats.discord_cuts,), chats=ON_DISCORD),
    Kind("slack-down", (chats.slack_down,), chats=ON_SLACK),
    Kind("slack-down-kill", (chats.slack_down_and_killed,), chats=ON_SLACK),
    Kind("slack-429", (chats.slack_too_many,), chats=ON_SLACK),
    Kind("slack-answers-lost", (chats.slack_loses_answers,), chats=ON_SLACK, patience=150.0),
    Kind("slack-cuts", (chats.slack_cuts,), chats=ON_SLACK),
    Kind("postgres-restart", (databases.restarted,), databases=(POSTGRES,)),
    Kind("postgres-crash", (databases.crashed,), databases=(POSTGRES,)),
    Kind("postgres-crash-kill", (databases.crashed_with_us,), databases=(POSTGRES,), may_end=True),
    Kind("postgres-cuts", (databases.cut,), databases=(POSTGRES,)),
    Kind("sqlite-locked", (databases.locked,), databases=(SQLITE,)),
)
"""What befalls the API, the chats, the database, or one process."""

KINDS = {
    kind.name: kind
    for kind in (
        *BY_ONE,
        Kind("mixed", (mixed.at_once,), weight=4, patience=150.0, may_end=True),
        *(_by_three(kind) for kind in BY_ONE if POSTGRES in kind.databases),
        *(
            Kind(
                f"{name}-{slots}",
                (fault,),
                databases=(POSTGRES,),
                chats=(DISCORD, DISCORD, BOTH),
                slots=slots,
                weight=weight,
                may_end=fault is peers.mixed,
            )
            for slots in (2, 3)
            for name, fault, weight in (
                ("peer-kill", peers.killed, 2),
                ("peer-gone", peers.killed_for_good, 2),
                ("peer-boundary", peers.killed_at_a_boundary, 2),
                ("peer-frozen", peers.frozen, 2),
                ("peer-pauses", peers.frozen_for_a_moment, 1),
                ("peer-cut-off", peers.cut_off, 1),
                ("rolling", peers.rolling, 2),
                ("peers-mixed", peers.mixed, 3),
            )
        ),
        *(
            Kind(name, (fault,), databases=(POSTGRES,), slots=3, gateways=1, weight=2)
            for name, fault in (
                ("roles-kill", peers.killed),
                ("roles-gone", peers.killed_for_good),
                ("roles-frozen", peers.frozen),
            )
        ),
    )
}


def together(*names: str) -> Kind:
    """One run of several kinds' faults, where all of them can be."""
    found = [KINDS[name] for name in names]
    return Kind(
        " ".join(names),
        tuple(fault for kind in found for fault in kind.faults),
        chats=tuple(chats for chats in (DISCORD, SLACK, BOTH) if all(chats in kind.chats for kind in found)),
        slots=max(kind.slots for kind in found),
        gateways=max(kind.gateways for kind in found),
        patience=max(kind.patience for kind in found),
        may_end=any(kind.may_end for kind in found),
    )
