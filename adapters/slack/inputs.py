"""An option of the catalogue → an input of a modal, and what came back in it → a plain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.slack import names
from bot.cards import shorten
from commands.spec import Attachment, Choice, Kind, Option

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.images import Range

Block = dict[str, Any]

MOST_LABEL = 2000
"""Characters of an input's label or hint (docs.slack.dev/reference/block-kit/blocks/input-block)."""
MOST_PLACEHOLDER = 150
MOST_TYPED = 3000
"""Characters that a text input takes (plain-text-input-element)."""
MOST_OPTIONS = 100
MOST_OPTION_TEXT = 75
MOST_OPTION_VALUE = 150
LONG = 200
"""A text that may have more characters gets several lines."""
FILETYPES = ["png", "jpg", "jpeg", "webp"]


def plain(text: str, most: int) -> dict[str, Any]:
    """Text as it stands: no format, link, mention or emoji is made of it."""
    return {"type": "plain_text", "text": shorten(text, most), "emoji": False}


def action_id(name: str) -> str:
    return f"{names.INPUT}{name}"


def block(name: str, label: str, element: Mapping[str, Any], *, hint: str = "", required: bool = False) -> Block:
    made: Block = {
        "type": "input",
        "block_id": name,
        "label": plain(label, MOST_LABEL),
        "element": {**element, "action_id": action_id(name)},
        "optional": not required,
    }
    if hint:
        made["hint"] = plain(hint, MOST_LABEL)
    return made


# ---- out ----


def of_option(option: Option, value: object, easel: Easel, *, required: bool) -> Block:
    """The input for one option, filled in with `value` where that fits."""
    label = option.name.replace("_", " ").capitalize()
    return block(option.name, label, _element(option, value, easel), hint=_hint(option, easel), required=required)


def switches(name: str, label: str, options: Sequence[Option], values: Mapping[str, object]) -> Block:
    """One block of checkboxes for options that are on or off."""
    made = [_switch(option) for option in options]
    element: dict[str, Any] = {"type": "checkboxes", "options": made}
    ticked = [it for it in made if values.get(it["value"])]
    if ticked:
        element["initial_options"] = ticked
    return block(name, label, element)


def choices(offers: Iterable[Choice]) -> list[dict[str, Any]]:
    """As Slack takes them: each value once, and none that is too long to come back whole."""
    fitting = {it.value: it for it in offers if 0 < len(it.value) <= MOST_OPTION_VALUE and it.label.strip()}
    return [{"text": plain(it.label, MOST_OPTION_TEXT), "value": it.value} for it in [*fitting.values()][:MOST_OPTIONS]]


def _switch(option: Option) -> dict[str, Any]:
    label = option.name.replace("_", " ").capitalize()
    return {
        "text": plain(label, MOST_OPTION_TEXT),
        "description": plain(option.description, MOST_OPTION_TEXT),
        "value": option.name,
    }


def _element(option: Option, value: object, easel: Easel) -> dict[str, Any]:
    if option.kind is Kind.PICTURE:
        return {"type": "file_input", "filetypes": FILETYPES, "max_files": 1}
    if option.kind in (Kind.INTEGER, Kind.NUMBER):
        return _number(option, value, easel)
    if option.choices:
        return _select(option.choices, value)
    if option.suggest:
        return _search(value)
    most = int(option.range(easel).high) if option.range else LONG
    return text(value, most=most, long=most > LONG)


def text(value: object, *, most: int, long: bool) -> dict[str, Any]:
    most = max(1, min(most, MOST_TYPED))
    element: dict[str, Any] = {"type": "plain_text_input", "multiline": long, "max_length": most}
    if value not in (None, ""):
        element["initial_value"] = str(value)[:most]
    return element


def _number(option: Option, value: object, easel: Easel) -> dict[str, Any]:
    """Slack takes the bounds as texts (number-input-element), and no first value outside them."""
    element: dict[str, Any] = {"type": "number_input", "is_decimal_allowed": option.kind is Kind.NUMBER}
    allowed = option.range(easel) if option.range else None
    if allowed:
        element |= {"min_value": number(allowed.low), "max_value": number(allowed.high)}
    if isinstance(value, int | float) and (allowed is None or value in allowed):
        element["initial_value"] = number(value)
    return element


def number(value: float) -> str:
    return f"{value:.15g}"


def _select(offers: Sequence[Choice], value: object) -> dict[str, Any]:
    options = choices(offers)
    element: dict[str, Any] = {"type": "static_select", "options": options}
    if found := [it for it in options if it["value"] == value]:
        element["initial_option"] = found[0]
    return element


def _search(value: object) -> dict[str, Any]:
    element: dict[str, Any] = {"type": "external_select", "min_query_length": 0}
    if given := choices([Choice(str(value or ""), str(value or ""))]):
        element["initial_option"] = given[0]
    return element


def _hint(option: Option, easel: Easel) -> str:
    if option.range is None or option.kind not in (Kind.INTEGER, Kind.NUMBER):
        return option.description
    return f"{option.description}. {_span(option.range(easel))}"


def _span(allowed: Range) -> str:
    return f"From {number(allowed.low)} to {number(allowed.high)}."


# ---- back ----


def given(state: Mapping[str, Any]) -> object:
    """What an input holds: a text, a list of texts, an Attachment; None if it was left empty."""
    match state.get("type"):
        case "file_input":
            return _attachment(state.get("files") or [])
        case "checkboxes" | "multi_external_select":
            return [str(it["value"]) for it in state.get("selected_options") or []]
        case "static_select" | "external_select":
            return (state.get("selected_option") or {}).get("value")
        case "conversations_select":
            return state.get("selected_conversation")
        case _:
            typed = str(state.get("value") or "").strip()
            return typed or None


def _attachment(files: Sequence[Mapping[str, Any]]) -> Attachment | None:
    if not files:
        return None
    return Attachment(str(files[0]["id"]), str(files[0].get("name") or "picture"), int(files[0].get("size") or 0))
