"""What a person at a terminal meets: each command as a real process, between local servers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from adapters.wavespeed.simulator import Simulator
from bot import folder
from tests.command_line import CommandLine
from tests.servers.discord import DiscordServer


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=0.4, picture="png") as server:
        yield server


@pytest.fixture
def with_key(tmp_path: Path, simulator: Simulator) -> CommandLine:
    return CommandLine(tmp_path, {"WAVESPEED_API_KEY": "a-key", "WAVESPEED_BASE_URL": simulator.base_url})


def bare(tmp_path: Path, **environment: str) -> CommandLine:
    return CommandLine(tmp_path, environment)


# ---- the playground ----


async def test_without_any_account_the_playground_opens_over_a_simulator(tmp_path: Path, simulator: Simulator) -> None:
    settings = {"WAVESPEED_BASE_URL": simulator.base_url, "EASEL_HTTP_PORT": "0"}
    async with bare(tmp_path, **settings).started() as process:
        assert process.stdout is not None
        first = (await process.stdout.readline()).decode()
        assert (await process.stdout.readline()).startswith(b"Its pictures are simulated")
        async with aiohttp.ClientSession() as session:
            async with session.get(first.split()[-1]) as page:
                assert page.status == 200
                assert page.content_type == "text/html"
            async with session.get(first.split()[-1] + "/readyz") as answer:
                assert await answer.json() == {"ready": True, "database": True, "web": True}
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert simulator.posts == 0  # whatever WAVESPEED_* says


async def test_with_a_key_the_playground_draws_real_pictures(tmp_path: Path, simulator: Simulator) -> None:
    settings = {"WAVESPEED_API_KEY": "k", "WAVESPEED_BASE_URL": simulator.base_url, "EASEL_HTTP_PORT": "0"}
    async with bare(tmp_path, **settings).started() as process:
        assert process.stdout is not None
        assert b"playground is open" in await process.stdout.readline()
        assert b"simulated" not in await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0


# ---- imagine ----


async def test_imagine_draws_with_the_configured_backend_and_says_what_it_cost(
    with_key: CommandLine, simulator: Simulator, tmp_path: Path
) -> None:
    asked = ("a red fox", "--lora", "yarn:0.8", "--size", "768x1024", "--seed", "7", "--out", "mine/")
    with folder.held(tmp_path / "data"):  # as by the bot, which may be at work
        ended = await with_key.run("imagine", *asked)
    assert ended.code == 0, ended.err
    assert "768×1024 · seed 7 · 28 steps · yarn:0.8" in ended.out
    assert "$0.015" in ended.out
    (picture,) = (tmp_path / "mine").iterdir()
    assert f"saved as mine/{picture.name}" in ended.out
    with Image.open(picture) as drawn:
        assert drawn.size == (768, 1024)
        assert "Seed: 7" in drawn.info["parameters"]
    (submit,) = simulator.submits
    assert submit.inputs["seed"] == 7
    assert len(submit.body["loras"]) == 1


async def test_imagine_draws_by_itself_whatever_slot_it_is_called_in(tmp_path: Path, simulator: Simulator) -> None:
    key = {"WAVESPEED_API_KEY": "a-key", "WAVESPEED_BASE_URL": simulator.base_url}
    several = {"EASEL_DATABASE_URL": "postgresql://127.0.0.1:9/easel", "EASEL_SLOTS": "3", "EASEL_SLOT": "2"}
    worker = {"EASEL_GATEWAYS": "1", "EASEL_ROLE": "worker"}
    ended = await bare(tmp_path, **key, **several, **worker).run("imagine", "a red fox")
    assert ended.code == 0, ended.err
    assert len(list((tmp_path / "pictures").iterdir())) == 1


async def test_imagine_goes_on_from_a_picture_of_ones_own(
    with_key: CommandLine, simulator: Simulator, tmp_path: Path
) -> None:
    Image.new("RGB", (640, 512), "navy").save(tmp_path / "from.png")
    ended = await with_key.run("imagine", "a ship", "--image", "from.png", "--strength", "0.5", "--count", "2")
    assert ended.code == 0, ended.err
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    assert simulator.submits[0].inputs["strength"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a fox", "--size", "big"), "1024x1024"),
        (("a fox", "--image", "nowhere.png"), "There is no file nowhere.png."),
    ],
)
async def test_imagine_refuses_kindly_and_pays_nothing(
    with_key: CommandLine, simulator: Simulator, arguments: tuple[str, ...], said: str
) -> None:
    ended = await with_key.run("imagine", *arguments)
    assert ended.code == 1
    assert said in ended.out + ended.err
    assert "Traceback" not in ended.err
    assert simulator.posts == 0


async def test_imagine_that_the_api_fails_says_so_and_exits_with_one(with_key: CommandLine, tmp_path: Path) -> None:
    ended = await with_key.run("imagine", "please fail")
    assert ended.code == 1
    assert "✗ No picture this time" in ended.out
    assert list((tmp_path / "pictures").iterdir()) == []


async def test_a_killed_imagine_goes_on_at_the_next_start_and_is_not_paid_again(
    with_key: CommandLine, simulator: Simulator, tmp_path: Path
) -> None:
    async with with_key.started("imagine", "a blue whale", "--out", "first") as process:
        await simulator.until(lambda: bool(simulator.submits), 20)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    ended = await with_key.run("imagine", "a red fox", "--out", "second")
    assert ended.code == 0, ended.err
    assert "An earlier start was interrupted" in ended.out
    assert [path.name.rpartition("-")[0] for path in (tmp_path / "first").iterdir()] == ["a-blue-whale"]
    assert [path.name.rpartition("-")[0] for path in (tmp_path / "second").iterdir()] == ["a-red-fox"]
    assert [submit.inputs["prompt"] for submit in simulator.submits] == ["a blue whale", "a red fox"]
    assert len(simulator.charged) == 2


# ---- one at a time ----


async def test_two_bots_on_one_data_folder_are_refused(tmp_path: Path) -> None:
    line = bare(tmp_path, DISCORD_TOKEN="t", DISCORD_API_BASE="http://127.0.0.1:9", WAVESPEED_API_KEY="k")
    with folder.held(tmp_path / "data"):
        ended = await line.run("run")
    assert ended.code == 2
    assert "Another Easel is at work in the data folder data." in ended.err
    assert "Traceback" not in ended.err


# ---- settings that make no sense ----


async def test_every_bad_setting_is_told_at_once_with_exit_code_two(tmp_path: Path) -> None:
    line = bare(
        tmp_path,
        DISCORD_TOKEN="t",
        DISCORD_SHARDS="many",
        EASEL_HTTP_PORT="99999",
        EASEL_NSFW="sometimes",
        WAVESPEED_TIER="iron",
    )
    ended = await line.run()
    assert ended.code == 2
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert lines[0] == "These settings need a change:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {
        "DISCORD_SHARDS",
        "EASEL_HTTP_PORT",
        "EASEL_NSFW",
        "WAVESPEED_API_KEY",
        "WAVESPEED_TIER",
    }
    assert "'spoiler', 'age_restricted' or 'block'" in ended.err


@pytest.mark.parametrize(
    ("variable", "name", "said"),
    [
        ("EASEL_PLATFORMS", "telegraph", "there is no “telegraph”"),
        ("EASEL_PLATFORMS", "discord/../../x", "there is no “discord/../../x”"),
        ("EASEL_PLATFORMS", "terminal", "the terminal is no chat platform"),
        ("EASEL_PLATFORMS", "wavespeed", "“wavespeed” is no chat platform"),
        ("EASEL_BACKEND", "discord", "“discord” draws no pictures"),
    ],
)
async def test_an_adapter_that_can_not_be_used_so_is_a_bad_setting(
    tmp_path: Path, variable: str, name: str, said: str
) -> None:
    ended = await bare(tmp_path, DISCORD_TOKEN="t", WAVESPEED_API_KEY="k", **{variable: name}).run()
    assert ended.code == 2
    assert said in ended.err
    assert variable in ended.err
    assert "Traceback" not in ended.err


async def test_what_nobody_expected_is_one_line_and_a_traceback_only_for_who_asks(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "easel.sqlite").write_bytes(b"no database at all" * 100)
    ended = await bare(tmp_path).run("migrate")
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "can't be used (file is not a database)" in ended.err
    assert "EASEL_LOG_LEVEL=DEBUG" in ended.err
    told = await bare(tmp_path, EASEL_LOG_LEVEL="DEBUG").run("migrate")
    assert told.code == 1
    assert "Traceback" in told.err


# ---- the rest ----


@pytest.mark.parametrize("command", ["run", "migrate"])
async def test_a_postgres_that_is_not_there_is_told_with_its_reason_and_without_the_password(
    tmp_path: Path, simulator: Simulator, command: str
) -> None:
    key = {"WAVESPEED_API_KEY": "a-key", "WAVESPEED_BASE_URL": simulator.base_url, "EASEL_HTTP_PORT": "0"}
    away = {"EASEL_DATABASE_URL": "postgresql://easel:sesame@127.0.0.1:9/easel"}
    ended = await bare(tmp_path, **key, **away).run(command)
    assert ended.code == 1
    assert "EASEL_DATABASE_URL: Postgres can't be used (connection failed" in ended.err
    assert "refused" in ended.err
    assert "sesame" not in ended.err
    assert "Traceback" not in ended.err


async def test_invite_prints_the_link_of_the_tokens_application(tmp_path: Path) -> None:
    async with DiscordServer() as discord:
        ended = await bare(tmp_path, DISCORD_TOKEN=discord.token, DISCORD_API_BASE=discord.url).run("invite")
    assert ended.code == 0, ended.err
    assert f"client_id={discord.application_id}&" in ended.out


async def test_invite_needs_no_token_where_the_application_is_named(tmp_path: Path) -> None:
    ended = await bare(tmp_path).run("invite", "--application", "123456789012345678")
    assert ended.code == 0
    assert ended.out.startswith("https://discord.com/oauth2/authorize?client_id=123456789012345678&")


async def test_migrate_says_from_where_to_where(tmp_path: Path) -> None:
    first = await bare(tmp_path).run("migrate")
    assert (first.code, first.out.split()[:2]) == (0, ["empty", "→"])
    newest = first.out.split()[2]
    second = await bare(tmp_path).run("migrate")
    assert (second.code, second.out) == (0, f"{newest}: already up to date\n")


async def test_simulate_serves_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    async with bare(tmp_path).started("simulate", "--port", "0", "--seconds", "0.1") as process:
        assert process.stdout is not None
        first = (await asyncio.wait_for(process.stdout.readline(), 10)).decode()
        address = next(word for word in first.split() if word.startswith("http://127.0.0.1:"))
        headers = {"Authorization": "Bearer any"}
        async with aiohttp.ClientSession() as session, session.get(f"{address}/api/v3/balance", headers=headers) as got:
            assert got.status == 200
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert err == b""


async def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path, simulator: Simulator) -> None:
    ended = await bare(tmp_path).run("simulate", "--port", simulator.base_url.rpartition(":")[2])
    assert ended.code == 1
    assert "in use" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_doctor_exits_with_one_while_something_needs_the_operator(
    tmp_path: Path, with_key: CommandLine, simulator: Simulator
) -> None:
    ended = await with_key.run("doctor")
    assert ended.code == 1
    assert "✗ Chat platform" in ended.out
    assert "needs you" in ended.out
    async with DiscordServer() as discord:
        well = await CommandLine(
            tmp_path,
            {
                "DISCORD_TOKEN": discord.token,
                "DISCORD_API_BASE": discord.url,
                "WAVESPEED_API_KEY": "a-key",
                "WAVESPEED_BASE_URL": simulator.base_url,
            },
        ).run("doctor")
    assert well.code == 0, well.out
    assert "✗" not in well.out
    assert discord.token not in well.out
    assert not (tmp_path / "data").exists()  # it only looks
