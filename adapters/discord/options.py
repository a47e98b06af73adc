"""Commands for Discord to register, and what it sends back as checked options: pure, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.easel import Easel
from bot.errors import BadRequest
from bot.images import Range
from commands import values
from commands.spec import Attachment, Choice, Command, Kind, Option, Options, Where

MAX_CHOICES = 25
MAX_OPTIONS = 25
MAX_CHOICE = 100
MAX_WEIGHT = 8000
"""Characters of names, descriptions and choice values in one command together."""
MAX_MESSAGE_COMMANDS = 15

_TYPES = {Kind.TEXT: 3, Kind.INTEGER: 4, Kind.NUMBER: 10, Kind.BOOLEAN: 5, Kind.PICTURE: 11}
_NAME = re.compile(r"[a-z0-9_-]{1,32}")

Json = dict[str, Any]


# ---- what is registered ----


def definitions(catalogue: Sequence[Command], easel: Easel) -> list[Json]:
    """Every command as Discord registers it. Raises ValueError for one that Discord would refuse."""
    typed: dict[str, Json] = {}
    for command in catalogue:
        if command.where is Where.SLASH:
            _add_slash(typed, command, easel)
    messages = [_message_command(command) for command in catalogue if command.where is Where.MESSAGE]
    if len(messages) > MAX_MESSAGE_COMMANDS:
        raise ValueError(f"{len(messages)} message commands; Discord takes {MAX_MESSAGE_COMMANDS}")
    for definition in typed.values():
        if weight(definition) > MAX_WEIGHT:
            raise ValueError(f"/{definition['name']} has more than {MAX_WEIGHT} characters")
    return [*typed.values(), *messages]


def for_guild(definition: Json) -> Json:
    """Contexts and installations belong to global commands only."""
    return {key: value for key, value in definition.items() if key not in ("contexts", "integration_types")}


def weight(definition: Json) -> int:
    """Characters that count against Discord's 8,000 a command."""
    own = len(definition["name"]) + len(definition.get("description", ""))
    choices = sum(len(choice["name"]) + len(str(choice["value"])) for choice in definition.get("choices", ()))
    return own + choices + sum(weight(option) for option in definition.get("options", ()))


def _everywhere(definition: Json) -> Json:
    """In servers, in the bot's and in other direct messages; installed by a server or by a person."""
    return definition | {"contexts": [0, 1, 2], "integration_types": [0, 1]}


def _add_slash(typed: dict[str, Json], command: Command, easel: Easel) -> None:
    first, _, second = command.name.partition(" ")
    if not second:
        typed[first] = _everywhere({"type": 1, **_command(first, command, easel)})
        return
    group = typed.setdefault(
        first, _everywhere({"type": 1, "name": _named(first), "description": f"{first.capitalize()}s", "options": []})
    )
    group["options"].append({"type": 1, **_command(second, command, easel)})


def _command(name: str, command: Command, easel: Easel) -> Json:
    if len(command.options) > MAX_OPTIONS:
        raise ValueError(f"/{command.name} has more than {MAX_OPTIONS} options")
    required_first = sorted(command.options, key=lambda option: not option.required)
    return {
        "name": _named(name),
        "description": _short(command.description, command.name),
        "options": [_option(option, easel) for option in required_first],
    }


def _message_command(command: Command) -> Json:
    title = command.title or command.name
    if not 1 <= len(title) <= 32:
        raise ValueError(f"the message command {title!r} needs 1 to 32 characters")
    return _everywhere({"type": 3, "name": title})


def _option(option: Option, easel: Easel) -> Json:
    made: Json = {
        "type": _TYPES[option.kind],
        "name": _named(option.name),
        "description": _short(option.description, option.name),
    }
    if option.required:
        made["required"] = True
    if option.choices:
        made["choices"] = [_choice(choice) for choice in option.choices]
    elif option.suggest is not None:
        made["autocomplete"] = True
    if option.range is not None:
        made |= _bounds(option.kind, option.range(easel))
    return made


def _bounds(kind: Kind, allowed: Range) -> Json:
    match kind:
        case Kind.TEXT:
            return {"min_length": max(0, int(allowed.low)), "max_length": min(6000, int(allowed.high))}
        case Kind.INTEGER:
            return {"min_value": int(allowed.low), "max_value": int(allowed.high)}
        case Kind.NUMBER:
            return {"min_value": allowed.low, "max_value": allowed.high}
        case _:
            return {}


def _choice(choice: Choice) -> Json:
    return {"name": _short(choice.label, "choice"), "value": _short(choice.value, "choice")}


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for Discord: 1 to 32 of a-z, 0-9, _ and -")
    return name


def _short(text: str, whose: str) -> str:
    if not 1 <= len(text) <= 100:
        raise ValueError(f"{whose}: a text of {len(text)} characters; Discord takes 1 to 100")
    return text


# ---- what was asked ----


def typed_name(data: Mapping[str, Any]) -> tuple[str, list[Json]]:
    """The catalogue's name of a typed command ("lora list") and what was given with it."""
    given: list[Json] = data.get("options") or []
    if given and given[0]["type"] == 1:
        return f"{data['name']} {given[0]['name']}", given[0].get("options") or []
    return data["name"], given


def checked(command: Command, given: Iterable[Json], resolved: Mapping[str, Any], easel: Easel) -> Options:
    """The given values by name. Raises BadRequest for one that is out of its range or of the wrong kind."""
    known = {option.name: option for option in command.options}
    return {
        item["name"]: _value(known[item["name"]], item["value"], resolved, easel)
        for item in given
        if item["name"] in known and item.get("value") is not None
    }


def focused(given: Iterable[Json]) -> tuple[str, str]:
    """The option that is being typed, and its text so far."""
    for item in given:
        if item.get("focused"):
            return item["name"], str(item.get("value", ""))
    return "", ""


def suggestions(choices: Iterable[Choice]) -> list[Json]:
    """At most 25, none longer than Discord takes: a longer value would be cut into another one."""
    fitting = (choice for choice in choices if 1 <= len(choice.value) <= MAX_CHOICE and choice.label)
    return [{"name": choice.label[:MAX_CHOICE], "value": choice.value} for choice in fitting][:MAX_CHOICES]


def pressed(custom_id: str) -> tuple[str, Options] | None:
    """Verb and options of a button, None if it is not one of ours."""
    parts = custom_id.split(":")
    if len(parts) != 4 or parts[0] != "easel" or not parts[3].isdecimal():
        return None
    return parts[1], {"job": parts[2], "argument": int(parts[3])}


def form_name(custom_id: str) -> tuple[str, str] | None:
    """Verb and job of a form that came back, None if it is not one of ours."""
    parts = custom_id.split(":")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "easel-form" else None


def filled(command: Command, job: str, components: Iterable[Json], easel: Easel) -> Options:
    """A form's fields, and its job. An empty field is absent. Raises BadRequest like `checked`."""
    known = {option.name: option for option in command.options}
    found: dict[str, object] = {"job": job}
    for name, text in _fields(components):
        if text.strip():
            found[name] = _value(known[name], text, {}, easel) if name in known else text
    return found


def on_message(data: Mapping[str, Any], channel: str) -> Options:
    """The options of a message command: `message`, its key, and `picture`, its first picture, if it has one."""
    message = (data.get("resolved") or {}).get("messages", {}).get(data["target_id"], {})
    key = f"discord:{message.get('channel_id') or channel}:{data['target_id']}"
    picture = _first_picture(message)
    return {"message": key} | ({"picture": picture} if picture else {})


def _fields(components: Iterable[Json]) -> Iterable[tuple[str, str]]:
    for part in components:
        inner = part.get("component") or {}
        if "custom_id" in inner:
            yield inner["custom_id"], str(inner.get("value") or "")
        yield from ((box["custom_id"], str(box.get("value") or "")) for box in part.get("components") or ())


def _value(option: Option, value: Any, resolved: Mapping[str, Any], easel: Easel) -> object:
    if option.kind is Kind.PICTURE:
        return _attachment(option, str(value), resolved)
    return values.value(option, value, easel)


def _attachment(option: Option, key: str, resolved: Mapping[str, Any]) -> Attachment:
    found = (resolved.get("attachments") or {}).get(key)
    if found is None:
        raise BadRequest(f"The file for {option.name} did not arrive. Please add it again.", field=option.name)
    return _as_attachment(found)


def _as_attachment(found: Mapping[str, Any]) -> Attachment:
    return Attachment(key=found["url"], name=found.get("filename", ""), bytes=int(found.get("size") or 0))


def _first_picture(message: Mapping[str, Any]) -> Attachment | None:
    for found in message.get("attachments") or ():
        if str(found.get("content_type") or "image/").startswith("image/"):
            return _as_attachment(found)
    for media in _gallery(message.get("components") or ()):
        if str(media.get("content_type") or "image/").startswith("image/"):
            return Attachment(key=media["url"], name="", bytes=0)
    return None


def _gallery(components: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for part in components:
        yield from (item["media"] for item in part.get("items") or () if "media" in item)
        yield from _gallery(part.get("components") or ())
