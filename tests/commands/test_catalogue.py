"""Facts about the catalogue as a whole, held against what the narrowest platform takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands import CATALOGUE, command
from commands.spec import Command, Kind, Option, Where
from tests.commands.house import House

SLASH = [it for it in CATALOGUE if it.where is Where.SLASH]
OPTIONS = [(it, option) for it in SLASH for option in it.options]


def test_everything_that_people_ask_is_there() -> None:
    assert {it.name for it in SLASH} == {
        "imagine", "edit", "show", "history", "queue", "cancel", "lora list", "lora info", "help", "ping",
    }  # fmt: skip
    buttons = {it.name for it in CATALOGUE if it.where is Where.BUTTON}
    assert buttons == {"cancel", "again", "retry", "edit", "vary", "delete", "details"}
    titles = {it.title for it in CATALOGUE if it.where is Where.MESSAGE}
    assert titles == {"Image details", "Use as source image", "Mark as spoiler"}


def test_every_button_of_every_card_has_its_command() -> None:
    source = Path("bot/cards.py").read_text(encoding="utf-8")
    for verb in re.findall(r'Action\("(\w+)"', source):
        assert command(verb, Where.BUTTON).name == verb


def test_a_name_is_there_once_at_each_place() -> None:
    assert len({(it.name, it.where) for it in CATALOGUE}) == len(CATALOGUE)
    with pytest.raises(KeyError):
        command("dance", Where.SLASH)


@pytest.mark.parametrize("it", CATALOGUE, ids=lambda it: f"{it.where}-{it.name}")
def test_names_and_descriptions_fit(it: Command) -> None:
    for word in it.name.split(" "):
        assert re.fullmatch(r"[a-z0-9_-]{1,32}", word)
    assert len(it.name.split(" ")) <= 2
    assert 1 <= len(it.description) <= 100
    assert len(it.title) <= 32
    assert len(it.options) <= 25
    required = [option.required for option in it.options]
    assert required == sorted(required, reverse=True), "required options come first"
    assert len({option.name for option in it.options}) == len(it.options)


@pytest.mark.parametrize(("it", "option"), OPTIONS, ids=lambda it: it.name)
async def test_options_fit(it: Command, option: Option, home: House) -> None:
    assert re.fullmatch(r"[a-z0-9_]{1,32}", option.name)
    assert 1 <= len(option.description) <= 100
    assert len(option.choices) <= 25
    assert not (option.choices and option.suggest)
    for choice in option.choices:
        assert 1 <= len(choice.label) <= 100
        assert 1 <= len(choice.value) <= 100
    if option.range:
        span = option.range(home.easel)
        assert span.low < span.high
        assert span.high <= (6000 if option.kind is Kind.TEXT else 2**53)
    if option.suggest:
        offered = option.suggest(home.easel, "y")
        assert 1 <= len(offered) <= 25
        assert all(1 <= len(it.label) <= 100 and 1 <= len(it.value) <= 100 for it in offered)


@pytest.mark.parametrize("it", SLASH, ids=lambda it: it.name)
def test_a_command_weighs_less_than_8000_characters(it: Command) -> None:
    texts = [it.name, it.description]
    for option in it.options:
        texts += [option.name, option.description]
        texts += [text for choice in option.choices for text in (choice.label, choice.value)]
    assert sum(map(len, texts)) < 8000


def test_imagine_has_the_options_and_sizes_that_were_promised() -> None:
    imagine = command("imagine", Where.SLASH)
    assert [option.name for option in imagine.options] == [
        "prompt", "lora1", "lora2", "lora3", "loras", "size", "width", "height", "count", "seed", "steps", "guidance",
        "image", "mask", "strength", "spoiler", "private",
    ]  # fmt: skip
    size = next(option for option in imagine.options if option.name == "size")
    assert [choice.label for choice in size.choices] == [
        "Square 1024×1024", "Portrait 832×1216", "Landscape 1216×832", "Tall 768×1344", "Wide 1344×768",
    ]  # fmt: skip


async def test_the_ranges_are_the_backends_own(home: House) -> None:
    ranges = {it.name: it.range(home.easel) for it in command("imagine", Where.SLASH).options if it.range}
    assert (ranges["width"].low, ranges["width"].high) == (512, 1536)
    assert (ranges["count"].low, ranges["count"].high) == (1, 4)
    assert (ranges["guidance"].low, ranges["guidance"].high) == (0, 10)
    assert ranges["seed"].high == 9_999_999_999


def test_the_catalogue_is_cheap_to_load() -> None:
    code = "import sys, commands; print([m for m in ('PIL', 'sqlalchemy', 'dbos', 'discord', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
