"""One thing that Slack told us somebody asked, read as facts: who, where, what, and how it can be answered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from slack_bolt.request.internals import extract_enterprise_id, extract_team_id, extract_user_id

from adapters.slack.address import message_key
from adapters.slack.names import BUTTON
from bot.jobs import Place, Requester
from commands.spec import Attachment

READABLE = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Kind(StrEnum):
    COMMAND = "command"
    """The slash command, with its text."""
    MENTION = "mention"
    """@easel in a channel or thread, or a message in its direct messages."""
    BUTTON = "button"
    SHORTCUT = "shortcut"
    """The global one."""
    ON_MESSAGE = "on message"
    """A shortcut used on a message."""
    VIEW = "view"
    """A modal came back."""
    SUGGESTION = "suggestion"
    """Somebody types into a field that offers choices."""
    HOME = "home"
    """The App Home was opened."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`body` is the payload as Slack sent it; `headers` those of its request, in small letters."""

    kind: Kind
    body: Mapping[str, Any]
    headers: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What a modal remembered of where it was opened."""

    # ---- who ----

    @property
    def team(self) -> str:
        """The workspace whose token answers."""
        return str(extract_team_id(dict(self.body)) or "")

    @property
    def enterprise(self) -> str:
        return str(extract_enterprise_id(dict(self.body)) or "")

    @property
    def user(self) -> str:
        return str(extract_user_id(dict(self.body)) or "")

    @property
    def name(self) -> str:
        """As far as the payload tells it; events don't."""
        user = self.body.get("user")
        if isinstance(user, Mapping):
            return str(user.get("name") or user.get("username") or "")
        return str(self.body.get("user_name") or "")

    def requester(self, name: str = "") -> Requester:
        """A user id counts together with the workspace that is spoken to, or the organisation that this one is part of."""
        return Requester("slack", f"{self.enterprise or self.team}-{self.user}", self.name or name or "someone")

    # ---- where ----

    @property
    def event(self) -> Mapping[str, Any]:
        return self.body.get("event") or {}

    @property
    def message(self) -> Mapping[str, Any]:
        """The message whose button was pressed, or that a shortcut was used on; empty otherwise."""
        return self.body.get("message") or {}

    @property
    def channel(self) -> str:
        """Empty where nobody said: then it is the direct messages with the requester."""
        told = self.body.get("channel") or {}
        found = told.get("id") if isinstance(told, Mapping) else told
        return str(
            found
            or self.body.get("channel_id")
            or self.event.get("channel")
            or (self.body.get("container") or {}).get("channel_id")
            or self.metadata.get("channel")
            or ""
        )

    @property
    def thread(self) -> str:
        """The ts of the thread's first message, if it was asked within a thread."""
        if self.kind is Kind.VIEW:
            return str(self.metadata.get("thread") or "")
        said = self.event or self.message or self.body.get("container") or {}
        thread = str(said.get("thread_ts") or (self.body.get("container") or {}).get("thread_ts") or "")
        return "" if thread == str(said.get("ts") or "") else thread  # a thread's first message stands in the channel

    @property
    def from_home(self) -> bool:
        return (self.body.get("container") or {}).get("type") == "view" and not self.channel

    def place(self, channel: str) -> Place:
        """`channel` is the real one, or the person whose direct messages it is. These belong to no community."""
        return Place("slack", None if channel.startswith(("D", "U", "W")) else self.team, channel)

    # ---- what ----

    @property
    def delivery_key(self) -> str:
        """The same for everything that Slack delivers twice."""
        named = self.body.get("event_id") or self.body.get("trigger_id")
        if named:
            return str(named)[:190]
        said = json.dumps(self.body, sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    @property
    def trigger(self) -> str:
        return str(self.body.get("trigger_id") or "")

    @property
    def response_url(self) -> str:
        if url := self.body.get("response_url"):
            return str(url)
        urls = self.body.get("response_urls") or []
        return str(urls[0].get("response_url") or "") if urls else ""

    @property
    def retried(self) -> bool:
        return "x-slack-retry-num" in self.headers

    @property
    def born(self) -> float | None:
        """When a command was typed or a button pressed, by Slack's clock; None where nobody tells."""
        if self.kind is Kind.BUTTON and self.actions:
            return _seconds(self.actions[0].get("action_ts"))
        return _seconds(_first(self.headers.get("x-slack-request-timestamp"))) if self.kind is Kind.COMMAND else None

    @property
    def text(self) -> str:
        """What was typed, as it was meant: without Slack's escapes, and without the mention of the bot itself."""
        return unfold(str(self.body.get("text") or self.event.get("text") or ""))

    @property
    def pictures(self) -> tuple[Attachment, ...]:
        """The pictures that came with a message."""
        return tuple(attachments(self.event.get("files") or self.message.get("files") or ()))

    @property
    def unreadable(self) -> str:
        """The name of a file that came with a message and is no picture that can be read; empty if there is none."""
        files = [file for file in self.event.get("files") or () if file.get("id") and file.get("mode") != "tombstone"]
        return next((str(file.get("name") or "that file") for file in files if not any(attachments([file]))), "")

    @property
    def actions(self) -> list[Mapping[str, Any]]:
        return list(self.body.get("actions") or [])

    @property
    def message_key(self) -> str:
        ts = str(self.message.get("ts") or "")
        return message_key(self.channel, ts) if ts else ""

    @property
    def job_of_message(self) -> str:
        """The job whose buttons stand under the message, empty if there are none of ours."""
        for block in self.message.get("blocks") or ():
            for element in block.get("elements") or () if block.get("type") == "actions" else ():
                if str(element.get("action_id") or "").startswith(BUTTON) and element.get("value"):
                    return pressed(element)[1]
        return ""


def is_for_us(event: Mapping[str, Any]) -> bool:
    """Whether a message is one that a person just wrote: no edit, no bot's, no notice of Slack's own."""
    if event.get("bot_id") or event.get("bot_profile") or event.get("edited") or event.get("hidden"):
        return False
    return bool(event.get("user")) and event.get("subtype") in (None, "file_share", "thread_broadcast")


def pressed(element: Mapping[str, Any]) -> tuple[str, str, int]:
    """Verb, job and argument of a button: action id `easel:<verb>:<n>`, value `<job>:<argument>`."""
    verb = str(element.get("action_id") or "").removeprefix(BUTTON).split(":")[0]
    job, _, argument = str(element.get("value") or "").partition(":")
    return verb, job, int(argument) if argument.isdecimal() and len(argument) < 5 else 0


def attachments(files: Any) -> Iterator[Attachment]:
    """Those of Slack's files that may be pictures; their key is the file's id.

    A type is missing as long as Slack looks for malware: then their bytes decide.
    """
    for file in files:
        kind = str(file.get("mimetype") or "")
        if file.get("id") and (kind in READABLE or not kind) and file.get("mode") != "tombstone":
            yield Attachment(str(file["id"]), str(file.get("name") or "picture"), int(file.get("size") or 0))


_FOLDED = re.compile(r"<(?P<mark>[@#!]?)(?P<what>[^<>|\s]+)(?:\|(?P<label>[^<>]*))?>")


def unfold(text: str) -> str:
    """Text as it was typed: `<https://x|x>` is x, a channel is its name, a mention falls away; &lt; is <.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    text = _FOLDED.sub(_unfolded, text)
    for escape, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escape, character)
    return text.replace("\xa0", " ").strip()


def _unfolded(match: re.Match[str]) -> str:
    what, label = match["what"], match["label"]
    match match["mark"]:
        case "@":
            return label or ""
        case "#":
            return f"#{label}" if label else ""
        case "!":
            return label or ""
        case _:
            return label or what.removeprefix("mailto:")


def _seconds(text: Any) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
