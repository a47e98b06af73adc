"""The operator's own terminal, as a platform that asks for one picture and ends."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from adapters.terminal.platform import Terminal
    from bot.errors import BadSettings


def connect(given: argparse.Namespace | None = None, out: Path | None = None) -> Terminal:
    """The platform, which draws what was `given` on the command line and saves it in `out`.

    Raises BadSettings when nothing was given: nobody can chat on it.
    """
    from pathlib import Path

    from adapters.terminal.options import asked
    from adapters.terminal.platform import Terminal
    from adapters.terminal.screen import screen

    if given is None:
        raise _no_chat()
    return Terminal(asked(given), out or Path("pictures"), screen())


def settings_kind() -> NoReturn:
    """It has none. Raises BadSettings, since who asks takes it for a chat platform."""
    raise _no_chat()


def _no_chat() -> BadSettings:
    from bot.errors import BadSettings

    return BadSettings("EASEL_PLATFORMS: the terminal is no chat platform; use `python -m bot imagine`.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `imagine` takes on the command line: the options of the chat's /imagine."""
    from adapters.terminal.options import add_arguments

    add_arguments(parser)
