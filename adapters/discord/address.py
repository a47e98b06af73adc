"""Where a visible message is, as text that outlives the process."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

TOKEN_LIFE = 15 * 60
"""Seconds that an interaction's token lives (Discord: interactions/receiving-and-responding)."""
EPOCH_MS = 1_420_070_400_000
"""Discord's ids count milliseconds from the start of 2015."""
DEFAULT_LIMIT = 10 * 1024 * 1024
"""Bytes of one attachment that Discord takes where nothing else was said."""


def born(snowflake: str) -> float:
    """When Discord made this id, in seconds since 1970."""
    return ((int(snowflake) >> 22) + EPOCH_MS) / 1000


@dataclass(frozen=True, slots=True)
class Address:
    """One message. `token` edits it until `expires` (seconds since 1970), afterwards only the bot itself can.

    `token_only` says that the bot can't: the message is ephemeral, or the bot is not a member where it stands.
    `nonce` makes a new message in its place unique.
    """

    channel: str
    message: str
    application: str
    requester: str
    nonce: str
    token: str = ""
    expires: float = 0.0
    ephemeral: bool = False
    outside: bool = False
    """The app is there only by a person's own installation."""
    limit: int = DEFAULT_LIMIT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for a text that is no address."""
        try:
            found: dict[str, Any] = json.loads(text)
            return cls(**{_LONG[key]: value for key, value in found.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError("not the address of a Discord message") from error

    def __str__(self) -> str:
        named = {short: getattr(self, long) for short, long in _LONG.items()}
        return json.dumps({key: value for key, value in named.items() if value != ""}, separators=(",", ":"))

    @property
    def key(self) -> str:
        return f"discord:{self.channel}:{self.message}"

    @property
    def token_only(self) -> bool:
        return self.ephemeral or self.outside

    def token_left(self, now: float) -> float:
        """Seconds that the token can still be used."""
        return self.expires - now if self.token else 0.0

    @property
    def closes_at(self) -> datetime | None:
        """When the last way to this message ends; None if the bot can always edit it."""
        return datetime.fromtimestamp(self.expires, UTC) if self.token_only else None

    def cleared(self) -> Self:
        return replace(self, token="", expires=0.0)


_LONG = {
    "c": "channel",
    "m": "message",
    "a": "application",
    "r": "requester",
    "n": "nonce",
    "t": "token",
    "x": "expires",
    "e": "ephemeral",
    "o": "outside",
    "l": "limit",
}


def message_of(text: str) -> tuple[str, str]:
    """Channel and message id of an address or of a message key. Raises ValueError for anything else."""
    if text.startswith("discord:"):
        _, channel, message = text.split(":", 2)
        return channel, message
    address = Address.parse(text)
    return address.channel, address.message
