"""Slack, as one of the chat platforms that Easel speaks with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from adapters.slack.client import Slack
    from adapters.slack.settings import SlackSettings
    from bot.doctor import Check


def connect(settings: SlackSettings | None = None) -> Slack:
    """The platform, not yet logged in.

    Without settings they come from the environment (`SLACK_*`). Raises BadSettings for those that make no sense.
    """
    from adapters.slack.client import Slack  # slack-bolt takes some megabytes: only who uses it loads it

    return Slack(settings or _read(), processes=_processes())


def settings_kind() -> type[SlackSettings]:
    """What the operator chooses for it."""
    from adapters.slack.settings import SlackSettings

    return SlackSettings


def wanted(alone: bool) -> bool:
    """Whether its token is there, or the app's own with which workspaces add it."""
    from bot.settings import raw

    return bool(raw("SLACK_BOT_TOKEN") or raw("SLACK_CLIENT_ID"))


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`manifest`: what an operator pastes when they make the app."""
    from adapters.slack import manifest

    manifest.add_commands(commands)


async def diagnose(settings: SlackSettings | None = None) -> list[Check]:
    """What `doctor` says of Slack: name, whether it is well, and what was found or is to be done."""
    from adapters.slack import checks

    return await checks.diagnose(settings or _read())


def _read() -> SlackSettings:
    from bot.settings import read

    return read(settings_kind())[0]


def _processes() -> int:
    """How many speak with the same token."""
    from bot.settings import Settings, read

    return read(Settings)[0].slots
