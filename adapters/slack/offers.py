"""“Send it to me directly instead”: what could not be drawn in a channel, on a button, to be drawn for the one who asked."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from adapters.slack.names import DIRECT
from adapters.slack.render import MAX_VALUE
from bot.cards import Action
from bot.errors import BadRequest
from commands.spec import Attachment, Command, Options

MOST_HELD = 1000
HELD = "held"
ROOM = MAX_VALUE - 10


class Offers:
    """A button carries what fits on it; what doesn't is kept here, the newest thousand, until a restart."""

    def __init__(self, catalogue: Sequence[Command]) -> None:
        self._commands = {(it.where.value, it.name): it for it in catalogue}
        self._kept: OrderedDict[str, str] = OrderedDict()

    def button(self, command: Command, options: Options) -> Action:
        said = pack(command, options)
        if len(said) > ROOM:
            said = self._keep(said)
        return Action(DIRECT, said, "Send it to me directly instead", "📨")

    def taken(self, said: str) -> tuple[Command, dict[str, object]]:
        """What the button carried. Raises BadRequest where it is no longer known."""
        kept = self._kept.get(said, said)
        found = unpack(kept)
        command = self._commands.get((found[0], found[1])) if found else None
        if found is None or command is None:
            raise BadRequest("I no longer have that at hand. Please ask for it once more.")
        return command, dict(found[2])

    def _keep(self, said: str) -> str:
        token = f"{HELD}-{secrets.token_hex(8)}"
        self._kept[token] = said
        while len(self._kept) > MOST_HELD:
            self._kept.popitem(last=False)
        return token


def pack(command: Command, options: Options) -> str:
    said = {name: _written(value) for name, value in options.items()}
    return json.dumps([command.where.value, command.name, said], separators=(",", ":"), ensure_ascii=False)


def unpack(text: str) -> tuple[str, str, Mapping[str, object]] | None:
    """Where, name and options; None for what is nothing that `pack` made."""
    try:
        where, name, said = json.loads(text)
        return str(where), str(name), {key: _read(value) for key, value in said.items()}
    except (ValueError, TypeError, AttributeError):
        return None


def _written(value: object) -> object:
    return [value.key, value.name, value.bytes] if isinstance(value, Attachment) else value


def _read(value: object) -> object:
    return Attachment(*value) if isinstance(value, list) else value
