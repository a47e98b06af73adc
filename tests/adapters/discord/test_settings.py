from __future__ import annotations

import pytest
from pydantic import ValidationError

from adapters.discord.settings import DiscordSettings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "API_BASE", "SHARDS", "GUILD_IDS"):
        monkeypatch.delenv(f"DISCORD_{name}", raising=False)


def read() -> DiscordSettings:
    return DiscordSettings(_env_file=None)


def test_a_token_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", " abc.def.ghi\n")
    settings = read()
    assert settings.token.get_secret_value() == "abc.def.ghi"
    assert settings.shards == "auto"
    assert settings.rest == "https://discord.com/api/v10"
    assert "abc" not in repr(settings)


def test_another_origin_takes_the_place_of_discords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    monkeypatch.setenv("DISCORD_API_BASE", "http://127.0.0.1:8080/")
    assert read().rest == "http://127.0.0.1:8080/api/v10"


def test_servers_and_shards_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    monkeypatch.setenv("DISCORD_GUILD_IDS", "1, 2,")
    monkeypatch.setenv("DISCORD_SHARDS", "4")
    assert read().guild_ids == (1, 2)
    assert read().shards == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOKEN", " "), ("API_BASE", "discord.com"), ("SHARDS", "0"), ("SHARDS", "many"), ("GUILD_IDS", "fox")],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    monkeypatch.setenv(f"DISCORD_{name}", value)
    with pytest.raises(ValidationError):
        read()


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in DiscordSettings.model_fields.values())
