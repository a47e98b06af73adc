"""The rules of the layout that the import contracts in pyproject.toml can't say."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

import adapters.discord
import adapters.wavespeed
from adapters.discord.settings import DiscordSettings
from adapters.wavespeed.settings import WaveSpeedSettings
from bot.ports import Backend, Platform, Sweeps

if TYPE_CHECKING:
    import adapters.terminal
    from adapters.slack.client import Slack
    from adapters.web.client import Web

    # Checked by mypy: each adapter module fits its protocol, though nothing imports it by name.
    _platforms: tuple[Platform, ...] = (adapters.discord.connect(), adapters.terminal.connect())
    _backends: tuple[Backend, ...] = (adapters.wavespeed.connect(),)
    _sweeping: tuple[type[Sweeps], ...] = (Slack, Web)

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bot", "adapters", "commands")
ADAPTERS = sorted(f"adapters.{it.parent.name}" for it in (ROOT / "adapters").glob("*/__init__.py"))
PLATFORM_LIBRARIES = {"discord", "slack_bolt", "slack_sdk"}


def _imports(file: Path) -> set[str]:
    """The top-level packages that a file imports anywhere, also inside functions and for type checks only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and _named(node) == "import_module" and isinstance(node.args[0], ast.Constant):
            found.add(str(node.args[0].value).partition(".")[0])
    return found


def _named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _sources(*folders: str) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), file


def _who_imports(libraries: set[str], *folders: str) -> set[str]:
    return {name for name, file in _sources(*folders) if _imports(file) & libraries}


def test_the_engine_is_known_to_one_file() -> None:
    assert _who_imports({"dbos"}, *PACKAGES) == {"bot/workflow.py"}


def test_the_heart_and_the_commands_know_no_platform() -> None:
    assert _who_imports(PLATFORM_LIBRARIES, "bot", "commands") == set()


def test_a_platforms_library_is_known_to_its_own_adapter() -> None:
    knowing = _who_imports({"discord"}, "adapters")
    assert knowing
    assert {name.split("/")[1] for name in knowing} == {"discord"}


def test_the_arrows_of_the_layout_point_one_way() -> None:
    assert _who_imports({"commands", "adapters"}, "bot") == set()
    assert _who_imports({"adapters"}, "commands") == set()


def test_only_tests_import_tests() -> None:
    assert _who_imports({"tests"}, *PACKAGES) == set()


def test_every_package_and_every_test_folder_has_its_init() -> None:
    folders = {file.parent for _, file in _sources(*PACKAGES, "tests")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists() and folder.name != "versions"] == []


@pytest.mark.parametrize("module", ["bot.__main__", "bot.settings", "commands", *ADAPTERS])
def test_naming_a_part_loads_nothing_heavy(module: str) -> None:
    heavy = {"discord", "dbos", "PIL", "psycopg", "alembic", "rich"}
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(told.stdout.split())
    assert module in loaded
    assert loaded & heavy == set()


async def test_a_platform_fits_its_port() -> None:
    platform = adapters.discord.connect(DiscordSettings(token=SecretStr("a.b.c"), _env_file=None))
    assert isinstance(platform, Platform)
    assert platform.name == "discord"


def test_a_backend_fits_its_port() -> None:
    backend = adapters.wavespeed.connect(WaveSpeedSettings(api_key=SecretStr("k"), _env_file=None))
    assert isinstance(backend, Backend)
