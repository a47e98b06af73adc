"""Discord, as one of the chat platforms that Easel speaks with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from adapters.discord.settings import DiscordSettings
    from bot.doctor import Check
    from bot.ports import Platform


def connect(settings: DiscordSettings | None = None) -> Platform:
    """The platform, not yet logged in.

    Without settings they come from the environment (`DISCORD_*`). Raises BadSettings for those that make no sense.
    """
    from adapters.discord.client import Discord  # discord.py takes 10 MB: only who uses it loads it

    return Discord(settings or _read(), processes=_processes())


def settings_kind() -> type[DiscordSettings]:
    """What the operator chooses for it."""
    from adapters.discord.settings import DiscordSettings

    return DiscordSettings


def wanted(alone: bool) -> bool:
    """Whether its token is there."""
    from bot.settings import raw

    return bool(raw("DISCORD_TOKEN"))


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`invite`: the link that adds the bot to a server."""
    invite = commands.add_parser("invite", help="print the link that adds the bot to a Discord server")
    invite.add_argument("--application", metavar="ID", help="the application's id, if there is no token yet")
    invite.set_defaults(run=_invite)


def _invite(arguments: argparse.Namespace) -> int:
    import asyncio

    print(invite_url(arguments.application or asyncio.run(application_id())))  # noqa: T201 - the command's output
    return 0


def _read() -> DiscordSettings:
    from bot.settings import read

    return read(settings_kind())[0]


def _processes() -> int:
    """How many speak with the same token."""
    from bot.settings import Settings, read

    return read(Settings)[0].slots


def invite_url(application_id: int | str) -> str:
    """The link with which someone who manages a server adds the bot, with the least permissions."""
    from adapters.discord import invite

    return invite.invite_url(application_id)


async def application_id(settings: DiscordSettings | None = None) -> str:
    """The application that the token belongs to. Raises KeyRefused or Unreachable."""
    from adapters.discord import invite

    return await invite.application_id(settings or _read())


async def diagnose(settings: DiscordSettings | None = None) -> list[Check]:
    """What `doctor` says of Discord: name, whether it is well, and what was found or is to be done."""
    from adapters.discord import invite

    return await invite.diagnose(settings or _read())
