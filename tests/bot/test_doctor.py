from __future__ import annotations

import os
import re
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.wavespeed.simulator import Simulator
from bot import doctor
from bot.doctor import Check
from bot.ledger import Ledger
from bot.settings import Settings, read
from bot.store import Database, Store
from bot.store.migrate import upgrade
from tests.bot.making import job
from tests.servers.discord import DiscordServer
from tests.servers.postgres import new_database

Set = Callable[..., None]


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Set:
    for name in list(os.environ):
        if name.startswith(("EASEL_", "DISCORD_", "SLACK_", "WAVESPEED_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


async def checks() -> list[Check]:
    return [check async for check in doctor.diagnose()]


def bad(found: list[Check]) -> list[str]:
    return [check.name for check in found if not check.ok]


def the(found: list[Check], name: str) -> Check:
    (check,) = (check for check in found if check.name == name)
    return check


def of_database() -> Check:
    return doctor.database(read(Settings)[0])


# ---- everything together ----


async def test_all_is_well(given: Set, tmp_path: Path) -> None:
    async with DiscordServer() as discord, Simulator() as simulator:
        discord.guild("Foxes")
        given(DISCORD_TOKEN=discord.token, DISCORD_API_BASE=discord.url)
        given(WAVESPEED_API_KEY="k", WAVESPEED_BASE_URL=simulator.base_url)
        found = await checks()
    assert bad(found) == []
    names = {check.name for check in found}
    assert {"Settings", "WaveSpeedAI key", "WaveSpeedAI balance", "WaveSpeedAI API", "NSFW flags"} <= names
    assert {"Discord token", "Discord intents", "Discord servers", "Database", "Disk", "LoRAs"} <= names
    assert list(tmp_path.iterdir()) == []  # it only looks
    assert simulator.posts == 0


async def test_nothing_set_yet_says_where_the_keys_are(given: Set) -> None:
    found = await checks()
    assert "wavespeed.ai/accesskey" in the(found, "Setting").advice
    assert "Reset Token" in the(found, "Chat platform").advice
    assert the(found, "NSFW flags").ok


async def test_a_refused_key_and_a_refused_token_are_both_told(given: Set) -> None:
    async with DiscordServer() as discord, Simulator(key="right") as simulator:
        given(DISCORD_TOKEN="wrong-token", DISCORD_API_BASE=discord.url)
        given(WAVESPEED_API_KEY="wrong-key", WAVESPEED_BASE_URL=simulator.base_url)
        found = await checks()
    assert bad(found) == ["WaveSpeedAI key", "Discord token"]
    assert "wrong" not in "".join(map(str, found))


async def test_bad_settings_do_not_keep_it_from_looking_at_the_rest(given: Set) -> None:
    given(WAVESPEED_TIER="iron", WAVESPEED_API_KEY="k", EASEL_PLATFORMS="discord")
    found = await checks()
    told = [check.advice.split(":")[0] for check in found if check.name == "Setting"]
    assert told == ["WAVESPEED_TIER", "DISCORD_TOKEN"]
    assert the(found, "Database").ok


# ---- NSFW ----


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "the API tells them; a picture without one is covered"),
        ({"WAVESPEED_API_VERSION": "v3"}, "may never tell them, so every picture may be covered as a spoiler"),
        ({"WAVESPEED_API_VERSION": "v3", "EASEL_UNKNOWN_NSFW": "show"}, "so every picture may be shown openly"),
        ({"EASEL_SAFETY_CHECKER": "false"}, "EASEL_SAFETY_CHECKER is off"),
    ],
)
async def test_what_becomes_of_pictures_that_nobody_judged(given: Set, variables: dict[str, str], said: str) -> None:
    async with Simulator() as simulator:
        given(WAVESPEED_API_KEY="k", WAVESPEED_BASE_URL=simulator.base_url, **variables)
        assert said in the(await checks(), "NSFW flags").advice


# ---- the database ----


def test_a_database_that_is_not_there_yet_is_made_by_the_first_start() -> None:
    assert of_database().ok
    assert "the first start makes" in of_database().advice


def test_a_migrated_database_is_up_to_date_also_while_the_bot_runs(given: Set, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = Database(read(Settings)[0].database)
    upgrade(database)
    while_open = of_database()
    database.close()
    left = list((tmp_path / "data").iterdir())
    assert (while_open.ok, of_database().ok) == (True, True)
    assert "is up to date" in while_open.advice
    assert "is up to date" in of_database().advice
    assert list((tmp_path / "data").iterdir()) == left  # it leaves no trace


@pytest.mark.parametrize(
    ("revision", "said"), [("0000", "python -m bot migrate"), ("9999", "belongs to a newer Easel")]
)
def test_a_database_of_another_version_says_what_to_do(
    database: Database, given: Set, revision: str, said: str
) -> None:
    given(EASEL_DATABASE_URL=address(database))
    with database.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{revision}'"))
    check = of_database()
    assert not check.ok
    assert said in check.advice


async def test_jobs_whose_fate_is_unknown_are_counted(database: Database, given: Set, tmp_path: Path) -> None:
    given(EASEL_DATABASE_URL=address(database))
    store, ledger = Store(database, tmp_path), Ledger(database, "test")
    lost = job()
    await store.accept(lost, delivery_key="1", ordinal=0, message_key="m", kind="k")
    await ledger.intend(lost, 0.015)
    await ledger.begin_post(lost.id)
    assert "may have been paid" not in of_database().advice
    await ledger.uncertain(lost.id)
    assert of_database().ok
    assert "1 job may have been paid for without a picture" in of_database().advice


def address(database: Database) -> str:
    """As an operator writes it."""
    url = database.engine.url
    plain = url.set(drivername="sqlite" if database.is_sqlite else "postgresql")
    return plain.render_as_string(hide_password=False)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cant_keep_every_prompt_is_said(encoding: str, given: Set, postgres_url: str) -> None:
    given(EASEL_DATABASE_URL=new_database(postgres_url, encoding=encoding).replace("+psycopg", ""))
    found = of_database()
    assert not found.ok
    assert f"keeps its text as {encoding}" in found.advice


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "easel.sqlite").write_bytes(b"a letter to my aunt " * 100)
    check = of_database()
    assert not check.ok
    assert "\n" not in check.advice


def test_a_database_server_that_does_not_answer_hides_its_password(given: Set) -> None:
    given(EASEL_DATABASE_URL="postgresql://easel:sesame@127.0.0.1:9/easel")
    check = of_database()
    assert not check.ok
    assert "EASEL_DATABASE_URL" in check.advice
    assert "sesame" not in check.advice


# ---- several processes ----


@pytest.fixture
def of_slots(given: Set, postgres_url: str) -> Iterator[Callable[..., Check | None]]:
    """What is said of these slots of three: (slot, role, seconds of silence)."""
    url = new_database(postgres_url)
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    given(EASEL_DATABASE_URL=plain)
    database = Database(url)
    upgrade(database)

    def told(*slots: tuple[int, str, float], **variables: str) -> Check | None:
        given(**{"EASEL_SLOTS": "3", "EASEL_SLOT": "0", **variables})
        with database.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM slots"))
            for slot, role, silent in slots:
                beat = "extract(epoch FROM clock_timestamp()) - :silent"
                words = {"slot": slot, "role": role, "silent": silent}
                connection.execute(
                    sa.text(f"INSERT INTO slots VALUES (:slot, 'x', :role, 3, 30, '', true, {beat})"), words
                )
        return doctor.peers(read(Settings)[0])

    yield told
    database.close()


def test_which_slots_are_at_work_is_told(of_slots: Callable[..., Check]) -> None:
    found = of_slots((0, "all", 0), (1, "all", 1), (2, "all", 0.5))
    assert found.ok
    assert found.advice.startswith("0 (all), 1 (all), 2 (all) of 3 at work. All of them need the same data folder")
    assert of_slots() == Check("Slots", True, "none of 3 is at work yet")


def test_a_slot_that_is_not_there_needs_somebody(of_slots: Callable[..., Check]) -> None:
    found = of_slots((0, "all", 0), (1, "all", 17))
    assert not found.ok
    assert re.match(r"0 \(all\) of 3 at work; not there: 1 \(silent for 1[78] s\), 2\. Start", found.advice)


def test_ones_own_slot_may_be_about_to_start(of_slots: Callable[..., Check]) -> None:
    found = of_slots((0, "all", 0), (2, "all", 0), EASEL_SLOT="1")
    assert found.ok
    assert "not there: 1" in found.advice


@pytest.mark.parametrize(
    ("slot", "variables"),
    [((3, "all", 0), {}), ((1, "all", 0), {"EASEL_GATEWAYS": "1"}), ((1, "worker", 0), {"EASEL_GATEWAYS": "2"})],
)
def test_processes_whose_settings_differ_are_named(
    of_slots: Callable[..., Check], slot: tuple[int, str, float], variables: dict[str, str]
) -> None:
    found = of_slots((0, "all", 0), slot, **variables)
    assert not found.ok
    assert f"slot {slot[0]} ({slot[1]}) does not fit. Set EASEL_SLOTS and EASEL_GATEWAYS alike" in found.advice


def test_processes_that_count_the_slots_differently_are_named(of_slots: Callable[..., Check]) -> None:
    found = of_slots((0, "all", 0), (1, "all", 0), EASEL_SLOTS="2")
    assert not found.ok
    assert found.advice.startswith("slot 0 (all), 1 (all) does not fit. Set EASEL_SLOTS")


def test_a_database_that_does_not_answer_is_told_once(given: Set) -> None:
    given(EASEL_DATABASE_URL="postgresql://easel:sesame@127.0.0.1:9/easel", EASEL_SLOTS="2")
    assert doctor.peers(read(Settings)[0]) is None


# ---- the disk and the LoRAs ----


def test_a_full_disk_is_not_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    assert doctor.room(tmp_path / "not" / "there" / "yet").ok
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage(10, 10, 10_000_000))
    assert not doctor.room(tmp_path).ok


@pytest.mark.parametrize("text", [None, "[[lora]]\nname = 7", "not toml"])
async def test_a_lora_file_that_can_not_be_used_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "mine.toml"
    if text is not None:
        file.write_text(text)
    check = doctor.loras(file)
    assert not check.ok
    assert "mine.toml" in check.advice


def test_a_check_reads_like_a_line() -> None:
    assert str(Check("Disk", True, "room for all")) == "✓ Disk: room for all"
    assert str(Check("Disk", False, "make room")) == "✗ Disk: make room"
