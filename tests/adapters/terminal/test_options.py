from __future__ import annotations

import argparse
from pathlib import Path

import pytest

import adapters.terminal
from adapters.terminal.options import asked
from bot.errors import BadRequest, BadSettings
from commands.spec import Attachment


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    adapters.terminal.add_arguments(parser)
    return parser.parse_args(arguments)


def test_a_prompt_alone_is_enough() -> None:
    assert asked(parsed("a red fox")) == {"prompt": "a red fox"}


def test_every_option_of_the_chat_that_makes_sense_here_is_taken() -> None:
    given = parsed("a fox", "--size", "768x1024", "--count", "2", "--seed", "7", "--steps", "20", "--guidance", "4.5")
    assert asked(given) == {
        "prompt": "a fox",
        "size": "768x1024",
        "count": 2,
        "seed": 7,
        "steps": 20,
        "guidance": 4.5,
    }


def test_loras_may_be_given_several_times() -> None:
    assert asked(parsed("a fox", "--lora", "yarn:0.8", "--lora", "owner/name"))["loras"] == "yarn:0.8, owner/name"


def test_zero_is_a_value() -> None:
    assert asked(parsed("a fox", "--seed", "0", "--strength", "0"))["seed"] == 0


def test_a_file_is_an_attachment(tmp_path: Path) -> None:
    file = tmp_path / "from.png"
    file.write_bytes(b"12345")
    assert asked(parsed("a fox", "--image", str(file)))["image"] == Attachment(str(file), "from.png", 5)


def test_a_file_that_is_not_there_is_said_kindly(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="There is no file"):
        asked(parsed("a fox", "--mask", str(tmp_path / "nothing.png")))


@pytest.mark.parametrize("arguments", [("a fox", "--seed", "many"), ("a fox", "--private"), ()])
def test_what_makes_no_sense_is_refused_by_the_parser(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert ended.value.code == 2


def test_nobody_can_chat_on_it() -> None:
    with pytest.raises(BadSettings, match="EASEL_PLATFORMS"):
        adapters.terminal.connect()
