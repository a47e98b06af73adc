"""Forms as Slack's own client handles them: what a person may put into which field, and the state that goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tests.servers.slack_asked import NotOffered
from tests.servers.slack_seen import Payload, elements
from tests.servers.slack_world import File, View

SINGLE = {"static_select", "external_select", "radio_buttons"}
MULTI = {"multi_static_select", "multi_external_select", "checkboxes"}
PICKED = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
}
STATED = {"plain_text_input", "number_input", "file_input", *SINGLE, *MULTI, *PICKED}

Keep = Callable[[str, bytes], File]


def fields(blocks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Payload, Payload]]:
    """Every (block, element) that holds a value."""
    for block, element in elements(blocks):
        if element["type"] in STATED:
            yield block, element


def find(blocks: Iterable[Mapping[str, Any]], name: str) -> tuple[Payload, Payload]:
    """A field by block id, action id or label. Raises NotOffered that names what there is."""
    known = list(fields(blocks))
    for block, element in known:
        label = (block.get("label") or {}).get("text") or ""
        if name in (block.get("block_id"), element.get("action_id"), label) or name.lower() == label.lower():
            return block, element
    raise NotOffered(f"no field {name!r}: {[(b.get('block_id'), e.get('action_id')) for b, e in known]}")


def empty(element: Mapping[str, Any]) -> Payload:
    """What a field states before anybody touches it."""
    kind = element["type"]
    if kind in SINGLE:
        return {"type": kind, "selected_option": element.get("initial_option")}
    if kind in MULTI:
        return {"type": kind, "selected_options": list(element.get("initial_options") or ())}
    if kind in PICKED:
        return {"type": kind, PICKED[kind]: element.get(PICKED[kind].replace("selected", "initial"))}
    if kind == "file_input":
        return {"type": kind, "files": []}
    return {"type": kind, "value": element.get("initial_value")}


def state(blocks: Iterable[Mapping[str, Any]], typed: Mapping[tuple[str, str], Payload]) -> Payload:
    """`state` as payloads carry it."""
    values: Payload = {}
    for block, element in fields(blocks):
        key = block["block_id"], element["action_id"]
        values.setdefault(key[0], {})[key[1]] = typed.get(key) or empty(element)
    return {"values": values}


def enter(view: View, name: str, given: Any, keep: Keep) -> tuple[Payload, Payload]:
    """A person fills one field; None empties it. Files are (name, bytes), one or a list. Returns the block and the
    element. Raises NotOffered for what Slack's client does not let in.
    """
    block, element = find(view.blocks, name)
    entered = _entered(element, given, _offered(view, element), keep)
    view.typed[block["block_id"], element["action_id"]] = entered
    return block, element


def _entered(element: Payload, given: Any, offered: list[Payload], keep: Keep) -> Payload:
    kind = element["type"]
    if kind in SINGLE:
        return {"type": kind, "selected_option": None if given is None else _option(given, offered)}
    if kind in MULTI:
        chosen = [] if given is None else [_option(each, offered) for each in _list(given)]
        if len(chosen) > element.get("max_selected_items", 100):
            raise NotOffered(f"at most {element['max_selected_items']} may be chosen")
        return {"type": kind, "selected_options": chosen}
    if kind in PICKED:
        return {"type": kind, PICKED[kind]: getattr(given, "id", given)}
    if kind == "file_input":
        return {"type": kind, "files": _files(element, [] if given is None else _list(given), keep)}
    return {"type": kind, "value": _written(element, None if given is None else str(given))}


def _list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list) else [given]


def _offered(view: View, element: Payload) -> list[Payload]:
    """The options there are: its own, its groups', what was suggested, what was chosen from the start."""
    found = [*(element.get("options") or ()), *view.offered.get(element["action_id"], ())]
    for group in element.get("option_groups") or ():
        found += group["options"]
    first = element.get("initial_option")
    return [*found, *([first] if first else ()), *(element.get("initial_options") or ())]


def _option(given: Any, offered: list[Payload]) -> Payload:
    for option in offered:
        if given in (option["value"], option["text"]["text"], option):
            return option
    raise NotOffered(f"{given!r} is not offered: {[option['text']['text'] for option in offered]}")


def _files(element: Payload, given: list[Any], keep: Keep) -> list[Payload]:
    """Slack checks the extension and the count, never the bytes."""
    if len(given) > element.get("max_files", 10):
        raise NotOffered(f"at most {element.get('max_files', 10)} files")
    for name, data in given:
        if element.get("filetypes") and name.rpartition(".")[2].lower() not in element["filetypes"]:
            raise NotOffered(f"{name!r} is none of {element['filetypes']}")
        if len(data) > 10_000_000:
            raise NotOffered("a file of a form has at most 10 MB")
    return [keep(name, data).payload() for name, data in given]


def _written(element: Payload, text: str | None) -> str | None:
    if not text:
        return None
    if element["type"] == "plain_text_input":
        return _text(element, text)
    try:
        number = float(text)
    except ValueError:
        raise NotOffered(f"{text!r} is no number") from None
    if not float(element.get("min_value", "-inf")) <= number <= float(element.get("max_value", "inf")):
        raise NotOffered(f"{text} is out of range")
    if not element["is_decimal_allowed"] and not number.is_integer():
        raise NotOffered("decimals are not allowed")
    return text


def _text(element: Payload, text: str) -> str:
    if not element.get("min_length", 0) <= len(text) <= element.get("max_length", 3000):
        raise NotOffered(f"{len(text)} characters are too few or too many")
    if "\n" in text and not element.get("multiline"):
        raise NotOffered("one line only")
    return text


def lacking(view: View) -> list[str]:
    """The labels of the required fields that are still empty: Slack's client does not send the form then."""
    values = state(view.blocks, view.typed)["values"]
    return [
        block["label"]["text"]
        for block, element in fields(view.blocks)
        if block["type"] == "input"
        and not block.get("optional")
        and _blank(values[block["block_id"]][element["action_id"]])
    ]


def _blank(value: Mapping[str, Any]) -> bool:
    return not any(content for name, content in value.items() if name != "type")


def read(view: View, name: str) -> Any:
    """What stands in a field now: a text, an option's value, a list of values or of file names."""
    block, element = find(view.blocks, name)
    value = view.typed.get((block["block_id"], element["action_id"])) or empty(element)
    if "selected_option" in value:
        return value["selected_option"] and value["selected_option"]["value"]
    if "selected_options" in value:
        return [option["value"] for option in value["selected_options"]]
    if "files" in value:
        return [file["name"] for file in value["files"]]
    return next(content for content_name, content in value.items() if content_name != "type")
