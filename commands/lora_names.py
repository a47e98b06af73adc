"""LoRAs as people write them: `yarn`, `yarn:0.8`, `owner/name:0.7`, and an https address where that is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

from bot.errors import BadRequest
from bot.images import MAX_PROMPT, Capabilities, Lora
from bot.library import NAME, REPOSITORY, Library, checked_address
from commands.grammar import number_text

Paths = Literal["library", "huggingface", "any"]
"""`EASEL_LORA_PATHS`: the library alone · also `owner/name` · also https addresses."""

_WEIGHT = re.compile(r"(?P<path>.+):(?P<weight>[0-9]{1,4}(?:\.[0-9]{0,4})?|\.[0-9]{1,4})", re.DOTALL)
_DECIMAL_COMMA = re.compile(r":([0-9]),([0-9]{1,3})(?=\s*(?:[,;\n]|$))")
_HUB = re.compile(r"(?:https://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([^/\s]+/[^/\s?#]+)/?(?:tree/main/?)?")


def split(text: str) -> list[str]:
    """The LoRAs of one text: by commas, semicolons, spaces or lines. `yarn:0,8` is read as 0.8."""
    return [part for part in re.split(r"[,;\s]+", _DECIMAL_COMMA.sub(r":\1.\2", text)) if part]


def resolve(texts: Iterable[str], library: Library, paths: Paths, capabilities: Capabilities) -> tuple[Lora, ...]:
    """What was written, as LoRAs; the same one twice is one.

    Raises BadRequest for an unknown name (with the nearest right ones), a path that isn't allowed here, a bad weight,
    the same LoRA with two weights, and too many.
    """
    found: dict[str, Lora] = {}
    for text in texts:
        lora = _lora(text, library, paths)
        if lora.scale not in capabilities.lora_scale:
            low, high = number_text(capabilities.lora_scale.low), number_text(capabilities.lora_scale.high)
            raise BadRequest(
                f"The weight of {shown(lora)} is {number_text(lora.scale)}; it goes from {low} to {high}.",
                field="loras",
            )
        known = found.setdefault(lora.path.casefold(), lora)
        if known.scale != lora.scale:
            raise BadRequest(f"{shown(lora)} is there twice with different weights; keep one.", field="loras")
    if len(found) > capabilities.max_loras:
        most = capabilities.max_loras
        raise BadRequest(f"{len(found)} LoRAs are too many; this model takes up to {most} at once.", field="loras")
    return tuple(found.values())


def written(lora: Lora, library: Library) -> str:
    """The text that `resolve` reads as this LoRA."""
    entry = library.find(lora.path)
    return f"{entry.name if entry else lora.path}:{number_text(round(lora.scale, 4))}"


def shown(lora: Lora) -> str:
    return lora.name or lora.path


def with_triggers(prompt: str, loras: Iterable[Lora], library: Library) -> tuple[str, tuple[str, ...]]:
    """The prompt with the trigger words that it lacked, and what to say about that.

    Whole words, upper and lower case alike. Raises BadRequest when they make the prompt too long.
    """
    longer, notes = prompt, []
    for lora in loras:
        entry = library.find(lora.path) if lora.scale else None
        missing = [trigger for trigger in entry.triggers if not _says(longer, trigger)] if entry else []
        if entry and missing:
            longer = ", ".join([longer.rstrip(" ,"), *missing])
            notes.append(f"Added for {entry.name}: {', '.join(missing)}")
    if len(longer) > MAX_PROMPT >= len(prompt):
        raise BadRequest(
            f"With the trigger words of its LoRAs the prompt has {len(longer):,} characters; {MAX_PROMPT:,} is the "
            f"most. Please shorten it by {len(longer) - MAX_PROMPT}.",
            field="prompt",
        )
    return longer, tuple(notes)


def _says(prompt: str, trigger: str) -> bool:
    words = r"\s+".join(re.escape(word) for word in trigger.split())
    return re.search(rf"(?<!\w){words}(?!\w)", prompt, re.IGNORECASE) is not None


def _lora(text: str, library: Library, paths: Paths) -> Lora:
    path, scale = _weight(text.strip())
    hub = _HUB.fullmatch(path)
    path = hub[1] if hub else path
    entry = library.find(path)
    if entry is not None:
        return Lora(entry.path, entry.scale if scale is None else scale, entry.name)
    return Lora(_allowed(path, library, paths), 1.0 if scale is None else scale, _stem(path))


def _weight(text: str) -> tuple[str, float | None]:
    match = _WEIGHT.fullmatch(text)
    if match and match["path"].lower() not in ("http", "https"):
        return match["path"], float(match["weight"])
    name, colon, weight = text.partition(":")
    if colon and NAME.fullmatch(name) and not weight.startswith("//") and not re.match(r"[\\/]", weight):
        if not weight:
            return name, None
        raise BadRequest(f"The weight after a LoRA is a number, e.g. {name}:0.8, not “{weight[:20]}”.", field="loras")
    return text, None


def _allowed(path: str, library: Library, paths: Paths) -> str:
    """The path as the API gets it. Raises BadRequest unless it may be used here; never a file of anybody's machine."""
    if "://" in path:
        if paths != "any":
            raise BadRequest("LoRAs by address can't be used here. /lora list shows those that can.", field="loras")
        return checked_address(path)
    if REPOSITORY.fullmatch(path) and ".." not in path:
        if paths == "library":
            raise BadRequest("Only the LoRAs in /lora list can be used here.", field="loras")
        return path
    raise unknown(path, library)


def unknown(name: str, library: Library) -> BadRequest:
    near = library.nearest(name[:60])
    way_out = f"Did you mean {' or '.join(near)}?" if near else "/lora list shows all."
    return BadRequest(f"There is no LoRA “{name[:60]}”. {way_out}", field="loras")


def _stem(path: str) -> str:
    """What people see of an address: its file's name. Anything else is shown as it is."""
    if "://" not in path:
        return ""
    return urlsplit(path).path.rstrip("/").rpartition("/")[2].removesuffix(".safetensors")[:60]
