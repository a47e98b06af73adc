"""What people see in blocks: their texts, their elements and their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.servers.slack_world import File

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a person sees in a message or a view."""

    name: str
    data: bytes = field(repr=False)
    alt: str
    file: File


def elements(blocks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Payload, Payload]]:
    """Every (block, element) from top to bottom."""
    for block in blocks:
        made = dict(block)
        for element in block.get("elements") or ():
            if isinstance(element, dict):
                yield made, element
        for single in ("accessory", "element"):
            if isinstance(block.get(single), dict):
                yield made, block[single]


def block_texts(blocks: Iterable[Mapping[str, Any]], *, mrkdwn_only: bool = False) -> Iterator[str]:
    """What can be read in blocks, labels and hints too, without buttons and what selects hold."""
    for block in blocks:
        kind = block["type"]
        if kind == "markdown":
            yield str(block["text"])
        elif kind == "rich_text" and not mrkdwn_only:
            yield _rich(block)
        for text in _text_objects(block):
            if text["type"] == "mrkdwn" or not mrkdwn_only:
                yield str(text["text"])


def _text_objects(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    wanted = {"header": ["text"], "section": ["text"], "image": ["title"], "input": ["label", "hint"]}
    for name in wanted.get(block["type"], ()):
        if isinstance(block.get(name), dict):
            yield block[name]
    yield from block.get("fields") or ()
    if block["type"] == "context":
        yield from (part for part in block["elements"] if part["type"] != "image")


def _rich(part: Mapping[str, Any]) -> str:
    if "elements" in part:
        return "".join(_rich(child) for child in part["elements"])
    return str(part.get("text") or part.get("url") or part.get("user_id") or "")


def block_pictures(blocks: Iterable[Mapping[str, Any]], files: Mapping[str, File]) -> Iterator[Picture]:
    for part in [*blocks, *(element for _, element in elements(blocks))]:
        if part.get("type") == "image" and part.get("slack_file"):
            named = part["slack_file"]
            file = files.get(named.get("id") or named.get("url"))
            if file is not None and not file.deleted:
                yield Picture(file.name, file.data or b"", part.get("alt_text") or "", file)
