from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from bot import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def configured(monkeypatch: pytest.MonkeyPatch, level: str = "INFO", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream or io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(level)
    return stream


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_step_is_one_line_of_json_with_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    structlog.get_logger().info("submitted", job="01ABC", seconds=0.1)
    (record,) = records(stream)
    assert record.pop("timestamp")
    assert record == {"event": "submitted", "job": "01ABC", "seconds": 0.1, "level": "info"}


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs may lie on the very disk that the pictures filled."""
    configured(monkeypatch, stream=Full())
    structlog.get_logger().info("submitted", job="01ABC")
    structlog.get_logger().exception("fault", job="01ABC")
    logging.getLogger("discord").error("a library's line")


def test_an_exception_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        structlog.get_logger().exception("fault", job="01ABC")
    (record,) = records(stream)
    assert "ValueError: broken" in str(record["exception"])


def test_what_is_below_the_level_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, "WARNING")
    log = structlog.get_logger()
    log.info("no")
    log.warning("yes")
    assert [record["event"] for record in records(stream)] == ["yes"]


def test_libraries_go_the_same_way_from_warnings_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch)
    logging.getLogger("a.library").info("chatter")
    logging.getLogger("a.library").warning("slow: %s", "disk")
    (record,) = records(stream)
    assert (record["event"], record["logger"], record["level"]) == ("slow: disk", "a.library", "warning")


def test_a_terminal_gets_lines_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, stream=Terminal())
    structlog.get_logger().info("submitted", job="01ABC")
    (line,) = stream.getvalue().splitlines()
    assert "submitted" in line
    assert not line.startswith("{")


def test_no_variable_of_a_failing_line_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = configured(monkeypatch, stream=Terminal())
    try:
        prompt = "".join(["a secret", " fox"])
        int(prompt[:0])
    except ValueError:
        structlog.get_logger().exception("fault", job="01ABC")
    assert "ValueError" in stream.getvalue()
    assert "secret fox" not in stream.getvalue()
