"""What Slack takes as blocks, messages and views, and what it says about the rest.

Limits as on docs.slack.dev/reference/block-kit and docs.slack.dev/reference/views. Only the blocks that this bot could
have a use for are known; another one is a problem until somebody writes its rules down.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.servers.slack_elements import (
    EVERYWHERE,
    HOME,
    MESSAGE,
    MODAL,
    Problems,
    element,
    missing,
    slack_file,
    string,
    text_object,
)
from tests.servers.slack_seen import Payload, elements

BLOCKS_PER_MESSAGE, BLOCKS_PER_VIEW = 50, 100
TEXT_LIMIT = 40_000
"""chat.postMessage cuts a longer text; here it is refused."""
MARKDOWN_LIMIT = 12_000


def _section(block: Mapping[str, Any], at: str, surface: str) -> Problems:
    if not block.get("text") and not block.get("fields"):
        yield at, "one of text and fields is needed"
    if "text" in block:
        yield from text_object(block["text"], f"{at}/text", 3000)
    fields = block.get("fields", [None])
    if not 1 <= len(fields) <= 10:
        yield f"{at}/fields", "must have 1 to 10 items"
    for number, each in enumerate(block.get("fields") or ()):
        yield from text_object(each, f"{at}/fields/{number}", 2000)
    if "accessory" in block:
        yield from element(block["accessory"], f"{at}/accessory", "section", surface)


def _elements(block: Mapping[str, Any], at: str, surface: str) -> Problems:
    most = {"actions": 25, "context": 10}[block["type"]]
    given = block.get("elements")
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        yield f"{at}/elements", f"must have 1 to {most} items"
        return
    for number, each in enumerate(given):
        where = f"{at}/elements/{number}"
        if block["type"] == "context" and isinstance(each, dict) and each.get("type") != "image":
            yield from text_object(each, where, 2000)
        else:
            yield from element(each, where, block["type"], surface)


def _header(block: Mapping[str, Any], at: str, _surface: str) -> Problems:
    yield from text_object(block.get("text"), f"{at}/text", 150, plain=True)


def _image(block: Mapping[str, Any], at: str, _surface: str) -> Problems:
    yield from slack_file(block, at)
    if "title" in block:
        yield from text_object(block["title"], f"{at}/title", 2000, plain=True)


def _input(block: Mapping[str, Any], at: str, surface: str) -> Problems:
    yield from text_object(block.get("label"), f"{at}/label", 2000, plain=True)
    if "hint" in block:
        yield from text_object(block["hint"], f"{at}/hint", 2000, plain=True)
    for name in ("optional", "dispatch_action"):
        if name in block and not isinstance(block[name], bool):
            yield f"{at}/{name}", "must be a boolean"
    yield from element(block.get("element"), f"{at}/element", "input", surface)


def _markdown(block: Mapping[str, Any], at: str, _surface: str) -> Problems:
    yield from string(block.get("text"), f"{at}/text", MARKDOWN_LIMIT)


def _rich_text(block: Mapping[str, Any], at: str, _surface: str) -> Problems:
    kinds = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
    for number, part in enumerate(block.get("elements") or [{}]):
        if part.get("type") not in kinds or not isinstance(part.get("elements"), list):
            yield f"{at}/elements/{number}", f"must be one of {', '.join(kinds)} with elements"


def _nothing(_block: Mapping[str, Any], _at: str, _surface: str) -> Problems:
    yield from ()


Check = Callable[[Mapping[str, Any], str, str], Problems]
BLOCKS: dict[str, tuple[frozenset[str], Check, frozenset[str]]] = {
    "actions": (frozenset({"elements"}), _elements, EVERYWHERE),
    "context": (frozenset({"elements"}), _elements, EVERYWHERE),
    "divider": (frozenset(), _nothing, EVERYWHERE),
    "header": (frozenset({"text"}), _header, EVERYWHERE),
    "image": (frozenset({"image_url", "slack_file", "alt_text", "title"}), _image, EVERYWHERE),
    "input": (frozenset({"label", "element", "hint", "optional", "dispatch_action"}), _input, EVERYWHERE),
    "markdown": (frozenset({"text"}), _markdown, frozenset({MESSAGE})),
    "rich_text": (frozenset({"elements"}), _rich_text, EVERYWHERE),
    "section": (frozenset({"text", "fields", "accessory", "expand"}), _section, EVERYWHERE),
}


def block_problems(blocks: Any, surface: str) -> list[str]:
    """What Slack finds wrong with blocks, in its own form: a sentence and a JSON pointer."""
    if not isinstance(blocks, list):
        return ["[ERROR] must be an array [json-pointer:/blocks]"]
    return [f"[ERROR] {sentence} [json-pointer:{pointer}]" for pointer, sentence in _blocks(blocks, surface)]


def _blocks(blocks: list[Any], surface: str) -> Problems:
    most = BLOCKS_PER_MESSAGE if surface == MESSAGE else BLOCKS_PER_VIEW
    if len(blocks) > most:
        yield "/blocks", f"no more than {most} items allowed"
    for number, block in enumerate(blocks):
        yield from _block(block, f"/blocks/{number}", surface)
    yield from _unique([block for block in blocks if isinstance(block, dict)])


def _block(block: Any, at: str, surface: str) -> Problems:
    if not isinstance(block, dict) or block.get("type") not in BLOCKS:
        kind = block.get("type") if isinstance(block, dict) else block
        yield f"{at}/type", f"unsupported type: {kind}"
        return
    fields, check, surfaces = BLOCKS[block["type"]]
    if surface not in surfaces:
        yield f"{at}/type", f"unsupported type: {block['type']} in {surface}"
    for name in block:
        if name not in fields | {"type", "block_id"}:
            yield at, f"no more fields allowed: {name}"
    if "block_id" in block:
        yield from string(block["block_id"], f"{at}/block_id", 255)
    yield from check(block, at, surface)


def _unique(blocks: list[Payload]) -> Problems:
    """Each `block_id` once in all, each `action_id` once in its block (reference/block-kit/block-elements)."""
    names = Counter(block["block_id"] for block in blocks if block.get("block_id"))
    for name in (name for name, times in names.items() if times > 1):
        yield "/blocks", f"block_id {name!r} stands there twice"
    for number, block in enumerate(blocks):
        actions = Counter(part["action_id"] for _, part in elements([block]) if part.get("action_id"))
        for name in (name for name, times in actions.items() if times > 1):
            yield f"/blocks/{number}", f"action_id {name!r} stands there twice"


def view_problems(view: Any, surface: str) -> list[str]:
    """What Slack finds wrong with a modal or an App Home."""
    if not isinstance(view, dict):
        return ["[ERROR] must be a view [json-pointer:/view]"]
    found = [f"[ERROR] {sentence} [json-pointer:{pointer}]" for pointer, sentence in _view(view, surface)]
    blocks = view.get("blocks")
    if isinstance(blocks, list) and not blocks and surface == MODAL:
        found.append("[ERROR] no fewer than 1 items allowed [json-pointer:/blocks]")
    return found + block_problems(blocks, surface)


_VIEW = frozenset({"type", "blocks", "private_metadata", "callback_id", "external_id"})
_MODAL = _VIEW | {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"}


def _view(view: Payload, surface: str) -> Problems:
    wanted = "modal" if surface == MODAL else "home"
    if view.get("type") != wanted:
        yield "/type", f"must be {wanted}"
    for name in view:
        if name not in (_MODAL if surface == MODAL else _VIEW):
            yield f"/{name}", "no more fields allowed"
    for name, most in {"private_metadata": 3000, "callback_id": 255, "external_id": 255}.items():
        if name in view:
            yield from string(view[name], f"/{name}", most, 0)
    if surface == HOME:
        return
    yield from text_object(view.get("title"), "/title", 24, plain=True)
    for name in ("submit", "close"):
        if name in view:
            yield from text_object(view[name], f"/{name}", 24, plain=True)
    if "submit" not in view and any(block.get("type") == "input" for block in view.get("blocks") or ()):
        yield missing("/submit", "submit (there are inputs)")


def read_json(value: Any) -> Any:
    """A form carries blocks and views as JSON text, a JSON body as they are. Raises ValueError."""
    return json.loads(value) if isinstance(value, str) else value
