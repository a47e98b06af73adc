"""What a person is told when a command failed for a fault of ours, and what the log keeps of it."""

from __future__ import annotations

import secrets
import traceback
from pathlib import Path
from typing import Any

from bot.errors import EaselError


def apology(log: Any, command: str, error: Exception, *, of: str = "bot") -> EaselError:
    """Kind words with a reference, which is in the log, too; `of` is what the operator runs, in the person's eyes.

    Only where it happened is logged: the text of an error may hold a prompt or a token.
    """
    reference = secrets.token_hex(3).upper()
    log.error("a command failed", command=command, reference=reference, error=type(error).__name__, at=_where(error))
    return EaselError(
        "Something went wrong on our side, nothing is wrong with what you asked. Please try again; "
        f"if it goes on, tell the people who run this {of}: reference {reference}."
    )


def _where(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
