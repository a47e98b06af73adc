"""Discord's rules for what a bot sends, as pure functions: each returns what is wrong, in plain words, or nothing.

Here stand the rules that discord.py does not check and Discord's OpenAPI description does not tell. Limits: the
platforms page of the handbook and discord-api-docs (resources/message, components/reference, application-commands).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers.discord_world import COMPONENTS_V2, EPHEMERAL, Payload, walk

ROW, BUTTON, SELECT, INPUT = 1, 2, 3, 4
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER, LABEL = 9, 10, 11, 12, 13, 14, 17, 18
ONLY_V2 = frozenset({SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER})
SELECTS = frozenset({3, 5, 6, 7, 8})

MOST_NESTED, MOST_SHOWN, MOST_COMMAND = 40, 4000, 8000
MOST_FILES, MOST_CHOICES, MOST_OPTIONS = 10, 25, 25


@dataclass(frozen=True, slots=True)
class Sending:
    """One message body and what it meets: the message before an edit, and the files that came with it."""

    body: Payload
    uploads: Mapping[int, tuple[str, int]]
    """What came as `files[n]`: name and bytes."""
    kept: Mapping[int, str]
    """Names of the files already in the message, by id."""
    was_v2: bool = False
    had: frozenset[str] = frozenset()
    """Which of `content` and `embeds` the message held before."""
    editing: bool = False
    size_limit: int = 10 << 20

    @property
    def v2(self) -> bool:
        return self.was_v2 or bool((self.body.get("flags") or 0) & COMPONENTS_V2)

    @property
    def parts(self) -> list[Payload]:
        return list(walk(self.body.get("components") or ()))

    @property
    def names(self) -> set[str]:
        """The files that the message has afterwards."""
        listed = self.body.get("attachments")
        kept = self.kept.items() if listed is None else [(i, n) for i, n in self.kept.items() if i in _ids(listed)]
        named = {str(entry.get("filename")) for entry in listed or () if int(entry["id"]) in self.uploads}
        return {name for _, name in kept} | {name for name, _ in self.uploads.values()} | named

    @property
    def has_text(self) -> bool:
        return bool(
            self.body.get("content")
            or self.body.get("embeds")
            or any(part.get("content") for part in self.parts if part["type"] == TEXT_DISPLAY)
        )


def message(sending: Sending) -> list[str]:
    return [
        *_kind(sending),
        *_texts(sending),
        *_mentions(sending),
        *_files(sending),
        *components(sending.body.get("components") or (), v2=sending.v2, names=sending.names),
    ]


def _kind(sending: Sending) -> Iterator[str]:
    body = sending.body
    flags = body.get("flags")
    if sending.was_v2 and flags is not None and not flags & COMPONENTS_V2:
        yield "flags: the Components V2 flag can't be removed from a message"
    if sending.v2:
        for name in ("content", "embeds", "poll", "sticker_ids"):
            if body.get(name):
                yield f"{name}: not allowed together with the Components V2 flag"
        for name in sending.had - set(body):
            yield f"{name}: must be emptied explicitly when a message becomes Components V2"
        if not sending.editing and not body.get("components"):
            yield "components: a Components V2 message needs at least one"
        if sending.editing and body.get("components") == []:
            yield "components: a Components V2 message needs at least one"


def _texts(sending: Sending) -> Iterator[str]:
    body = sending.body
    if len(body.get("content") or "") > 2000:
        yield "content: more than 2000 characters"
    embeds = body.get("embeds") or []
    if len(embeds) > 10:
        yield "embeds: more than 10"
    if sum(_embed_length(embed) for embed in embeds) > 6000:
        yield "embeds: more than 6000 characters in all"
    shown = sum(len(part.get("content") or "") for part in sending.parts if part["type"] == TEXT_DISPLAY)
    if shown > MOST_SHOWN:
        yield f"components: {shown} characters of text; {MOST_SHOWN} is the most"


def _embed_length(embed: Payload) -> int:
    texts = [embed.get("title"), embed.get("description"), (embed.get("footer") or {}).get("text")]
    texts.append((embed.get("author") or {}).get("name"))
    for line in embed.get("fields") or ():
        texts += [line.get("name"), line.get("value")]
    return sum(len(text or "") for text in texts)


def _mentions(sending: Sending) -> Iterator[str]:
    """Easel's own promise, not Discord's: no text of a person can ping anyone."""
    allowed = sending.body.get("allowed_mentions")
    if sending.has_text and (allowed is None or allowed.get("parse") != []):
        yield "allowed_mentions: text is sent without `parse: []`"
    if allowed and (allowed.get("users") or allowed.get("roles")):
        yield "allowed_mentions: someone may be pinged"


def _files(sending: Sending) -> Iterator[str]:
    listed = sending.body.get("attachments")
    for entry in listed or ():
        number = int(entry["id"])
        if number not in sending.uploads and number not in sending.kept:
            yield f"attachments: {number} is neither in the message nor among the files sent"
    if listed is not None:
        for number in sending.uploads:
            if number not in _ids(listed):
                yield f"attachments: files[{number}] is not listed"
    staying = len(sending.kept) if listed is None else sum(i in _ids(listed) for i in sending.kept)
    if staying + len(sending.uploads) > MOST_FILES:
        yield f"attachments: more than {MOST_FILES} files"


def too_large(sending: Sending) -> bool:
    return any(size > sending.size_limit for _, size in sending.uploads.values())


def empty(sending: Sending) -> bool:
    """Nothing at all to show in a new message."""
    body = sending.body
    return not any((body.get("content"), body.get("embeds"), body.get("components"), sending.uploads, body.get("poll")))


def _ids(listed: Iterable[Payload]) -> set[int]:
    return {int(entry["id"]) for entry in listed}


def components(top: Iterable[Payload], *, v2: bool, names: Iterable[str]) -> Iterator[str]:
    top = list(top)
    parts = list(walk(top))
    if len(parts) > MOST_NESTED:
        yield f"components: {len(parts)} with the nested ones; {MOST_NESTED} is the most"
    if not v2:
        for part in parts:
            if part["type"] in ONLY_V2:
                yield f"components: type {part['type']} needs the Components V2 flag"
        if len(top) > 5:
            yield "components: more than 5 rows"
    yield from _twice("custom_id", parts)
    yield from _twice("id", parts)
    for part in top:
        if part["type"] not in ({ROW} | (ONLY_V2 - {THUMBNAIL})):
            yield f"components: type {part['type']} can't stand at the top"
    for part in parts:
        yield from _part(part, set(names))


def _twice(name: str, parts: Iterable[Payload]) -> Iterator[str]:
    seen: set[object] = set()
    for part in parts:
        value = part.get(name)
        if value is not None and value in seen:
            yield f"components: {name} {value!r} is used twice"
        seen.add(value)


def _part(part: Payload, names: set[str]) -> Iterator[str]:
    kind = part["type"]
    if "custom_id" in part and part["custom_id"] is not None and not 1 <= len(part["custom_id"]) <= 100:
        yield "custom_id: 1 to 100 characters"
    if kind == ROW:
        yield from _row(part)
    elif kind == BUTTON:
        yield from _button(part)
    elif kind in SELECTS:
        yield from _select(part)
    elif kind == TEXT_DISPLAY and not part.get("content"):
        yield "content: a text display needs text"
    elif kind == SECTION:
        if not 1 <= len(part.get("components") or ()) <= 3 or not part.get("accessory"):
            yield "components: a section has 1 to 3 texts and an accessory"
    elif kind == CONTAINER:
        if not part.get("components"):
            yield "components: a container needs something in it"
        if any(child["type"] == CONTAINER for child in part.get("components") or ()):
            yield "components: no container in a container"
    yield from _media(part, names)


def _row(part: Payload) -> Iterator[str]:
    kinds = [child["type"] for child in part.get("components") or ()]
    buttons = kinds.count(BUTTON)
    if not (1 <= buttons <= 5 and buttons == len(kinds)) and not (len(kinds) == 1 and kinds[0] in SELECTS | {INPUT}):
        yield "components: a row has 1 to 5 buttons or one select"


def _button(part: Payload) -> Iterator[str]:
    if len(part.get("label") or "") > 80:
        yield "label: more than 80 characters"
    emoji = part.get("emoji") or {}
    if not part.get("label") and not emoji and part.get("style") != 6:
        yield "label: a button needs a label or an emoji"
    if emoji and not emoji.get("id") and not _is_emoji(emoji.get("name") or ""):
        yield f"emoji: {emoji.get('name')!r} is none"
    needs = {5: "url", 6: "sku_id"}.get(part.get("style") or 0, "custom_id")
    for name in ("url", "sku_id", "custom_id"):
        if bool(part.get(name)) != (name == needs):
            yield f"{name}: {'needed' if name == needs else 'not allowed'} in a button of style {part.get('style')}"


def _is_emoji(name: str) -> bool:
    """Roughly: signs beyond the alphabets, or a keycap."""
    return bool(name) and (name.endswith("\u20e3") or all(ord(sign) >= 0x2000 or sign in "©®" for sign in name))


def _select(part: Payload) -> Iterator[str]:
    options = part.get("options") or []
    if part["type"] == SELECT and not 1 <= len(options) <= 25:
        yield "options: 1 to 25"
    for option in options:
        if any(len(str(option.get(name) or "")) > 100 for name in ("label", "value", "description")):
            yield "options: more than 100 characters"
    if len(part.get("placeholder") or "") > 150:
        yield "placeholder: more than 150 characters"


def _media(part: Payload, names: set[str]) -> Iterator[str]:
    items = part.get("items") or []
    if part["type"] == GALLERY and not 1 <= len(items) <= 10:
        yield "items: a gallery has 1 to 10"
    for item in [*items, part]:
        if len(item.get("description") or "") > 1024:
            yield "description: more than 1024 characters"
        address = str((item.get("media") or item.get("file") or {}).get("url") or "")
        if address.startswith("attachment://") and address.removeprefix("attachment://") not in names:
            yield f"media: {address} is not attached"
        if address and not address.startswith(("attachment://", "http://", "https://")):
            yield f"media: {address!r} is no address"


def invisible_files(top: Iterable[Payload], names: Iterable[str]) -> set[str]:
    """Files of a Components V2 message that no component shows: Discord takes them and nobody sees them."""
    shown: set[str] = set()
    for part in walk(top):
        for item in [*(part.get("items") or ()), part]:
            address = str((item.get("media") or item.get("file") or {}).get("url") or "")
            shown.add(address.removeprefix("attachment://").partition("?")[0].rpartition("/")[2])
    return set(names) - shown


def defer(data: Payload | None) -> list[str]:
    if data and (set(data) - {"flags"} or (data.get("flags") or 0) & ~EPHEMERAL):
        return ["data: a deferral carries only the EPHEMERAL flag"]
    return []


def modal(data: Payload) -> list[str]:
    return list(_modal(data))


def _modal(data: Payload) -> Iterator[str]:
    top = data.get("components") or []
    if not 1 <= len(data.get("title") or "") <= 45:
        yield "title: 1 to 45 characters"
    if not 1 <= len(data.get("custom_id") or "") <= 100:
        yield "custom_id: 1 to 100 characters"
    if not 1 <= len(top) <= 5:
        yield "components: a modal has 1 to 5"
    parts = list(walk(top))
    yield from _twice("custom_id", parts)
    for part in top:
        if part["type"] not in (ROW, LABEL, TEXT_DISPLAY):
            yield f"components: type {part['type']} can't stand in a modal"
    for part in parts:
        if part["type"] == LABEL:
            if not 1 <= len(part.get("label") or "") <= 45:
                yield "label: 1 to 45 characters"
            if len(part.get("description") or "") > 100:
                yield "description: more than 100 characters"
        elif part["type"] == INPUT:
            yield from _input(part)
        elif part["type"] == BUTTON:
            yield "components: no button in a modal"
        elif part["type"] in SELECTS:
            yield from _select(part)


def _input(part: Payload) -> Iterator[str]:
    value, most = part.get("value") or "", part.get("max_length") or 4000
    if not 1 <= len(part.get("custom_id") or "") <= 100:
        yield "custom_id: 1 to 100 characters"
    if len(value) > min(most, 4000):
        yield "value: longer than max_length"
    if value and len(value) < (part.get("min_length") or 0):
        yield "value: shorter than min_length"
    if len(part.get("placeholder") or "") > 100:
        yield "placeholder: more than 100 characters"
    if most > 4000 or (part.get("min_length") or 0) > most:
        yield "max_length: at most 4000, at least min_length"


def suggestions(choices: list[Payload], option_type: int) -> list[str]:
    """The answer to an autocomplete; `option_type` is 3 text, 4 integer, 10 number."""
    return list(_choices(choices, option_type))


def _choices(choices: list[Payload], option_type: int) -> Iterator[str]:
    if len(choices) > MOST_CHOICES:
        yield f"choices: more than {MOST_CHOICES}"
    for choice in choices:
        value: Any = choice.get("value")
        if not 1 <= len(choice.get("name") or "") <= 100:
            yield "choices: a name has 1 to 100 characters"
        if option_type == 3 and (not isinstance(value, str) or len(value) > 100):
            yield "choices: a value is text of at most 100 characters"
        if option_type == 4 and (not isinstance(value, int) or isinstance(value, bool)):
            yield "choices: a value is a whole number"
        if option_type == 10 and (not isinstance(value, int | float) or isinstance(value, bool)):
            yield "choices: a value is a number"


_MOST_COMMANDS = {1: 100, 2: 15, 3: 15}


def commands(listed: Iterable[Payload]) -> list[str]:
    """What is wrong with a whole set of commands, as a bulk overwrite sends it."""
    return list(_commands(list(listed)))


def _commands(listed: list[Payload]) -> Iterator[str]:
    kinds = [command.get("type") or 1 for command in listed]
    for kind, most in _MOST_COMMANDS.items():
        if kinds.count(kind) > most:
            yield f"more than {most} commands of type {kind}"
    names = [(kind, command["name"]) for kind, command in zip(kinds, listed, strict=True)]
    for kind, name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: two commands of type {kind}"
    for kind, command in zip(kinds, listed, strict=True):
        for problem in _command(command, kind):
            yield f"{command['name']}: {problem}"


def _command(command: Payload, kind: int) -> Iterator[str]:
    if kind != 1:
        if not 1 <= len(command["name"]) <= 32:
            yield "name: 1 to 32 characters"
        if command.get("description") or command.get("options"):
            yield "a context menu has neither description nor options"
        return
    yield from _named(command)
    yield from _options(command.get("options") or [], depth=0)
    size = command_size(command)
    if size > MOST_COMMAND:
        yield f"{size} characters in all; {MOST_COMMAND} is the most"


def command_size(command: Payload) -> int:
    """Characters of all names, descriptions and values; the longest localization counts."""
    total = 0
    for name in ("name", "description"):
        texts = [command.get(name) or "", *(command.get(f"{name}_localizations") or {}).values()]
        total += max(len(text) for text in texts)
    value = command.get("value")
    total += len(value) if isinstance(value, str) else 0
    return total + sum(command_size(child) for part in ("options", "choices") for child in command.get(part) or ())


def _named(thing: Payload) -> Iterator[str]:
    name = thing["name"]
    if not re.fullmatch(r"[-_'\w]{1,32}", name) or name != name.lower():
        yield f"name: {name!r} is not 1 to 32 lower-case characters"
    if not 1 <= len(thing.get("description") or "") <= 100:
        yield f"description of {name}: 1 to 100 characters"


def _options(options: list[Payload], depth: int) -> Iterator[str]:
    if len(options) > MOST_OPTIONS:
        yield f"options: more than {MOST_OPTIONS}"
    names = [option["name"] for option in options]
    if len(set(names)) < len(names):
        yield "options: a name is used twice"
    groups = [option["type"] in (1, 2) for option in options]
    if any(groups) and not all(groups):
        yield "options: subcommands and values can't stand side by side"
    required = [bool(option.get("required")) for option in options]
    if sorted(required, reverse=True) != required:
        yield "options: required ones come first"
    for option in options:
        yield from _named(option)
        if option["type"] in (1, 2):
            if depth + (option["type"] == 1) > 2:
                yield "options: nested too deeply"
            yield from _options(option.get("options") or [], depth + 1)
        else:
            yield from _value(option)


def _value(option: Payload) -> Iterator[str]:
    name, choices = option["name"], option.get("choices") or []
    if choices and option.get("autocomplete"):
        yield f"{name}: choices and autocomplete exclude each other"
    if choices or option.get("autocomplete"):
        if option["type"] not in (3, 4, 10):
            yield f"{name}: only text and numbers have choices"
        for problem in _choices(choices, option["type"]):
            yield f"{name}: {problem}"
    if len({choice.get("name") for choice in choices}) < len(choices):
        yield f"{name}: two choices of one name"
    for least, most, types in (("min_value", "max_value", (4, 10)), ("min_length", "max_length", (3,))):
        low, high = option.get(least), option.get(most)
        if (low is not None or high is not None) and option["type"] not in types:
            yield f"{name}: {least} and {most} don't fit its type"
        if low is not None and high is not None and low > high:
            yield f"{name}: {least} is above {most}"
    if (option.get("max_length") or 1) > 6000:
        yield f"{name}: max_length above 6000"
