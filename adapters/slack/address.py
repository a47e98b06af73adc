"""Where a visible message is, as text that outlives the process."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Address:
    """One message, or the place where it will stand: `message` is its ts, empty while there is none.

    No token: the workspace's own is looked up by `enterprise` and `team`.
    """

    channel: str
    requester: str
    """The person's user id, for direct messages."""
    team: str = ""
    enterprise: str = ""
    message: str = ""
    thread: str = ""
    """The ts of the thread's first message, where it was asked in a thread."""
    nonce: str = ""
    """Names an open answer; empty once it is closed."""
    files: tuple[str, ...] = ()
    """Ids of the uploaded pictures."""
    sharing: float = 0.0
    """When Slack was first asked to share the files in a message, in seconds since 1970; 0 before that, and after."""

    uploads: int = 0
    """How often the pictures were uploaded, for as long as it is open."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for a text that is no address."""
        try:
            found: dict[str, Any] = json.loads(text)
            values = {_LONG[key]: value for key, value in found.items()}
            if "files" in values:
                values["files"] = tuple(values["files"])
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError("not the address of a Slack message") from error

    def __str__(self) -> str:
        named = {short: getattr(self, long) for short, long in _LONG.items()}
        return json.dumps({key: value for key, value in named.items() if value}, separators=(",", ":"))

    @property
    def key(self) -> str:
        """`slack:CHANNEL:TS`; what has no message yet is named by its nonce."""
        return message_key(self.channel, self.message or f"~{self.nonce or '-'.join(self.files)}")

    @property
    def direct(self) -> bool:
        """Whether it stands in direct messages, where nobody but the requester sees it."""
        return self.channel.startswith("D")

    @property
    def shared(self) -> bool:
        """Whether it is closed, with the files in its message."""
        return bool(self.files) and not self.nonce and not self.sharing

    def posted(self, channel: str, ts: str) -> Self:
        return replace(self, channel=channel, message=ts)

    def closed(self) -> Self:
        return replace(self, nonce="", sharing=0.0, uploads=0)


_LONG = {
    "c": "channel",
    "r": "requester",
    "t": "team",
    "e": "enterprise",
    "m": "message",
    "h": "thread",
    "n": "nonce",
    "f": "files",
    "s": "sharing",
    "u": "uploads",
}


def new_nonce() -> str:
    return secrets.token_hex(6)


def message_key(channel: str, ts: str) -> str:
    return f"slack:{channel}:{ts}"


def message_of(text: str) -> tuple[str, str]:
    """Channel and ts of an address or of a message key. Raises ValueError for anything else."""
    if text.startswith("slack:"):
        _, channel, ts = text.split(":", 2)
        return channel, ts
    address = Address.parse(text)
    return address.channel, address.message
