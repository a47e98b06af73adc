"""The README, held against the code: every setting, every command, every flag.

`python -m tests.test_readme` writes the settings' table anew.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from adapters.discord.settings import DiscordSettings
from adapters.wavespeed.settings import WaveSpeedSettings
from bot.settings import Settings
from commands import CATALOGUE
from commands.grammar import FLAGS
from commands.spec import Where

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
KINDS: tuple[type[BaseSettings], ...] = (DiscordSettings, WaveSpeedSettings, Settings)

BEGIN, END = "<!-- settings: `python -m tests.test_readme` writes this table -->\n", "<!-- /settings -->"


def test_the_settings_table_is_exactly_the_settings() -> None:
    assert _inside(README.read_text(encoding="utf-8")) == table(), "run `.venv/bin/python -m tests.test_readme`"


def test_every_variable_that_is_named_anywhere_exists() -> None:
    known = {_variable(kind, name, field) for kind, name, field in _fields()}
    for file in (README, ROOT / ".env.example", ROOT / "CONTRIBUTING.md", ROOT / "compose.yaml", ROOT / "Dockerfile"):
        named = set(re.findall(r"\b(?:EASEL|DISCORD|WAVESPEED)_[A-Z0-9_]+\b", file.read_text(encoding="utf-8")))
        assert named - known - _NOT_SETTINGS == set(), file.name


def test_the_example_names_the_keys_that_have_no_default() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for kind, name, field in _fields():
        if field.is_required():
            assert f"\n{_variable(kind, name, field)}=\n" in example


def test_the_commands_table_is_exactly_the_catalogue() -> None:
    told = re.findall(r"^\| `/([a-z ]+)` \| (.+?) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [(it.name, it.description) for it in CATALOGUE if it.where is Where.SLASH]


def test_what_can_be_done_on_a_message_is_told() -> None:
    text = README.read_text(encoding="utf-8")
    assert [it.title for it in CATALOGUE if it.where is Where.MESSAGE and f"*{it.title}*" not in text] == []


def test_the_flags_table_is_exactly_the_grammar() -> None:
    text = README.read_text(encoding="utf-8")
    told = [
        (tuple(re.findall(r"`--([a-z]+)`", names)), example)
        for names, example in re.findall(r"^\| (`--[^|]+) \| `(--[^`]+)` \|", text, re.MULTILINE)
    ]
    assert told == [(flag.names, flag.example) for flag in FLAGS]


_NOT_SETTINGS = {"EASEL_SPECS"}
"""Read by tests alone."""


def table() -> str:
    rows = ["| Variable | Default | What it does |", "|---|---|---|"]
    rows += [
        f"| `{_variable(kind, name, field)}` | {_default(field)} | {_described(field)} |"
        for kind, name, field in _fields()
    ]
    return "\n".join(rows) + "\n"


def _fields() -> Iterator[tuple[type[BaseSettings], str, FieldInfo]]:
    for kind in KINDS:
        for name, field in kind.model_fields.items():
            yield kind, name, field


def _variable(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    if isinstance(field.validation_alias, str):
        return field.validation_alias.upper()
    return f"{kind.model_config.get('env_prefix', '')}{name}".upper()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value is None or value in ("", ()):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def _described(field: FieldInfo) -> str:
    assert field.description, "a setting without a description"
    chosen = [word for word in _words(field.annotation) if f"`{word}`" not in field.description]
    choices = f" ({' · '.join(f'`{word}`' for word in chosen)})" if len(chosen) > 1 else ""
    return f"{field.description}{choices}".replace("|", r"\|")


def _words(annotation: object) -> list[str]:
    """The words that a setting takes, where it takes words only."""
    return (
        [str(word) for word in typing.get_args(annotation)] if typing.get_origin(annotation) is typing.Literal else []
    )


def _inside(text: str) -> str:
    return text.partition(BEGIN)[2].partition(END)[0]


def write() -> None:
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    README.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    write()
