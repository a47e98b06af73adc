"""What `/metrics` tells: every job once, in plain numbers, and nobody's words."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot import __version__, metrics
from bot.errors import GenerationFailed, KeyRefused
from bot.images import ImageRequest
from bot.jobs import Cancelled, Failed, Finished, Uncertain
from tests.bot.house import LIMITS, House
from tests.bot.making import ANNA, BEN, request
from tests.doubles.backend import Account, Fate, PaintedBackend
from tests.doubles.scrape import Growth, samples, value

ENDED = "easel_jobs_ended_total"


@pytest.fixture
def growth() -> Growth:
    return Growth()


async def test_a_finished_job_is_counted_once_from_end_to_end(tmp_path: Path, growth: Growth) -> None:
    async with House(tmp_path, PaintedBackend(seconds=0.05)) as house:
        job, _ = await house.ask(request(count=2), key="the-same")
        await house.over(job)
        await house.ask(request(count=2), key="the-same")
    assert growth("easel_jobs_accepted_total", platform="double") == 1
    assert growth(ENDED) == growth(ENDED, platform="double", outcome="finished", kind="") == 1
    assert growth("easel_pictures_total", platform="double") == 2
    assert growth("easel_spent_dollars_total") == pytest.approx(0.03)
    assert growth("easel_job_wait_seconds_count") == 1
    assert growth("easel_job_drawing_seconds_count") == 1
    assert 0.05 <= growth("easel_job_drawing_seconds_sum") < 5
    assert growth("easel_job_delivery_seconds_count", platform="double") == 1


async def test_a_failure_is_counted_by_its_kind(tmp_path: Path, growth: Growth) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(fails=GenerationFailed("It failed.")),))) as house:
        job, _ = await house.ask(request())
        await house.over(job)
    assert growth(ENDED, outcome="failed", kind="GenerationFailed") == growth(ENDED) == 1
    assert growth("easel_pictures_total") == 0
    assert growth("easel_spent_dollars_total") == pytest.approx(0.015)


async def test_a_cancel_in_the_queue_costs_nothing(tmp_path: Path, growth: Growth) -> None:
    async with House(tmp_path, PaintedBackend(seconds=60, pictures_at_once=1)) as house:
        first, _ = await house.ask(request())
        second, _ = await house.ask(request(), requester=BEN)
        await house.intake.cancel(second.id, by=BEN, moderates=False)
        (await house.painting()).done.set()
        await house.over(first)
    assert growth(ENDED, outcome="cancelled") == growth(ENDED, outcome="finished") == 1
    assert growth("easel_spent_dollars_total") == pytest.approx(0.015)


async def test_a_lost_submit_is_uncertain_and_one_that_is_found_again_is_paid(tmp_path: Path, growth: Growth) -> None:
    account = Account()
    fates = (Fate(lost=True, accepted=False), Fate(lost=True))
    async with House(tmp_path, PaintedBackend(fates=fates, account=account)) as house:
        lost, _ = await house.ask(request())
        await house.over(lost)
        found, _ = await house.ask(request(seed=8))
        await house.over(found)
    assert growth(ENDED, outcome="uncertain") == growth(ENDED, outcome="finished") == 1
    assert growth("easel_spent_dollars_total") == pytest.approx(0.015)
    assert growth("easel_job_wait_seconds_count") == 1


async def test_the_page_tells_how_things_stand_while_they_are_watched(tmp_path: Path) -> None:
    backend = PaintedBackend(seconds=60.0, pictures_at_once=1)
    async with House(tmp_path, backend) as house:
        with metrics.watching(house.life, house.intake):
            await house.ask(request())
            await house.ask(request(), requester=BEN)
            assert value("easel_jobs", state="running") == value("easel_jobs", state="waiting") == 1
            assert value("easel_budget_used_dollars") == pytest.approx(0.03)
            assert value("easel_budget_left_dollars") == pytest.approx(LIMITS.budget - 0.03)
            assert value("easel_picture_price_dollars") == pytest.approx(0.015)
            assert value("easel_platform_ready", platform="double") == 1
            assert value("easel_disk_free_bytes") > 0
            assert value("easel_brake_pulled") == 0
            house.life.brake.pull(KeyRefused("The key is refused."))
            assert value("easel_brake_pulled") == 1
    assert [sample for sample in samples() if sample.name == "easel_jobs"] == []


async def test_of_several_processes_it_tells_how_many_are_there(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        with metrics.watching(house.life, house.intake):
            assert (value("easel_slots", state="present"), value("easel_slots", state="absent")) == (1, 0)
        with metrics.watching(house.life, house.intake, slots=3):
            assert (value("easel_slots", state="present"), value("easel_slots", state="absent")) == (1, 2)


async def test_a_process_that_receives_nothing_tells_of_no_platform(tmp_path: Path) -> None:
    """Else it would look like one that no command reaches any more."""
    async with House(tmp_path, PaintedBackend()) as house:
        with metrics.watching(house.life, house.intake, receives=False):
            assert [sample for sample in samples() if sample.name == "easel_platform_ready"] == []


async def test_a_spent_budget_leaves_nothing_not_less(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        house.life.accounts.charge("job", ANNA.key, 1, LIMITS.budget + 5)
        with metrics.watching(house.life, house.intake):
            assert value("easel_budget_left_dollars") == 0


@pytest.mark.parametrize(
    ("outcome", "label", "kind"),
    [
        (Finished((), (), 1.0, 0.015), "finished", ""),
        (Failed("Moderated", "Try other words."), "failed", "Moderated"),
        (Cancelled(paid=True), "cancelled", ""),
        (Uncertain(), "uncertain", ""),
    ],
)
def test_every_outcome_has_its_label(
    outcome: Finished | Failed | Cancelled | Uncertain, label: str, kind: str, growth: Growth
) -> None:
    metrics.ended("here", outcome, 0)
    assert growth(ENDED, platform="here", outcome=label, kind=kind) == growth(ENDED) == 1


def test_requests_count_by_how_they_end(growth: Growth) -> None:
    with metrics.request("submit"):
        pass
    with pytest.raises(KeyRefused), metrics.request("submit"):
        raise KeyRefused("Not this key.")
    with pytest.raises(asyncio.CancelledError), metrics.request("submit"):
        raise asyncio.CancelledError
    assert growth("easel_api_requests_total", kind="submit", result="ok") == 1
    assert growth("easel_api_requests_total", kind="submit", result="KeyRefused") == 1
    assert growth("easel_api_requests_total") == 2


def test_times_fall_into_their_buckets(growth: Growth) -> None:
    for seconds in (-3.0, 1.0, 1.01, 100_000.0):
        metrics.drawn(seconds)
    buckets = {bound: growth("easel_job_drawing_seconds_bucket", le=bound) for bound in ("1.0", "2.0", "600.0", "+Inf")}
    assert buckets == {"1.0": 2, "2.0": 3, "600.0": 3, "+Inf": 4}
    assert growth("easel_job_drawing_seconds_sum") == pytest.approx(100_002.01)


def test_a_delivery_is_timed_from_the_end(growth: Growth) -> None:
    metrics.delivered("here", datetime.now(UTC) - timedelta(seconds=20))
    metrics.delivered("here", None)
    assert growth("easel_job_delivery_seconds_count", platform="here") == 1
    assert growth("easel_job_delivery_seconds_sum", platform="here") == pytest.approx(20, abs=2)


async def test_nobodys_words_are_on_the_page(tmp_path: Path) -> None:
    asked = ImageRequest("an unmistakable vermilion fox", request().size, seed=424242)
    async with House(tmp_path, PaintedBackend()) as house:
        with metrics.watching(house.life, house.intake):
            job, _ = await house.ask(asked)
            await house.over(job)
            text = metrics.page()[0].decode()
    words = ("vermilion", "424242", job.id, job.short, ANNA.name, job.place.channel, job.place.community or "?")
    labels = " ".join(re.findall(r"\{.*\}", text))
    assert [word for word in words if f'"{word}"' in labels or (len(word) > 8 and word in text)] == []


def test_names_are_as_prometheus_wants_them() -> None:
    metrics.accepted("here")
    metrics.looked("ended")
    metrics.message("here", "edit", "limited")
    body, kind = metrics.page()
    assert kind.startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    ours = {name: family for name, family in families.items() if name.startswith("easel_")}
    assert all(family.documentation for family in ours.values())
    assert {family.type for family in ours.values()} == {"counter", "gauge", "histogram"}
    assert all(name.endswith("_seconds") for name, family in ours.items() if family.type == "histogram")
    assert value("easel_build_info", version=__version__) == 1
    assert {"process_resident_memory", "python_info"} <= {name.removesuffix("_bytes") for name in families}


def test_counting_loads_nothing() -> None:
    """Who never looks at the page does not carry what writes it."""
    script = (
        "import sys; from bot import metrics; metrics.accepted('x'); metrics.drawn(1.0)\n"
        "print('prometheus_client' in sys.modules); metrics.page(); print('prometheus_client' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True"]


def test_only_one_file_knows_prometheus() -> None:
    root = Path(metrics.__file__).parent.parent
    files = [file for part in ("bot", "commands", "adapters") for file in (root / part).rglob("*.py")]
    assert [
        file
        for file in files
        if "import prometheus_client" in (text := file.read_text()) or "from prometheus_client" in text
    ] == [Path(metrics.__file__)]
