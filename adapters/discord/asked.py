"""One interaction as Discord sent it, read as facts: who, where, what, with which rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.discord.address import DEFAULT_LIMIT, TOKEN_LIFE, Address, born
from bot.jobs import Place, Requester

COMMAND, COMPONENT, AUTOCOMPLETE, FORM = 2, 3, 4, 5
MESSAGE_COMMAND = 3
THREADS = {10, 11, 12}
PRIVATE_CHANNEL = 2
"""The interaction's context in direct messages and groups between people, where the bot is not."""

ADMINISTRATOR = 1 << 3
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
ATTACH_FILES = 1 << 15
SEND_IN_THREADS = 1 << 38

FindRestricted = Callable[[int], bool]
"""Whether the channel with this id is known to be age-restricted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`raw` is the payload of INTERACTION_CREATE."""

    raw: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def token(self) -> str:
        return str(self.raw["token"])

    @property
    def type(self) -> int:
        return int(self.raw["type"])

    @property
    def data(self) -> Mapping[str, Any]:
        return self.raw.get("data") or {}

    @property
    def born(self) -> float:
        """Seconds since 1970, by Discord's clock."""
        return born(self.id)

    @property
    def locale(self) -> str:
        return str(self.raw.get("locale") or "en")

    @property
    def requester(self) -> Requester:
        user = (self.raw.get("member") or {}).get("user") or self.raw["user"]
        return Requester("discord", str(user["id"]), str(user.get("global_name") or user.get("username") or ""))

    @property
    def channel(self) -> str:
        return str(self.raw.get("channel_id") or (self.raw.get("channel") or {}).get("id") or "")

    @property
    def community(self) -> str | None:
        guild = self.raw.get("guild_id")
        return str(guild) if guild else None

    @property
    def in_thread(self) -> bool:
        return (self.raw.get("channel") or {}).get("type") in THREADS

    def place(self, restricted: FindRestricted) -> Place:
        return Place("discord", self.community, self.channel, self._age_restricted(restricted))

    def _age_restricted(self, restricted: FindRestricted) -> bool:
        """A thread has its parent's restriction; what is not known is not age-restricted."""
        channel = self.raw.get("channel") or {}
        if self.in_thread:
            return bool(channel.get("parent_id")) and restricted(int(channel["parent_id"]))
        return bool(channel.get("nsfw"))

    @property
    def outside(self) -> bool:
        """Whether the app is here only because this person installed it: the bot itself can do nothing here."""
        if self.raw.get("context") == PRIVATE_CHANNEL:
            return True
        owners = self.raw.get("authorizing_integration_owners")
        return self.community is not None and owners is not None and "0" not in owners

    @property
    def moderates(self) -> bool:
        rights = int((self.raw.get("member") or {}).get("permissions") or 0)
        return bool(rights & (MANAGE_MESSAGES | ADMINISTRATOR))

    @property
    def missing_permissions(self) -> tuple[str, ...]:
        """In the words of Discord's own settings."""
        told = self.raw.get("app_permissions")
        if self.community is None or told is None or int(told) & ADMINISTRATOR:
            return ()
        send = (SEND_IN_THREADS, "Send Messages in Threads") if self.in_thread else (SEND_MESSAGES, "Send Messages")
        needed = [(ATTACH_FILES, "Attach Files")]
        if not self.outside:
            needed = [(VIEW_CHANNEL, "View Channel"), send, *needed]
        return tuple(name for bit, name in needed if not int(told) & bit)

    @property
    def message(self) -> Mapping[str, Any]:
        """The message whose button was pressed, or that a message command was used on; empty otherwise."""
        if pressed_on := self.raw.get("message"):
            return dict(pressed_on)
        found = (self.data.get("resolved") or {}).get("messages") or {}
        return dict(found.get(str(self.data.get("target_id")), {}))

    def address(self, message: str, *, private: bool) -> Address:
        """Of the message that answers this interaction."""
        return Address(
            channel=self.channel,
            message=message,
            application=str(self.raw["application_id"]),
            requester=self.requester.id,
            nonce=self.id,
            token=self.token,
            expires=self.born + TOKEN_LIFE,
            ephemeral=private,
            outside=self.outside,
            limit=int(self.raw.get("attachment_size_limit") or DEFAULT_LIMIT),
        )


class Lateness:
    """How late an interaction arrives, whatever our own clock says.

    After a reconnect Discord repeats what was missed while its three seconds ran. Our clock may be wrong by more than
    that, so the least delay among the last ones counts as none.
    """

    def __init__(self, remember: int = 16) -> None:
        self._seen: list[float] = []
        self._remember = remember

    def of(self, born: float, now: float) -> float:
        """Seconds."""
        delay = now - born
        late = delay - min(self._seen) if self._seen else delay
        self._seen = [*self._seen, delay][-self._remember :]
        return late
