"""Runs the real bot, and kills it with SIGKILL at one chosen line: `python -m tests.scenarios.fatal "after Ledger.intend" run`.

The process is the one that `python -m bot` starts; only the named method is wrapped, so nothing in the bot knows of it.
"after Ledger.intend 7" lets six calls pass.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

PLACES = {
    "Store": "bot.store",
    "Ledger": "bot.ledger",
    "Life": "bot.life",
    "Client": "adapters.wavespeed.client",
    "DiscordReply": "adapters.discord.reply",
    "SlackReply": "adapters.slack.reply",
    "Api": "adapters.slack.api",
    "Wires": "adapters.slack.wires",
}

LIFE = [
    "after Store.accept",
    "before Ledger.intend",
    "after Ledger.intend",
    "after Ledger.begin_post",
    "after Client.submit",
    "after Ledger.submitted",
    "before Life.follow",
    "before Store.ended",
    "after Store.ended",
    "after Store.closed",
]
"""The step boundaries of a job, wherever it was asked for; the next ones are those of its messages."""
DISCORD = ["before DiscordReply.close", "after DiscordReply.close"]
SLACK = [
    # the first message
    "before Wires.post",
    "after Wires.post",
    # the end
    "before SlackReply.close",
    "before Api.send_file",  # its address is taken
    "after Api.send_file",
    "before SlackReply._kept",
    "after SlackReply._kept",
    "after SlackReply._complete",
    "before SlackReply._remove_progress",
    "after SlackReply.close",
]


def arm(point: str) -> None:
    """`point` is "before Class.method" or "after Class.method", and perhaps which call of it."""
    when, target, *nth = point.split(" ")
    owner_name, method = target.split(".")
    owner = getattr(importlib.import_module(PLACES[owner_name]), owner_name)
    setattr(owner, method, _fatal(getattr(owner, method), when, int(*nth) or 1))


def _fatal(real: Callable[..., Any], when: str, nth: int) -> Callable[..., Any]:
    calls = itertools.count(1)

    @functools.wraps(real)
    async def wrapped(*args: Any, **more: Any) -> Any:
        fatal = next(calls) == nth
        if fatal and when == "before":
            die()
        answer = await real(*args, **more)
        if fatal:
            die()
        return answer

    return wrapped


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    arm(sys.argv.pop(1))
    from bot.__main__ import main

    main()
