"""The link that brings the bot into a server, and what `doctor` can tell of the Discord side: no gateway needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from adapters.discord.asked import ADMINISTRATOR, ATTACH_FILES, SEND_IN_THREADS, SEND_MESSAGES, VIEW_CHANNEL
from adapters.discord.rest import Down, Refused, Rest
from adapters.discord.settings import DiscordSettings
from bot.doctor import Check
from bot.errors import KeyRefused, Unreachable

NEEDED = {
    VIEW_CHANNEL: "View Channels",
    SEND_MESSAGES: "Send Messages",
    SEND_IN_THREADS: "Send Messages in Threads",
    ATTACH_FILES: "Attach Files",
}
"""All that the bot ever needs: to see where it was asked, and to post a picture there."""


def invite_url(application_id: int | str) -> str:
    """Opens Discord's own page on which someone who manages a server adds the bot, with the least permissions."""
    wanted = {
        "client_id": application_id,
        "scope": "bot applications.commands",
        "permissions": sum(NEEDED),
    }
    return "https://discord.com/oauth2/authorize?" + urlencode(wanted)


async def application_id(settings: DiscordSettings) -> str:
    """Asked from Discord with the token. Raises KeyRefused or Unreachable."""
    async with Rest(settings.rest, settings.token.get_secret_value()) as rest:
        try:
            return str((await _get(rest, "/oauth2/applications/@me"))["id"])
        except Refused as refused:
            raise KeyRefused(_why(refused)) from None
        except Down as down:
            raise Unreachable("Discord does not answer.", detail=down.reason) from None


async def diagnose(settings: DiscordSettings) -> list[Check]:
    """Never raises; what can't be looked at is not ok and says so."""
    async with Rest(settings.rest, settings.token.get_secret_value()) as rest:
        try:
            me = await _get(rest, "/users/@me")
            application = await _get(rest, "/oauth2/applications/@me")
            gateway = await _get(rest, "/gateway/bot")
            guilds = await _get(rest, "/users/@me/guilds")
        except Refused as refused:
            return [Check("Discord token", False, _why(refused))]
        except Down as down:
            return [Check("Discord", False, f"No answer from {settings.rest} ({down.reason}). Is the network open?")]
    return [
        Check("Discord token", True, f"it belongs to {me.get('username', 'the bot')}"),
        _application(application),
        Check("Discord intents", True, "no privileged intent is needed; all three can stay off"),
        _installation(application),
        _servers(guilds, str(application["id"])),
        _gateway(gateway),
    ]


async def _get(rest: Rest, path: str) -> Any:
    return json.loads(await rest.request("GET", path, bucket=path, as_bot=True, patience=2.0))


def _why(refused: Refused) -> str:
    if refused.status == 401:
        return (
            "Discord refuses it. Copy it anew: developer portal → your application → Bot → Reset Token → DISCORD_TOKEN."
        )
    return f"Discord refuses to tell about it (HTTP {refused.status}). Try again in a few minutes."


def _application(application: Mapping[str, Any]) -> Check:
    if application.get("interactions_endpoint_url"):
        return Check(
            "Discord application",
            False,
            "An Interactions Endpoint URL is set, so no command reaches the bot. "
            "Clear it in the developer portal under General Information.",
        )
    return Check("Discord application", True, f"{application.get('name', '')} ({application['id']})".strip())


def _installation(application: Mapping[str, Any]) -> Check:
    """Where the portal tells nothing, installing in servers is Discord's default."""
    configured = application.get("integration_types_config")
    if configured is None or {"0", "1"} <= configured.keys():
        return Check("Discord installation", True, "in servers and by single people")
    if "0" in configured:
        return Check(
            "Discord installation",
            True,
            "in servers; to let people use it everywhere, tick User Install in the developer portal under Installation",
        )
    return Check(
        "Discord installation",
        False,
        "Tick Guild Install in the developer portal under Installation to add it to servers.",
    )


def _servers(guilds: Sequence[Mapping[str, Any]], application: str) -> Check:
    if not guilds:
        return Check("Discord servers", True, f"in none yet; add it with {invite_url(application)}")
    lacking = [f"{guild.get('name', guild['id'])}: {', '.join(names)}" for guild in guilds if (names := _lacks(guild))]
    if not lacking:
        return Check("Discord servers", True, f"in {len(guilds)}, with all permissions")
    more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
    return Check(
        "Discord servers", False, f"Permissions are missing in {'; '.join(lacking[:5])}{more}. Give them to its role."
    )


def _lacks(guild: Mapping[str, Any]) -> list[str]:
    rights = int(guild.get("permissions") or 0)
    if rights & ADMINISTRATOR:
        return []
    return [name for bit, name in NEEDED.items() if not rights & bit]


def _gateway(gateway: Mapping[str, Any]) -> Check:
    left = int((gateway.get("session_start_limit") or {}).get("remaining", 1))
    if left < int(gateway.get("shards") or 1):
        return Check("Discord gateway", False, "Too many starts today; Discord lets the bot connect again tomorrow.")
    return Check("Discord gateway", True, f"{gateway.get('shards', 1)} shard(s), {left:,} starts left today")
