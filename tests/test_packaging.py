"""The wheel, looked into: a misspelt package folder would be left out of it without a word."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bot", "adapters", "commands")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("easel_bot-*.whl")
    return zipfile.Path(file)


@pytest.fixture(scope="module")
def names(wheel: zipfile.Path) -> set[str]:
    return {name for name in wheel.root.namelist() if not name.endswith("/")}


def test_every_module_of_ours_is_in_the_wheel(names: set[str]) -> None:
    ours = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert ours <= names
    assert {name for name in names if ".dist-info/" not in name} == ours


def test_what_is_read_at_run_time_and_is_not_a_module_is_in_it_too(names: set[str]) -> None:
    assert "bot/loras.toml" in names
    assert "bot/store/migrations/script.py.mako" in names
    assert any(name.startswith("bot/store/migrations/versions/0001") for name in names)


def test_it_is_installed_under_its_own_name_with_its_command_and_licence(wheel: zipfile.Path) -> None:
    (info,) = (folder for folder in wheel.iterdir() if folder.name.endswith(".dist-info"))
    metadata = message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Name"] == "easel-bot"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "easel = bot.__main__:main" in (info / "entry_points.txt").read_text(encoding="utf-8")
    assert "MIT License" in (info / "licenses" / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_pin_everything_with_hashes_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and line[0].isalnum()]
    entries = text.replace("\\\n", " ").splitlines()
    hashed = [line for line in entries if line and line[0].isalnum() and "--hash=sha256:" in line]
    assert pins
    assert len(hashed) == len(pins)
    assert all("==" in line for line in pins)
    assert not [word for word in ("--index-url", "--extra-index-url", "--find-links", "://") if word in text]


def test_what_runs_is_pinned_alike_in_both_locks() -> None:
    run, dev = (_pins(ROOT / name) for name in ("requirements.lock", "requirements-dev.lock"))
    assert run <= dev


def _pins(lock: Path) -> set[str]:
    return {
        line.split(" ")[0].rstrip("\\")
        for line in lock.read_text(encoding="utf-8").splitlines()
        if line and line[0].isalnum()
    }


def test_the_image_is_made_of_every_package_and_of_what_is_pinned() -> None:
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for package in PACKAGES:
        assert f"COPY {package} ./{package}\n" in recipe
    copied = re.findall(r"^COPY (?!--from)(\S+) ", recipe, re.MULTILINE)
    assert {f"!{name}" for name in copied} <= set(allowed)
    assert "--require-hashes --requirement requirements.lock" in recipe
    images = re.findall(r"^FROM (\S+)", recipe, re.MULTILINE)
    assert [image for image in images if not re.search(r":\d+\.\d+\.\d+", image)] == []
