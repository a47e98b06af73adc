"""The compose files, held against the settings: slots that agree, and what each service waits for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from bot.settings import Settings
from bot.standing import STEP_DOWN
from tests.test_readme import ROOT

SCALE = ROOT / "compose.scale.yaml"
TEXT = SCALE.read_text(encoding="utf-8")


def services(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    return found


def slots() -> dict[str, dict[str, Any]]:
    return {name: it for name, it in services(SCALE).items() if name.startswith("easel-")}


def settings_of(service: dict[str, Any], **others: Any) -> Settings:
    """As the process reads them. Raises ValidationError for those that make no sense."""
    given = {name.removeprefix("EASEL_").lower(): value for name, value in service["environment"].items()}
    return Settings(_env_file=None, **(given | others))


def test_each_slot_is_there_once() -> None:
    read = [settings_of(service) for service in slots().values()]
    assert [one.slot for one in read] == list(range(read[0].slots))
    assert {(one.slots, one.database) for one in read} == {(len(read), read[0].database)}
    assert list(slots()) == [f"easel-{one.slot}" for one in read]


def test_they_differ_by_nothing_but_their_slot() -> None:
    told = [{**it, "environment": it["environment"] | {"EASEL_SLOT": 0}} for it in slots().values()]
    assert told == [told[0]] * len(told)


def test_they_share_one_folder_and_start_after_the_tables_are_made() -> None:
    for service in (*slots().values(), services(SCALE)["migrate"]):
        assert service["volumes"] == ["easel-data:/data"]
        assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
    for service in slots().values():
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_postgres_is_there_once_it_is_reached_as_the_slots_reach_it() -> None:
    """The image's first start listens on the socket alone for a while, and `migrate` is not tried again."""
    assert "-h" in services(SCALE)["postgres"]["healthcheck"]["test"]


def test_each_slot_is_asked_at_the_port_that_it_has() -> None:
    for service in slots().values():
        assert f":{settings_of(service).http_port}/readyz" in " ".join(service["healthcheck"]["test"])


def test_the_tables_are_made_once_for_as_many_slots() -> None:
    migrate = services(SCALE)["migrate"]
    assert migrate["command"] == ["python", "-m", "bot", "migrate"]
    assert migrate["restart"] == "no"
    assert settings_of(migrate).slots == len(slots())


def test_one_that_stepped_down_is_started_again() -> None:
    assert f"code {STEP_DOWN}" in TEXT
    assert {service["restart"] for service in slots().values()} == {"unless-stopped"}


def test_a_stop_has_the_time_that_it_needs() -> None:
    (one,) = services(ROOT / "compose.yaml").values()
    assert {service["stop_grace_period"] for service in slots().values()} == {one["stop_grace_period"]}


def test_the_variant_with_workers_is_one_that_starts() -> None:
    count, gateways = (int(number) for number in re.findall(r"^# +EASEL_(?:SLOTS|GATEWAYS): (\d+)", TEXT, re.MULTILINE))
    roles = re.findall(r"^# +EASEL_ROLE: (\w+)", TEXT, re.MULTILINE)
    (service, *_) = slots().values()
    for slot, role in enumerate([roles[0], *[roles[1]] * (count - 1)]):
        assert settings_of(service, slots=count, gateways=gateways, slot=slot, role=role).receivers == gateways
        with pytest.raises(ValidationError):
            settings_of(service, slots=count, gateways=gateways, slot=slot, role="worker" if slot == 0 else "gateway")
