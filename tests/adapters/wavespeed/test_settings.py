from __future__ import annotations

import pytest
from pydantic import ValidationError

from adapters.wavespeed import connect
from adapters.wavespeed.settings import TIERS, Pace, WaveSpeedSettings
from bot.errors import BadSettings
from tests.adapters.wavespeed.values import KEY, settings


def test_the_tiers_are_those_of_the_documentation() -> None:
    caps = {name: (tier.per_minute, tier.at_once, tier.lanes) for name, tier in TIERS.items()}
    assert caps == {
        "bronze": (10, 3, 1),
        "silver": (500, 100, 4),
        "gold": (3000, 2000, 16),
        "ultra": (5000, 5000, 32),
    }


def test_own_numbers_stand_in_for_the_tiers() -> None:
    own = settings(tier="bronze", images_per_minute=20, submit_lanes=2)
    assert own.pace == Pace(per_minute=20, at_once=3, lanes=2, looks=10)


@pytest.mark.parametrize(
    "bad",
    ["api.wavespeed.ai", "ftp://api.wavespeed.ai", "https://x/api/v2", "https://x?y=1", "https://u:p@x", "https://"],
)
def test_the_base_is_an_origin(bad: str) -> None:
    with pytest.raises(ValidationError, match="expects an origin like https"):
        settings(bad)


def test_a_trailing_slash_of_the_base_is_forgiven() -> None:
    assert settings("https://API.wavespeed.ai/").base_url == "https://api.wavespeed.ai"


@pytest.mark.parametrize("bad", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_is_one_plain_word_and_never_printed(bad: str) -> None:
    with pytest.raises(ValidationError, match="expects the key alone") as caught:
        settings(api_key=bad)
    assert not bad or bad not in str(caught.value)


def test_no_setting_prints_the_key() -> None:
    assert KEY not in repr(settings())


def test_every_setting_is_described() -> None:
    assert all(field.description for field in WaveSpeedSettings.model_fields.values())


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "k")
    monkeypatch.setenv("WAVESPEED_API_VERSION", "v3")
    monkeypatch.setenv("WAVESPEED_TIER", "silver")
    monkeypatch.setenv("WAVESPEED_EXCLUSIVE_KEY", "true")
    client = connect()
    assert (client.pictures_at_once, client.submit_lanes, client.exclusive_key) == (100, 4, True)
    assert client.capabilities.side.low == 256


def test_missing_and_wrong_settings_are_named_together(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("WAVESPEED_API_KEY", raising=False)
    monkeypatch.setenv("WAVESPEED_TIER", "platinum")
    with pytest.raises(BadSettings, match=r"(?s)WAVESPEED_API_KEY.*WAVESPEED_TIER"):
        connect()
