from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from adapters.discord.settings import DiscordSettings
from adapters.wavespeed.settings import WaveSpeedSettings
from bot.adapters import platforms
from bot.app import read_all
from bot.errors import BadSettings
from bot.settings import Settings, raw, read


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("EASEL_", "DISCORD_", "SLACK_", "WAVESPEED_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def settings() -> Settings:
    return read(Settings)[0]


def problems(*kinds: type[BaseSettings]) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        read(*kinds)
    return str(refused.value).splitlines()[1:]


def test_nothing_of_easels_own_has_to_be_set() -> None:
    found = settings()
    assert (found.limit_per_person, found.queue_per_person, found.limit_per_day) == (3, 20, 100)
    assert found.budget_per_day == 10.0
    assert found.nsfw == found.unknown_nsfw == "spoiler"
    assert found.lora_paths == "huggingface"
    assert (found.http_host, found.http_port) == ("127.0.0.1", 8040)
    assert (found.pictures_days, found.pictures_max_gb) == (30, 5.0)


def test_the_environment_holds_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EASEL_LIMIT_PER_DAY=7\nEASEL_BUDGET_PER_DAY=2.5\n")
    monkeypatch.setenv("EASEL_LIMIT_PER_DAY", "9")
    assert settings().limit_per_day == 9
    assert settings().budget_per_day == 2.5
    assert raw("EASEL_BUDGET_PER_DAY") == "2.5"
    assert raw("EASEL_LIMIT_PER_DAY") == "9"


def test_a_line_left_empty_means_the_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("EASEL_BUDGET_PER_DAY=\nEASEL_NSFW=\nEASEL_LORA_FILE=\n")
    assert settings().budget_per_day == 10.0
    assert settings().nsfw == "spoiler"
    assert settings().lora_file is None


def test_the_example_file_is_readable_as_it_is(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / ".env.example"
    (tmp_path / ".env").write_bytes(example.read_bytes())
    assert settings() == Settings.model_construct()
    assert platforms(settings()) == ("web",)


def test_platforms_are_named_or_those_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert platforms(settings()) == ("web",)
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    assert platforms(settings()) == ("discord",)
    monkeypatch.setenv("EASEL_PLATFORMS", "Discord, slack,")
    assert platforms(settings()) == ("discord", "slack")


def test_all_problems_of_all_kinds_are_told_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_HTTP_PORT", "99999")
    monkeypatch.setenv("EASEL_LIMIT_PER_PERSON", "0")
    monkeypatch.setenv("WAVESPEED_BASE_URL", "api.wavespeed.ai")
    monkeypatch.setenv("DISCORD_GUILD_IDS", "foxes")
    told = problems(Settings, DiscordSettings, WaveSpeedSettings)
    assert [line.split(":")[0].strip() for line in told] == [
        "EASEL_HTTP_PORT",
        "EASEL_LIMIT_PER_PERSON",
        "DISCORD_TOKEN",
        "DISCORD_GUILD_IDS",
        "WAVESPEED_API_KEY",
        "WAVESPEED_BASE_URL",
    ]


def test_a_problem_says_what_is_expected_and_what_the_setting_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_HTTP_PORT", "99999")
    (told,) = problems(Settings)
    assert "65535" in told
    assert "The HTTP port" in told


def test_a_secret_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "sesame with spaces")
    (told,) = problems(WaveSpeedSettings)
    assert told.strip().startswith("WAVESPEED_API_KEY:")
    assert "sesame" not in told
    monkeypatch.setenv("WAVESPEED_API_KEY", "sesame")
    assert "sesame" not in repr(read(WaveSpeedSettings))


@pytest.mark.parametrize(
    ("given", "ours", "engines"),
    [
        ("", "sqlite:///d/easel.sqlite", "sqlite:///d/engine.sqlite"),
        ("sqlite:///x/mine.db", "sqlite:///x/mine.db", "sqlite:///x/engine.sqlite"),
        ("postgres://u@h/n", "postgresql+psycopg://u@h/n", "postgresql+psycopg://u@h/n"),
        ("postgresql://u@h/n", "postgresql+psycopg://u@h/n", "postgresql+psycopg://u@h/n"),
    ],
)
def test_the_databases_of_one_address(monkeypatch: pytest.MonkeyPatch, given: str, ours: str, engines: str) -> None:
    monkeypatch.setenv("EASEL_DATA_DIR", "d")
    monkeypatch.setenv("EASEL_DATABASE_URL", given)
    assert settings().database == ours
    assert settings().engine_database == engines


def test_another_kind_of_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_DATABASE_URL", "mysql://root:sesame@h/n")
    (told,) = problems(Settings)
    assert "sqlite:/// or postgresql://" in told
    assert "sesame" not in told


def test_only_what_is_used_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVESPEED_API_KEY", "k")
    assert read_all().backend == "wavespeed"
    monkeypatch.setenv("EASEL_PLATFORMS", "discord")
    with pytest.raises(BadSettings, match="DISCORD_TOKEN: is missing"):
        read_all()
    assert read_all(chat=False).backend == "wavespeed"


def test_the_adapters_problems_are_told_even_where_easels_own_settings_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    monkeypatch.setenv("DISCORD_SHARDS", "0")
    monkeypatch.setenv("EASEL_NSFW", "perhaps")
    with pytest.raises(BadSettings) as refused:
        read_all()
    told = str(refused.value)
    assert told.count("These settings need a change:") == 1
    assert all(name in told for name in ("EASEL_NSFW", "DISCORD_SHARDS", "WAVESPEED_API_KEY"))


def several(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    monkeypatch.setenv("EASEL_DATABASE_URL", "postgresql://easel@db/easel")
    for name, value in more.items():
        monkeypatch.setenv(f"EASEL_{name.upper()}", value)


def test_all_slots_receive_unless_some_only_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch, slots="4", slot="1")
    assert settings().receivers == 4
    several(monkeypatch, gateways="2")
    assert settings().receivers == 2


@pytest.mark.parametrize(("slot", "role"), [("1", "worker"), ("2", "all"), ("3", "gateway")])
def test_a_role_that_leaves_shards_to_nobody_is_refused(monkeypatch: pytest.MonkeyPatch, slot: str, role: str) -> None:
    several(monkeypatch, slots="4", gateways="2", slot=slot, role=role)
    assert "slots 0 to 1 receive commands" in problems(Settings)[0]


def test_more_cannot_receive_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    several(monkeypatch, slots="2", gateways="3")
    assert "at most 2, since EASEL_SLOTS is 2" in problems(Settings)[0]
