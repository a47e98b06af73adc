"""What Slack takes as a Block Kit element: the fields, limits and text objects of docs.slack.dev/reference/block-kit.

Pure: each function yields problems as (pointer, sentence) and knows no server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Problem = tuple[str, str]
Problems = Iterator[Problem]
Check = Callable[[Any, str], Problems]

MESSAGE, MODAL, HOME = "messages", "modals", "home tabs"
EVERYWHERE = frozenset({MESSAGE, MODAL, HOME})

ELEMENT_LIMITS = {"action_id": 255, "value": 2000, "url": 3000, "accessibility_label": 75}


def missing(at: str, name: str) -> Problem:
    return at, f"missing required field: {name}"


def text_object(value: Any, at: str, most: int, *, plain: bool = False, least: int = 1) -> Problems:
    """A text object of `least` to `most` characters."""
    if not isinstance(value, dict):
        yield at, "must be a text object"
        return
    allowed = {"type", "text", "emoji"} if value.get("type") == "plain_text" else {"type", "text", "verbatim"}
    yield from _unknown(value, at, allowed)
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if value.get("type") not in kinds:
        yield f"{at}/type", f"unsupported type: {value.get('type')} (allowed: {', '.join(kinds)})"
    yield from string(value.get("text"), f"{at}/text", most, least)


def string(value: Any, at: str, most: int, least: int = 1) -> Problems:
    if not isinstance(value, str):
        yield at, "must be a string"
    elif len(value) > most:
        yield at, f"must be less than {most + 1} characters"
    elif len(value) < least:
        yield at, f"must be more than {least - 1} characters"


def _unknown(value: Mapping[str, Any], at: str, allowed: set[str] | frozenset[str]) -> Problems:
    for name in value:
        if name not in allowed:
            yield at, f"no more fields allowed: {name}"


def option(value: Any, at: str, *, mrkdwn: bool = False) -> Problems:
    if not isinstance(value, dict):
        yield at, "must be an option"
        return
    yield from _unknown(value, at, {"text", "value", "description", "url"})
    yield from text_object(value.get("text"), f"{at}/text", 75, plain=not mrkdwn)
    yield from string(value.get("value"), f"{at}/value", 150)
    if "description" in value:
        yield from text_object(value["description"], f"{at}/description", 75, plain=not mrkdwn)


def options(value: Any, at: str, most: int = 100, *, least: int = 1, mrkdwn: bool = False) -> Problems:
    """A list of options, as elements carry it and as a suggestion's answer has it."""
    if not isinstance(value, list):
        yield at, "must be a list of options"
        return
    if not least <= len(value) <= most:
        yield at, f"must have {least} to {most} items"
    values: set[Any] = set()
    for number, each in enumerate(value):
        yield from option(each, f"{at}/{number}", mrkdwn=mrkdwn)
        if isinstance(each, dict):
            if each.get("value") in values:
                yield f"{at}/{number}/value", "option values must be unique"
            values.add(each.get("value"))


def option_groups(value: Any, at: str) -> Problems:
    if not isinstance(value, list) or not 1 <= len(value) <= 100:
        yield at, "must have 1 to 100 groups"
        return
    for number, group in enumerate(value):
        yield from text_object(group.get("label"), f"{at}/{number}/label", 75, plain=True)
        yield from options(group.get("options"), f"{at}/{number}/options", least=0)


def confirm(value: Any, at: str) -> Problems:
    if not isinstance(value, dict):
        yield at, "must be a confirmation dialog"
        return
    yield from _unknown(value, at, {"title", "text", "confirm", "deny", "style"})
    for name, most in {"title": 100, "text": 300, "confirm": 30, "deny": 30}.items():
        yield from text_object(value.get(name), f"{at}/{name}", most, plain=True)
    if value.get("style", "primary") not in ("primary", "danger"):
        yield f"{at}/style", "must be primary or danger"


def slack_file(part: Mapping[str, Any], at: str) -> Problems:
    """Image blocks and elements: one of `image_url` and `slack_file`. Whether the file may be shown is looked up
    elsewhere."""
    if ("image_url" in part) == ("slack_file" in part):
        yield at, "exactly one of image_url and slack_file is needed"
    if "image_url" in part:
        yield from string(part["image_url"], f"{at}/image_url", 3000)
    if "slack_file" in part:
        named = part["slack_file"]
        if not isinstance(named, dict) or len(named) != 1 or not set(named) <= {"id", "url"}:
            yield f"{at}/slack_file", "must have exactly one of id and url"
    yield from string(part.get("alt_text"), f"{at}/alt_text", 2000)


def _whole(part: Mapping[str, Any], at: str, name: str, least: int, most: int) -> Problems:
    if name in part and (type(part[name]) is not int or not least <= part[name] <= most):
        yield f"{at}/{name}", f"must be a whole number from {least} to {most}"


def _button(part: Mapping[str, Any], at: str) -> Problems:
    yield from text_object(part.get("text"), f"{at}/text", 75, plain=True)
    if part.get("style", "primary") not in ("primary", "danger"):
        yield f"{at}/style", "must be primary or danger"


def _text_input(part: Mapping[str, Any], at: str) -> Problems:
    yield from _whole(part, at, "min_length", 0, 3000)
    yield from _whole(part, at, "max_length", 1, 3000)
    if "initial_value" in part:
        yield from string(part["initial_value"], f"{at}/initial_value", part.get("max_length") or 3000, 0)
    if "multiline" in part and not isinstance(part["multiline"], bool):
        yield f"{at}/multiline", "must be a boolean"


def _number_input(part: Mapping[str, Any], at: str) -> Problems:
    """The numbers are strings, and `is_decimal_allowed` has no default."""
    if not isinstance(part.get("is_decimal_allowed"), bool):
        yield missing(at, "is_decimal_allowed")
    values: dict[str, float] = {}
    for name in ("initial_value", "min_value", "max_value"):
        if name in part:
            try:
                assert isinstance(part[name], str)
                values[name] = float(part[name])
            except (AssertionError, ValueError):
                yield f"{at}/{name}", "must be a string holding a number"
    low, high = values.get("min_value", float("-inf")), values.get("max_value", float("inf"))
    if not low <= values.get("initial_value", low) <= high:
        yield f"{at}/initial_value", "must lie between min_value and max_value"
    if part.get("is_decimal_allowed") is False and any(not number.is_integer() for number in values.values()):
        yield at, "decimals are not allowed"


def _file_input(part: Mapping[str, Any], at: str) -> Problems:
    yield from _whole(part, at, "max_files", 1, 10)
    for number, kind in enumerate(part.get("filetypes") or ()):
        yield from string(kind, f"{at}/filetypes/{number}", 20)


def _chosen(part: Mapping[str, Any], at: str) -> Problems:
    """Static choices: an initial one must equal one of the options."""
    if ("options" in part) == ("option_groups" in part):
        yield at, "exactly one of options and option_groups is needed"
    known = list(part.get("options") or ())
    if "options" in part:
        most = {"radio_buttons": 10, "checkboxes": 10, "overflow": 5}.get(part["type"], 100)
        yield from options(
            part["options"], f"{at}/options", most, mrkdwn=part["type"] in ("radio_buttons", "checkboxes")
        )
    if "option_groups" in part:
        yield from option_groups(part["option_groups"], f"{at}/option_groups")
        known = [each for group in part["option_groups"] for each in group.get("options") or ()]
    for first in [part["initial_option"]] if "initial_option" in part else part.get("initial_options") or ():
        if first not in known:
            yield at, "an initial option must be exactly one of the options"
    yield from _whole(part, at, "max_selected_items", 1, 100)


def _external(part: Mapping[str, Any], at: str) -> Problems:
    yield from _whole(part, at, "min_query_length", 0, 255)
    yield from _whole(part, at, "max_selected_items", 1, 100)
    if "initial_option" in part:
        yield from option(part["initial_option"], f"{at}/initial_option")
    if "initial_options" in part:
        most = part.get("max_selected_items") or 100
        yield from options(part["initial_options"], f"{at}/initial_options", most)


def _nothing(_part: Mapping[str, Any], _at: str) -> Problems:
    yield from ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One element: the fields it takes beside `type`, and where it may stand."""

    fields: frozenset[str]
    check: Callable[[Mapping[str, Any], str], Problems]
    inside: frozenset[str]
    """Blocks that take it."""
    surfaces: frozenset[str] = EVERYWHERE
    needs_action: bool = True


def _kind(
    fields: str,
    check: Callable[[Mapping[str, Any], str], Problems],
    inside: str,
    surfaces: frozenset[str] = EVERYWHERE,
    *,
    needs_action: bool = True,
) -> Kind:
    given = {*fields.split(), *(("action_id",) if needs_action else ())}
    return Kind(frozenset(given), check, frozenset(inside.split()), surfaces, needs_action)


_CHOICE = "placeholder confirm focus_on_load options option_groups"
_PICK = "placeholder confirm focus_on_load"
_TEXT = "placeholder initial_value min_length max_length dispatch_action_config focus_on_load"
_VIEWS = frozenset({MODAL, HOME})
_ANY = "section actions input"

KINDS: dict[str, Kind] = {
    "button": _kind("text value url style confirm accessibility_label", _button, "section actions"),
    "image": _kind("image_url slack_file alt_text", slack_file, "section context", needs_action=False),
    "overflow": _kind("options confirm", _chosen, "section actions"),
    "static_select": _kind(f"{_CHOICE} initial_option", _chosen, _ANY),
    "multi_static_select": _kind(f"{_CHOICE} initial_options max_selected_items", _chosen, "section input"),
    "external_select": _kind(f"{_PICK} initial_option min_query_length", _external, _ANY),
    "multi_external_select": _kind(
        f"{_PICK} initial_options min_query_length max_selected_items", _external, "section input"
    ),
    "radio_buttons": _kind("options initial_option confirm focus_on_load", _chosen, _ANY),
    "checkboxes": _kind("options initial_options confirm focus_on_load", _chosen, _ANY),
    "users_select": _kind(f"{_PICK} initial_user", _nothing, _ANY),
    "conversations_select": _kind(
        f"{_PICK} initial_conversation default_to_current_conversation response_url_enabled filter", _nothing, _ANY
    ),
    "channels_select": _kind(f"{_PICK} initial_channel response_url_enabled", _nothing, _ANY),
    "plain_text_input": _kind(f"{_TEXT} multiline", _text_input, "input"),
    "number_input": _kind(
        "placeholder is_decimal_allowed initial_value min_value max_value dispatch_action_config focus_on_load",
        _number_input,
        "input",
        _VIEWS,
    ),
    "file_input": _kind("filetypes max_files", _file_input, "input", frozenset({MODAL})),
}


def element(part: Any, at: str, block: str, surface: str) -> Problems:
    """One element inside a block of this type on this surface."""
    if not isinstance(part, dict):
        yield at, "must be an element"
        return
    kind = KINDS.get(str(part.get("type")))
    if kind is None or block not in kind.inside:
        yield f"{at}/type", f"unsupported type: {part.get('type')} in {block}"
        return
    if surface not in kind.surfaces:
        yield f"{at}/type", f"unsupported type: {part['type']} in {surface}"
    yield from _unknown(part, at, kind.fields | {"type"})
    if kind.needs_action and not part.get("action_id"):
        yield missing(at, "action_id")
    for name, most in ELEMENT_LIMITS.items():
        if name in part:
            yield from string(part[name], f"{at}/{name}", most)
    if "placeholder" in part:
        yield from text_object(part["placeholder"], f"{at}/placeholder", 150, plain=True)
    if "confirm" in part:
        yield from confirm(part["confirm"], f"{at}/confirm")
    yield from kind.check(part, at)
