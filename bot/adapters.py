"""The adapters that are there, found by looking: the heart names none of them."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

from pydantic_settings import BaseSettings

from bot.errors import BadSettings

if TYPE_CHECKING:
    from bot.doctor import Check
    from bot.settings import Settings

PACKAGE = "adapters"

Subcommands = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


class Adapter(Protocol):
    """What a module under `adapters/` offers. It reads its own settings, and loads its libraries only when asked.

    An image API or a chat platform has `connect`, `settings_kind` and `diagnose`. What else it has is optional.
    """

    def connect(self) -> object: ...

    def settings_kind(self) -> type[BaseSettings]: ...

    async def diagnose(self) -> list[Check]: ...


class Chat(Protocol):
    """An adapter that is served without being named."""

    def wanted(self, alone: bool) -> bool:
        """Whether its token is there; or, when no other platform's is (`alone`), whether it needs none."""


class Commanding(Protocol):
    """An adapter with commands of its own for `python -m bot`."""

    def add_commands(self, commands: Subcommands[argparse.ArgumentParser]) -> None: ...


@cache
def names() -> tuple[str, ...]:
    package = importlib.import_module(PACKAGE)
    return tuple(sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg))


def adapter(name: str) -> Adapter:
    """The module `adapters.<name>`. Raises BadSettings if there is none."""
    if name not in names():
        raise BadSettings(f"EASEL_PLATFORMS, EASEL_BACKEND: there is no “{name}”; Easel has {_listed(names())}")
    return cast(Adapter, importlib.import_module(f"adapters.{name}"))


def platforms(settings: Settings) -> tuple[str, ...]:
    """The chat platforms to serve: those named, else those whose token is there, else what needs none."""
    return settings.platforms or usual_platforms()


def usual_platforms() -> tuple[str, ...]:
    chats = [(name, cast(Chat, found)) for name, found in _all() if hasattr(found, "wanted")]
    wanted = tuple(name for name, chat in chats if chat.wanted(alone=False))
    return wanted or tuple(name for name, chat in chats if chat.wanted(alone=True))


def stand_ins() -> tuple[str, ...]:
    """The platforms that need no account: what there is for who only looks around."""
    chats = [(name, cast(Chat, found)) for name, found in _all() if hasattr(found, "wanted")]
    return tuple(name for name, chat in chats if chat.wanted(alone=True) and not chat.wanted(alone=False))


def accounts() -> tuple[str, ...]:
    """The platforms that need an account."""
    return tuple(name for name, found in _all() if hasattr(found, "wanted") and name not in stand_ins())


def add_commands(commands: Subcommands[argparse.ArgumentParser]) -> None:
    """Everything that the adapters add to the command line."""
    for _, found in _all():
        if hasattr(found, "add_commands"):
            cast(Commanding, found).add_commands(commands)


def chats() -> str:
    """For people to read: the platforms that can be named."""
    return _listed([name for name, found in _all() if hasattr(found, "wanted")])


def _all() -> Iterator[tuple[str, object]]:
    return ((name, importlib.import_module(f"adapters.{name}")) for name in names())


def _listed(found: tuple[str, ...] | list[str]) -> str:
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)
