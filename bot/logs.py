"""One line per step, for people on a terminal and as JSON elsewhere; libraries' own logs go the same way."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import TextIO, cast

import structlog


class _Lines(io.TextIOBase):
    """Standard error, which may be a file on a full disk or a pipe that is gone: a lost line must not lose a job."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure(level: str) -> None:
    """Send everything to standard error. Prompts, keys and tokens are never put into a line at INFO."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    on_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        # Not structlog's own choice of a traceback, which shows each frame's variables: prompts and tokens.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if on_terminal
        else structlog.processors.JSONRenderer()
    )
    traceback = [] if on_terminal else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *traceback, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Lines())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Lines())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *traceback, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
