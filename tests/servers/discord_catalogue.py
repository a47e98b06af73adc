"""The commands that the bot registered, and what Discord lets a person send with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests.servers.discord_asked import NotOffered
from tests.servers.discord_world import Channel, Payload

STRING, INTEGER, BOOLEAN, NUMBER, ATTACHMENT = 3, 4, 5, 10, 11
SUBCOMMAND, GROUP = 1, 2
_CONTEXTS = {"guild": 0, "bot_dm": 1, "private": 2}


class Catalogue:
    """`scopes` holds the commands by guild id, None for the global ones."""

    def __init__(self, next_id: Callable[[], int], application_id: int) -> None:
        self._next_id = next_id
        self._application_id = application_id
        self.scopes: dict[int | None, list[Payload]] = {None: []}

    def overwrite(self, scope: int | None, sent: list[Payload]) -> list[Payload]:
        """A bulk overwrite: a command of the same name and type keeps its id."""
        known = {(c["type"], c["name"]): c["id"] for c in self.scopes.get(scope, ())}
        self.scopes[scope] = [self._registered(scope, command, known) for command in sent]
        return self.scopes[scope]

    def _registered(self, scope: int | None, sent: Payload, known: Mapping[tuple[int, str], str]) -> Payload:
        kind = sent.get("type") or 1
        permissions = sent.get("default_member_permissions")
        return {
            **sent,
            "id": known.get((kind, sent["name"])) or str(self._next_id()),
            "application_id": str(self._application_id),
            "version": str(self._next_id()),
            "type": kind,
            "description": sent.get("description") or "",
            "default_member_permissions": None if permissions is None else str(permissions),
            "dm_permission": sent.get("dm_permission", True),
            "nsfw": sent.get("nsfw", False),
            **({} if scope is None else {"guild_id": str(scope)}),
        }

    def all(self) -> Iterator[Payload]:
        for commands in self.scopes.values():
            yield from commands

    def find(self, name: str, kind: int, channel: Channel, context: str, *, user_install: bool) -> Payload:
        """Raises NotOffered if nobody could choose this command there."""
        guild = channel.guild.id if channel.guild else None
        offered = [*self.scopes.get(guild, ()), *self.scopes[None]] if guild else self.scopes[None]
        first = name.split(" ")[0] if kind == 1 else name
        for command in offered:
            if command["name"] == first and command["type"] == kind:
                _offered_here(command, channel, context, user_install)
                return command
        raise NotOffered(f"no command {first!r} of type {kind}; registered: {sorted(c['name'] for c in offered)}")


def _offered_here(command: Payload, channel: Channel, context: str, user_install: bool) -> None:
    contexts = command.get("contexts")
    if contexts is not None and _CONTEXTS[context] not in contexts:
        raise NotOffered(f"{command['name']} is not registered for {context!r} (contexts {contexts})")
    installs = command.get("integration_types") or [0]
    if user_install and 1 not in installs:
        raise NotOffered(f"{command['name']} is not registered for people who installed it (types {installs})")
    if command["nsfw"] and channel.guild and not (channel.nsfw or (channel.parent and channel.parent.nsfw)):
        raise NotOffered(f"{command['name']} is age-restricted and the channel is not")


def leaf(command: Payload, name: str) -> tuple[list[str], list[Payload]]:
    """The subcommands on the way ("lora list" → ["list"]) and the options of the last. Raises NotOffered."""
    way, options = name.split(" ")[1:], command.get("options") or []
    for word in way:
        found = [option for option in options if option["name"] == word and option["type"] in (SUBCOMMAND, GROUP)]
        if not found:
            raise NotOffered(f"{command['name']} has no subcommand {word!r}: {[o['name'] for o in options]}")
        options = found[0].get("options") or []
    if any(option["type"] in (SUBCOMMAND, GROUP) for option in options):
        raise NotOffered(f"{name!r} needs one of {[option['name'] for option in options]}")
    return way, options


def filled(known: Iterable[Payload], given: Mapping[str, object], *, focused: str | None = None) -> list[Payload]:
    """The options as Discord sends them, in the registered order. Raises NotOffered for what its form refuses."""
    known = list(known)
    names = [option["name"] for option in known]
    for name in given:
        if name not in names:
            raise NotOffered(f"no option {name!r}; registered: {names}")
    sent = []
    for option in known:
        if option["name"] not in given:
            if option.get("required") and focused is None:
                raise NotOffered(f"the option {option['name']!r} is required")
            continue
        value = given[option["name"]]
        part = {"name": option["name"], "type": option["type"], "value": value}
        if option["name"] == focused:
            sent.append(part | {"value": str(value), "focused": True})
        else:
            _check(option, value)
            sent.append(part)
    return sent


def nested(way: list[str], options: list[Payload]) -> list[Payload]:
    for depth, word in enumerate(reversed(way)):
        options = [{"name": word, "type": SUBCOMMAND if depth == 0 else GROUP, "options": options}]
    return options


_TYPES: dict[int, tuple[type, ...]] = {STRING: (str,), INTEGER: (int,), BOOLEAN: (bool,), NUMBER: (int, float)}


def _check(option: Payload, value: Any) -> None:
    name, kind = option["name"], option["type"]
    wanted = _TYPES.get(kind)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and kind != BOOLEAN)):
        raise NotOffered(f"{name} takes {' or '.join(t.__name__ for t in wanted)}, not {value!r}")
    choices = option.get("choices") or []
    if choices and value not in [choice["value"] for choice in choices]:
        raise NotOffered(f"{name}: {value!r} is none of the choices {[choice['value'] for choice in choices]}")
    size, least, most = (
        (len(value), "min_length", "max_length") if kind == STRING else (value, "min_value", "max_value")
    )
    if kind in (INTEGER, NUMBER, STRING):
        if option.get(least) is not None and size < option[least]:
            raise NotOffered(f"{name}: {value!r} is under {option[least]}")
        if option.get(most) is not None and size > option[most]:
            raise NotOffered(f"{name}: {value!r} is over {option[most]}")
