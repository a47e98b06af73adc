"""Slack's libraries write payloads, addresses with tickets and people's words into their lines: ours say what is needed."""

from __future__ import annotations

import logging


def sdk_logger() -> logging.Logger:
    """For every object of the SDK's: nothing is written."""
    logger = logging.getLogger("slack_sdk.easel")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


def bolt_logger() -> logging.Logger:
    """For the app: only what is broken in itself."""
    logger = logging.getLogger("slack_bolt.easel")
    logger.setLevel(logging.ERROR)
    return logger


def quiet_libraries() -> None:
    for name in ("slack_sdk", "slack_bolt"):
        logging.getLogger(name).setLevel(logging.ERROR)
