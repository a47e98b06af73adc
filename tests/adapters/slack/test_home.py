"""The App Home: a person's own page, within Slack's limits whatever stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from slack_sdk.models.views import View as Modelled

from adapters.slack import home, names
from bot.easel import Easel
from bot.images import Flag
from bot.jobs import Failed, Generating, Waiting
from bot.library import Entry, Library
from tests.adapters.slack.views import home_problems
from tests.commands.house import House, house
from tests.doubles.turn import ANNA, BEN
from tests.servers.slack_seen import block_texts, elements


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.chdir(tmp_path)  # no stray .env is read
    with house(tmp_path) as made:
        yield made


async def page(place: House, **changes: Any) -> dict[str, Any]:
    """Anna's page, which Slack takes."""
    parts: dict[str, Any] = {
        "settings": place.settings,
        "capabilities": place.capabilities,
        "library": place.library,
        "store": place.store,
        "intake": place.intake,
    }
    made = await home.view(cast(Easel, SimpleNamespace(**(parts | changes))), ANNA)
    assert home_problems(made) == []
    Modelled(**made).validate_json()
    return made


def text(made: dict[str, Any]) -> str:
    return "\n".join(block_texts(made["blocks"]))


def buttons(made: dict[str, Any]) -> list[tuple[str, str]]:
    return [(it["action_id"], it["value"]) for _, it in elements(made["blocks"]) if it["type"] == "button"]


async def test_a_new_person_finds_the_way_in(place: House) -> None:
    made = await page(place)
    assert "Nothing of yours is waiting or running." in text(made)
    assert "There are none yet." in text(made)
    assert "/imagine a red fox" in text(made)
    assert buttons(made) == [(f"{names.BUTTON}{names.OPEN}:0", ":0")]


async def test_what_runs_can_be_cancelled(place: House) -> None:
    first, second = await place.job(state="running", prompt="a red fox"), await place.job(state="waiting")
    place.intake.mine = ((first, Generating(3.0, 8.0)), (second, Waiting(2, None)))
    made = await page(place)
    assert "Generating, 3 s (usually 8 s)\na red fox" in text(made)
    cancels = [it for it in buttons(made) if "cancel" in it[0]]
    assert cancels == [(f"easel:cancel:{number}", f"{job.id}:0") for number, job in enumerate((first, second))]
    assert not [it for it in buttons(made) if "again" in it[0]]


async def test_the_last_pictures_have_their_buttons(place: House) -> None:
    older = await place.job(prompt="a wolf")
    newer = await place.job(prompt="a fox", flags=(Flag.NO, Flag.NO))
    made = await page(place)
    assert text(made).index("a fox") < text(made).index("a wolf")
    assert f"{newer.short} · " in text(made)
    assert "2 pictures" in text(made)
    assert [it for it in buttons(made) if names.OPEN not in it[0]] == [
        ("easel:again:0", f"{newer.id}:0"),
        ("easel:details:1", f"{newer.id}:0"),
        ("easel:again:0", f"{older.id}:0"),
        ("easel:details:1", f"{older.id}:0"),
    ]


async def test_a_failure_is_told_and_can_be_tried_again(place: House) -> None:
    await place.job(outcome=Failed("GaveUp", "It took too long."))
    made = await page(place)
    assert "failed" in text(made)
    assert [it for it, _ in buttons(made) if "again" in it]


async def test_nobody_sees_another_persons_pictures(place: House) -> None:
    await place.job(requester=BEN, prompt="a secret")
    assert "a secret" not in text(await page(place))


async def test_deleted_pictures_are_gone(place: House) -> None:
    job = await place.job(prompt="a mistake")
    await place.store.mark_deleted(job.id)
    assert "a mistake" not in text(await page(place))


async def test_what_people_wrote_is_no_format_link_or_mention(place: House) -> None:
    await place.job(prompt="<!channel> *bold* <https://example.org|here> :fox:")
    made = await page(place)
    assert "<!channel> *bold* <https://example.org|here> :fox:" in text(made)
    written = [block["text"] for block in made["blocks"] if block["type"] == "section"]
    assert all(it["type"] == "plain_text" and it["emoji"] is False for it in written)


async def test_the_library_is_there(place: House) -> None:
    made = await page(place)
    assert all(f"{entry.name} — " in text(made) for entry in place.library.entries)
    assert f"--lora {place.library.entries[0].name}:0.8" in text(made)


async def test_without_loras_there_is_no_heading_for_them(place: House) -> None:
    assert "LoRAs\n" not in text(await page(place, library=Library()))


async def test_a_full_page_stays_within_slacks_limits(place: House) -> None:
    jobs = [await place.job(prompt="long " * 380) for _ in range(12)]
    many = tuple((replace(jobs[0], id=f"{number:026}"), Waiting(number, 30.0)) for number in range(1, 31))
    place.intake.mine = many
    entries = tuple(Entry(f"lora{number}", f"owner/{number}", description="x" * 300) for number in range(300))
    made = await page(place, library=Library(entries))
    assert "and 20 more; /imagine queue" in text(made)
    assert "and 260 more; /imagine lora list" in text(made)
    assert len([it for it in buttons(made) if "again" in it[0]]) == home.PICTURES


async def test_the_limits_are_told(place: House) -> None:
    place.set(limit_per_day=7, pictures_days=3)
    made = text(await page(place))
    assert "7 pictures in 24 hours" in made
    assert "kept for 3 days" in made
