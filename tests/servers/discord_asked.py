"""One thing that one person asked on the local Discord: the interaction, its life, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers.discord_world import Changes, Channel, Message, Payload, User, walk

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
MESSAGE, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9

ANSWERS = {
    COMMAND: {MESSAGE, DEFER, MODAL},
    COMPONENT: {MESSAGE, DEFER, DEFER_UPDATE, UPDATE, MODAL},
    AUTOCOMPLETE: {CHOICES},
    MODAL_SUBMIT: {MESSAGE, DEFER, DEFER_UPDATE, UPDATE},
}
"""Which kinds of answer each kind of interaction takes (discord-api-docs, interactions/receiving-and-responding)."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The first response. `at` in the event loop's seconds, `ms` since the person pressed enter."""

    at: float
    type: int
    ms: float
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class ModalField:
    id: str
    label: str
    kind: int
    value: str = ""
    required: bool = True
    most: int = 4000
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Modal:
    """A form on the person's screen."""

    id: str
    title: str
    components: list[Payload]
    fields: dict[str, ModalField] = field(default_factory=dict)
    """By custom id."""

    @classmethod
    def read(cls, data: Payload) -> Modal:
        fields: dict[str, ModalField] = {}
        for part in data["components"]:
            label = part.get("label") or ""
            for child in walk([part]):
                if child.get("custom_id"):
                    fields[child["custom_id"]] = _field(child, label or child.get("label") or "")
        return cls(data["custom_id"], data["title"], data["components"], fields)

    def __getitem__(self, name: str) -> ModalField:
        """A field by custom id or label. Raises LookupError that names what there is."""
        for known in self.fields.values():
            if name in (known.id, known.label) or name.lower() == known.label.lower():
                return known
        raise LookupError(f"no field {name!r} in {self.title!r}: {[(f.id, f.label) for f in self.fields.values()]}")


def _field(part: Payload, label: str) -> ModalField:
    return ModalField(
        id=part["custom_id"],
        label=label,
        kind=part["type"],
        value=part.get("value") or "",
        required=part.get("required", True) is not False,
        most=part.get("max_length") or 4000,
        options=tuple(option["value"] for option in part.get("options") or ()),
    )


@dataclass(eq=False, slots=True)
class Asked:
    """What a test holds after `server.command(...)`, `press`, `submit_modal` or `message_command`."""

    id: int
    token: str
    kind: int
    user: User
    channel: Channel
    data: Payload
    asked_at: float
    created_at: float
    """In the event loop's seconds; before `asked_at` when the interaction was made older on purpose."""
    source: Message | None = None
    """The message whose button was pressed, if any."""
    user_installed: bool = False
    forced_ephemeral: bool = False
    ack: Ack | None = None
    failed: bool = False
    """Not answered within 3 s: the person reads "The application did not respond"."""
    expired: bool = False
    """The token was made to die early."""
    original: Message | None = None
    messages: list[Message] = field(default_factory=list)
    """All messages made through this interaction, the first answer first; deleted ones too."""
    followups: int = 0
    modal: Modal | None = None
    choices: list[Payload] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    timer: asyncio.TimerHandle | None = None

    @property
    def message(self) -> Message | None:
        """The message that answers and can be seen (by this person at least), or None."""
        seen = [m for m in (self.original, *self.messages) if m is not None and not m.deleted]
        return seen[0] if seen else None

    @property
    def public(self) -> Message | None:
        """The message that answers, if everyone there sees it."""
        seen = [m for m in (self.original, *self.messages) if m is not None and not m.deleted and not m.ephemeral]
        return seen[0] if seen else None

    @property
    def private(self) -> list[str]:
        """The texts that only this person sees, the first answer included if it is ephemeral."""
        return [m.text for m in self.messages if m.ephemeral and not m.thinking and not m.deleted]

    async def acked(self, timeout: float = 5.0) -> Asked:
        """Until it is answered, or has failed."""
        await self._wait(lambda: self.ack or self.failed, timeout)
        return self

    async def until(self, wanted: Callable[[Message], object], timeout: float = 10.0) -> Message:
        """Until the message that answers is as wanted. Raises TimeoutError that shows it as it is."""
        await self._wait(lambda: self.message is not None and wanted(self.message), timeout)
        assert self.message is not None
        return self.message

    async def settled(self, timeout: float = 10.0, running: Callable[[Message], bool] | None = None) -> Message:
        """Until the message shows nothing that runs: by default, it neither "thinks" nor offers Cancel."""
        still = running or offers_cancel
        return await self.until(lambda message: not message.thinking and not still(message), timeout)

    async def told(self, timeout: float = 5.0) -> str:
        """Until the person is told something privately; returns all of it."""
        await self._wait(lambda: self.private, timeout)
        return "\n".join(self.private)

    async def _wait(self, question: Callable[[], object], timeout: float) -> None:
        await self.changes.until(question, timeout, self.__repr__)

    def attach(self, message: Message) -> None:
        if message not in self.messages:
            self.messages.append(message)
        self.watch(message)

    def watch(self, message: Message) -> None:
        if self.changes not in message.watchers:
            message.watchers.append(self.changes)

    def __repr__(self) -> str:
        state = "failed" if self.failed else f"answered with type {self.ack.type}" if self.ack else "not answered"
        return f"<asked {self.data.get('name') or self.data.get('custom_id')!r}: {state}, {self.messages}>"


def offers_cancel(message: Message) -> bool:
    return any("cancel" in label.lower() for label in message.buttons)


@dataclass(frozen=True, slots=True)
class Suggested:
    """The answer to what was typed so far. `ms` since the key was pressed."""

    choices: tuple[tuple[str, Any], ...]
    ms: float

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.choices]

    @property
    def values(self) -> list[Any]:
        return [value for _, value in self.choices]


class NotOffered(AssertionError):
    """Discord would not have let a person do this: no such command, option, choice, button or field there."""


def modal_answers(modal: Modal, typed: Mapping[str, object]) -> dict[str, object]:
    """What the form holds when it is sent, by custom id; what was not typed keeps its value. Raises NotOffered."""
    answers: dict[str, object] = {known.id: known.value for known in modal.fields.values()}
    for name, value in typed.items():
        try:
            answers[modal[name].id] = value
        except LookupError as error:
            raise NotOffered(str(error)) from None
    for known in modal.fields.values():
        text = answers[known.id]
        if known.required and text in ("", None) and known.kind == 4:
            raise NotOffered(f"{known.label!r} is required")
        if known.kind == 4 and isinstance(text, str) and len(text) > known.most:
            raise NotOffered(f"{known.label!r} takes at most {known.most} characters")
    return answers


def modal_components(parts: list[Payload], answers: Mapping[str, object]) -> list[Payload]:
    """The form as Discord sends it back: the same tree with the values in it."""
    sent: list[Payload] = []
    for number, part in enumerate(parts, 1):
        shown: Payload = {"type": part["type"], "id": part.get("id") or number}
        if part["type"] == 1:
            shown["components"] = modal_components(part["components"], answers)
        elif part["type"] == 18:
            shown["component"] = modal_components([part["component"]], answers)[0]
        elif part.get("custom_id"):
            value = answers[part["custom_id"]]
            shown["custom_id"] = part["custom_id"]
            if part["type"] in (4, 21, 23):
                shown["value"] = value
            else:
                shown["values"] = [value] if isinstance(value, str) and value else list(value or ())  # type: ignore[call-overload]
        sent.append(shown)
    return sent
