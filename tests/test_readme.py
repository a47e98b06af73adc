"""The README, held against the code: every setting, every command on every platform, every flag.

`python -m tests.test_readme` writes the tables of settings and platforms anew.
"""

from __future__ import annotations

import re
import tempfile
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from adapters.discord.options import definitions
from adapters.discord.settings import DiscordSettings
from adapters.slack.manifest import manifest
from adapters.slack.settings import SlackSettings
from adapters.wavespeed.settings import WaveSpeedSettings
from adapters.web import views
from adapters.web.settings import WebSettings
from bot.easel import Easel
from bot.settings import Settings
from commands import CATALOGUE, typed
from commands.grammar import FLAGS
from commands.spec import Where
from tests.commands.house import house


@pytest.fixture
def easel(tmp_path: Path) -> Iterator[Easel]:
    with house(tmp_path) as made:
        yield made.easel


ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
KINDS: tuple[type[BaseSettings], ...] = (DiscordSettings, SlackSettings, WaveSpeedSettings, Settings, WebSettings)

BEGIN, END = "<!-- settings: `python -m tests.test_readme` writes this table -->\n", "<!-- /settings -->"
PARITY, PARITY_END = "<!-- platforms: `python -m tests.test_readme` writes this table -->\n", "<!-- /platforms -->"


def test_the_settings_table_is_exactly_the_settings() -> None:
    assert _inside(BEGIN, END) == table(), "run `.venv/bin/python -m tests.test_readme`"


def test_every_variable_that_is_named_anywhere_exists() -> None:
    known = {_variable(kind, name, field) for kind, name, field in _fields()}
    for file in (
        README,
        ROOT / "docs" / "operate.md",
        ROOT / ".env.example",
        ROOT / "CONTRIBUTING.md",
        ROOT / "compose.yaml",
        ROOT / "compose.scale.yaml",
        ROOT / "Dockerfile",
    ):
        named = set(re.findall(r"\b(?:EASEL|DISCORD|SLACK|WAVESPEED)_[A-Z0-9_]+\b", file.read_text(encoding="utf-8")))
        assert named - known - _NOT_SETTINGS == set(), file.name


def test_the_example_names_the_keys_that_have_no_default() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for kind, name, field in _fields():
        if field.is_required():
            assert f"\n{_variable(kind, name, field)}=\n" in example


def test_the_commands_table_is_exactly_the_catalogue() -> None:
    told = re.findall(r"^\| `/([a-z ]+)` \| (.+?) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [(it.name, it.description) for it in CATALOGUE if it.where is Where.SLASH]


def test_the_platforms_table_is_what_each_platform_offers(easel: Easel) -> None:
    assert _inside(PARITY, PARITY_END) == parity(easel), "run `.venv/bin/python -m tests.test_readme`"


def test_every_platform_offers_every_verb(easel: Easel) -> None:
    assert [row for row in parity(easel).splitlines() if "–" in row.split(" | ")] == []


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


# ---- what each platform offers ----


def parity(easel: Easel) -> str:
    """Verb by platform, each asked what it really offers: what Discord registers, Slack's manifest, the page's start."""
    rows = ["| | Discord | Slack | Playground |", "|---|---|---|---|"]
    offers = (_on_discord(easel), _on_slack(easel), _on_the_page(easel))
    for command in CATALOGUE:
        if command.where is Where.FORM:
            continue  # what comes back from Edit and Use as source image
        cells = (offer.get((command.where, command.name), "–") for offer in offers)
        rows.append(f"| {command.description} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


Offer = dict[tuple[Where, str], str]


def _buttons() -> Offer:
    return {(it.where, it.name): "button" for it in CATALOGUE if it.where is Where.BUTTON}


def _on_discord(easel: Easel) -> Offer:
    found = _buttons()
    for made in definitions(CATALOGUE, easel):
        if made.get("type", 1) != 1:
            found[Where.MESSAGE, _titled(made["name"])] = f"Apps → *{made['name']}*"
        elif subs := [it for it in made.get("options", ()) if it["type"] == 1]:
            found |= {(Where.SLASH, f"{made['name']} {it['name']}"): f"`/{made['name']} {it['name']}`" for it in subs}
        else:
            found[Where.SLASH, made["name"]] = f"`/{made['name']}`"
    return found


def _on_slack(easel: Easel) -> Offer:
    made, found = manifest("socket"), _buttons()
    (slash,) = (it["command"] for it in made["features"]["slash_commands"])
    for shortcut in made["features"]["shortcuts"]:
        if shortcut["type"] == "message":
            found[Where.MESSAGE, _titled(shortcut["name"])] = f"⋮ → *{shortcut['name']}*"
    for command in CATALOGUE:
        if command.where is Where.SLASH and typed.read(command.name, easel, CATALOGUE).command is command:
            found[Where.SLASH, command.name] = (
                f"`{slash}`" if f"/{command.name}" == slash else f"`{slash} {command.name}`"
            )
    return found


def _on_the_page(easel: Easel) -> Offer:
    found = _buttons()
    found |= {(Where.SLASH, it["name"]): f"`/{it['name']}`" for it in views.commands_json(CATALOGUE, easel)}
    return found | {(Where.MESSAGE, it["name"]): f"⋯ → *{it['title']}*" for it in views.on_message_json(CATALOGUE)}


def _titled(title: str) -> str:
    return next(it.name for it in CATALOGUE if it.where is Where.MESSAGE and it.title == title)


def _inside(begin: str, end: str) -> str:
    return README.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]


def write() -> None:
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as made:
        for begin, new, end in ((BEGIN, table(), END), (PARITY, parity(made.easel), PARITY_END)):
            before, _, rest = README.read_text(encoding="utf-8").partition(begin)
            README.write_text(before + begin + new + end + rest.partition(end)[2], encoding="utf-8")


if __name__ == "__main__":
    write()
