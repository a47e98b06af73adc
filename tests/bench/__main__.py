"""`make bench` prints one table: what was measured here, now, beside what is to be reached.

`python -m tests.bench NAME …` runs only the named parts.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

import uvloop

from tests.bench import heart, web
from tests.bench.slack import both, burst
from tests.bench.world import Figures, percentile, world

PLAIN = {"one_picture": True, "picture": "jpeg"}


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    measured: str
    target: str
    reached: bool | None = None


def ms(value: float) -> str:
    return f"{value * 1000:.0f} ms"


def bound(what: str, value: float, most: float, unit: str, digits: int = 1) -> Row:
    return Row(what, f"{value:.{digits}f} {unit}", f"≤ {most:g} {unit}", value <= most)


def common(figures: Figures) -> list[Row]:
    return [
        Row("Discord requests per job", f"{figures.requests / figures.jobs:.1f}", ""),
        Row("polls per job", f"{figures.polls_per_job:.1f}", ""),
    ]


async def alone() -> list[Row]:
    """One command at a time, once the usual time is learnt from 24 jobs."""
    async with world(simulator={"seconds": 3.0, **PLAIN}) as here:
        ready = here.ready
        await here.burst(24)
        found = [await here.burst(1) for _ in range(20)]
    acknowledged = [one.acknowledged[0] for one in found]
    submitted = [one.submitted[0] for one in found]
    posted = [one.posted[0] for one in found]
    polls = [one.polls[0] for one in found]
    return [
        bound("ready after start", ready, 3, "s"),
        bound("acknowledged p99", percentile(acknowledged, 99) * 1000, 20, "ms"),
        bound("acknowledgement → submit p99", percentile(submitted, 99) * 1000, 100, "ms"),
        bound("end at the API → posted p50", statistics.median(posted), 0.5, "s", 2),
        Row("end at the API → posted p99", f"{percentile(posted, 99):.2f} s", ""),
        bound("polls per job", statistics.fmean(polls), 3, ""),
    ]


async def two_hundred() -> list[Row]:
    return await burst_of_200(learnt=False)


async def two_hundred_learnt() -> list[Row]:
    return await burst_of_200(learnt=True)


async def burst_of_200(*, learnt: bool) -> list[Row]:
    async with world(simulator={"seconds": 3.0, **PLAIN}) as here:
        if learnt:
            await here.burst(24)
        figures = await here.burst(200)
    return [
        Row("acknowledged p50", ms(percentile(figures.acknowledged, 50)), ""),
        bound("acknowledged p99", percentile(figures.acknowledged, 99), 0.1, "s", 3),
        Row("acknowledgement → submit p50", ms(percentile(figures.submitted, 50)), ""),
        bound("acknowledgement → submit p99", percentile(figures.submitted, 99), 2, "s", 2),
        Row("end at the API → posted p50", ms(percentile(figures.posted, 50)), ""),
        bound("end at the API → posted p99", percentile(figures.posted, 99), 2, "s", 2),
        bound("CPU per job", figures.cpu_per_job, 15, "ms"),
        *([] if learnt else [bound("memory idle", figures.idle, 120, "MB", 0)]),
        bound("memory at the peak", figures.peak, 142, "MB", 0),
        *common(figures),
    ]


async def a_thousand() -> list[Row]:
    async with world(simulator={"seconds": 3.0, **PLAIN}) as here:
        figures = await here.burst(1000)
    return [
        Row(
            "acknowledged p50 / p99",
            f"{ms(percentile(figures.acknowledged, 50))} / {ms(percentile(figures.acknowledged, 99))}",
            "",
        ),
        Row(
            "ack → submit p50 / p99",
            f"{percentile(figures.submitted, 50):.1f} / {percentile(figures.submitted, 99):.1f} s",
            "",
        ),
        Row(
            "end → posted p50 / p99",
            f"{percentile(figures.posted, 50):.2f} / {percentile(figures.posted, 99):.2f} s",
            "",
        ),
        Row("jobs per second, first command to last picture", f"{figures.jobs / figures.seconds:.0f}", ""),
        Row("CPU per job", f"{figures.cpu_per_job:.1f} ms", ""),
        Row("memory at the peak", f"{figures.peak:.0f} MB", ""),
        *common(figures),
    ]


async def sustained() -> list[Row]:
    """Thirty commands a second for twenty seconds; Discord counts as it does: 50 a second with the bot's token."""
    async with world(discord={"global_limit": 50, "route_limits": False}, simulator={"seconds": 3.0, **PLAIN}) as here:
        figures = await here.burst(600, per_second=30)
        limited = here.discord.limited
    rate = (figures.jobs - 1) / figures.posting
    return [
        Row("jobs per second, first picture to last", f"{rate:.1f}", "≥ 25", rate >= 25),
        Row("end at the API → posted p99", f"{percentile(figures.posted, 99):.2f} s", ""),
        Row("CPU of a core", f"{figures.cpu / figures.seconds * 100:.0f} %", ""),
        Row("answers 429", str(limited), ""),
        *common(figures),
    ]


async def large(base64: bool) -> list[Row]:
    simulator = {"seconds": 3.0, "one_picture": True, "picture": "jpeg", "picture_bytes": 3_000_000}
    async with world(simulator=simulator, WAVESPEED_BASE64=str(base64).lower()) as here:
        figures = await here.burst(100)
    return [
        bound("memory at the peak", figures.peak, 300, "MB", 0),
        Row("CPU per job", f"{figures.cpu_per_job:.1f} ms", ""),
    ]


async def by_url() -> list[Row]:
    return await large(base64=False)


async def inline() -> list[Row]:
    return await large(base64=True)


async def twenty_seconds() -> list[Row]:
    async with world(simulator={"seconds": 20.0, "spread": 0.0, **PLAIN}) as here:
        asked = await here.ask()
        message = await asked.until(lambda message: message.pictures, 60)
        assert asked.ack is not None
        moments = [asked.ack.at, *(edit.at for edit in message.history)]
        polls = here.simulator.polls.total()
    silent = max(after - before for before, after in pairwise(moments))
    return [bound("longest silence", silent, 6, "s"), bound("polls", polls, 6, "", 0)]


async def waiting() -> list[Row]:
    """A thousand jobs that wait for an account that draws one picture at a time."""
    async with world(simulator={"seconds": 600.0, **PLAIN}, WAVESPEED_CONCURRENCY="1") as here:
        asked = [await here.ask() for _ in range(1001)]
        await asyncio.gather(*(one.until(lambda message: not message.thinking, 180) for one in asked))
        await asyncio.sleep(5)
        cpu, start = here.cpu(), here.discord.clock()
        await asyncio.sleep(20)
        share = (here.cpu() - cpu) / (here.discord.clock() - start) * 100
        memory = here.memory()
    return [bound("of a core", share, 10, "%"), Row("memory", f"{memory:.0f} MB", "")]


async def slack() -> list[Row]:
    """Without Slack's rate tiers, which would be what is measured."""
    async with both(limits=False) as (here, server):
        found = await burst(here, server, timeout=120)
    return [
        Row("acknowledged", f"{len(found.acknowledged)} of 200", "all", len(found.acknowledged) == 200),
        Row("acknowledged p50", ms(percentile(found.acknowledged, 50)), ""),
        bound("acknowledged p99", percentile(found.acknowledged, 99), 0.5, "s", 3),
        Row("end at the API → posted p50", ms(percentile(found.posted, 50)), ""),
        Row("end at the API → posted p99", ms(percentile(found.posted, 99)), ""),
        Row("CPU per job", f"{found.cpu_per_job:.1f} ms", ""),
        bound("memory idle, both platforms", found.idle, 140, "MB", 0),
        Row("Slack requests per job", f"{found.requests:.1f}", ""),
    ]


async def slack_held() -> list[Row]:
    async with both(limits=True) as (here, server):
        found = await burst(here, server, timeout=400)
    return [
        Row("acknowledged", f"{len(found.acknowledged)} of 200", "all", len(found.acknowledged) == 200),
        bound("acknowledged p99", percentile(found.acknowledged, 99), 0.5, "s", 3),
        Row("first command → last picture", f"{found.last:.0f} s", ""),
        Row("answers 429", f"{found.refused}", ""),
        Row("Slack requests per job", f"{found.requests:.1f}", ""),
    ]


async def playground() -> list[Row]:
    found = await web.figures()
    return [
        bound("start → page usable", found.usable, 3, "s", 2),
        bound("page weight before pictures", found.weight, 150, "KB", 0),
        bound("acknowledged p99", percentile(found.acknowledged, 99) * 1000, 50, "ms", 0),
        bound(f"acknowledged p99, {web.WINDOWS} windows open", percentile(found.crowded, 99) * 1000, 50, "ms", 0),
        Row("memory idle", f"{found.idle:.0f} MB", ""),
        Row(f"memory with {web.WINDOWS} windows", f"{found.with_windows:.0f} MB", ""),
    ]


async def on_the_heart(ground: heart.Ground) -> list[Row]:
    full, paced = await heart.saturated(ground), await heart.paced(ground)
    rate, p99 = heart.median(full, lambda one: one.per_second), percentile(paced.submitted, 99) * 1000
    return [
        Row("others' share of a core meanwhile", f"{heart.median(full, lambda one: one.others / one.seconds):.0%}", ""),
        Row("jobs per second, accepted to closed", f"{rate:.0f}", "≥ 100", rate >= 100),
        Row("  slowest and fastest run", f"{full[0].per_second:.0f} to {full[-1].per_second:.0f}", ""),
        Row("CPU per job, ours", f"{heart.median(full, lambda one: one.cpu / one.closed) * 1000:.1f} ms", ""),
        Row("where ours goes", _shares(full[len(full) // 2].parts), ""),
        Row(
            "CPU per job, the server's", f"{heart.median(full, lambda one: one.server / one.closed) * 1000:.1f} ms", ""
        ),
        Row("asked → submit p50 at 10 jobs/s", ms(percentile(paced.submitted, 50)), ""),
        bound("asked → submit p99 at 10 jobs/s", p99, 200, "ms", 0),
        *[row for jobs in (1000, 5000) for row in rows_of(jobs, await heart.waiting(ground, jobs))],
    ]


def _shares(parts: dict[str, float]) -> str:
    return ", ".join(f"{part} {share:.0%}" for part, share in parts.items() if share >= 0.03)


def rows_of(jobs: int, waiting: heart.Measured) -> list[Row]:
    return [
        bound(f"memory, {jobs:,} waiting", waiting.memory, 200, "MB", 0),
        bound(f"of a core, {jobs:,} waiting", waiting.share * 100, 10, "%"),
        Row("  of a core, the server", f"{waiting.server / waiting.seconds * 100:.1f} %", ""),
    ]


async def heart_sqlite() -> list[Row]:
    with heart.on_sqlite() as ground:
        return await on_the_heart(ground)


def heart_postgres(processes: int) -> Callable[[], Awaitable[list[Row]]]:
    async def run() -> list[Row]:
        with heart.on_postgres(processes) as ground:
            return await on_the_heart(ground)

    return run


PARTS: dict[str, tuple[str, Callable[[], Awaitable[list[Row]]]]] = {
    "alone": ("alone, 3-s jobs ± 20 %", alone),
    "200": ("200 at once, 3-s jobs ± 20 %, nothing learnt", two_hundred),
    "200-learnt": ("200 at once, 3-s jobs ± 20 %, the usual time learnt", two_hundred_learnt),
    "1000": ("1,000 at once, 3-s jobs", a_thousand),
    "sustained": ("30 commands/s, Discord's 50 requests/s held", sustained),
    "url": ("100 × 3 MB by address", by_url),
    "base64": ("100 × 3 MB inline", inline),
    "20s": ("one 20-s job, nothing learnt", twenty_seconds),
    "slack": ("Slack: 200 at once in 20 channels, Discord beside it", slack),
    "slack-held": ("the same, Slack's rate tiers held", slack_held),
    "playground": ("the playground", playground),
    "waiting": ("1,000 waiting jobs", waiting),
    "heart-sqlite": ("the heart alone, SQLite", heart_sqlite),
    "heart-postgres-1": ("the heart alone, Postgres", heart_postgres(1)),
    "heart-postgres-2": ("the heart alone, Postgres, 2 processes", heart_postgres(2)),
    "heart-postgres-3": ("the heart alone, Postgres, 3 processes", heart_postgres(3)),
}


async def main(names: list[str]) -> None:
    print(
        f"{platform.machine()}, Python {platform.python_version()}; tier ultra: 5,000 pictures at once, 32 submit lanes;"
    )
    print("the simulator answers a POST after 50 ms; bot, Discord and simulator share this machine.\n")
    print(f"{'':46} {'measured':>16} {'to reach':>10}")
    for name in names or PARTS:
        title, run = PARTS[name]
        print(title, flush=True)
        for row in await run():
            mark = {True: "✓", False: "✗", None: ""}[row.reached]
            print(f"  {row.what:44} {row.measured:>16} {row.target:>10} {mark}", flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the stand-ins shall not be what is measured
        runner.run(main(sys.argv[1:]))
