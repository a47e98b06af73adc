"""The `parameters` text that image tools write into a PNG → the line that asks for the picture again.

Ours are written by `bot.cards.infotext`; other tools add a negative prompt and more names, which no flag can say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.images import MAX_PROMPT, Capabilities, Range
from commands.grammar import render

MOST = 20_000
"""Characters of such a text that are looked at."""

_LORA = re.compile(r"\s*<lora:(?P<name>[^:<>]{1,200})(?::(?P<scale>[0-9.]{1,10}))?(?::[^<>]*)?>")
_PAIR = re.compile(r"\s*(?P<name>[A-Za-z][\w /-]{0,40}):\s*(?P<value>\"[^\"]*\"|[^,]*)(?:,|$)")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Infotext:
    prompt: str
    loras: tuple[str, ...]
    values: dict[str, str]


def read(text: str) -> Infotext:
    """Prompt, LoRAs and the named values of the last line, by names in lower case."""
    lines = text[:MOST].replace("\r\n", "\n").split("\n")
    last = lines[-1] if len(lines) > 1 and "steps:" in lines[-1].lower() else ""
    words = "\n".join(lines[:-1] if last else lines)
    words = re.split(r"(?:^|\n)Negative prompt:", words, maxsplit=1)[0]
    loras = tuple(f"{it['name']}:{it['scale']}" if it["scale"] else it["name"] for it in _LORA.finditer(words))
    pairs = {match["name"].lower(): match["value"].strip().strip('"') for match in _PAIR.finditer(last)}
    return Infotext(" ".join(_LORA.sub("", words).split()), loras, pairs)


def command_line(text: str, can: Capabilities) -> str:
    """`/imagine …`, with what the model takes of it; empty where there is no prompt."""
    found = read(text)
    if not found.prompt:
        return ""
    said: dict[str, object] = {
        "size": _size(found.values.get("size", ""), can),
        "seed": _number(found.values.get("seed", ""), Range(0, can.max_seed), whole=True),
        "steps": _number(found.values.get("steps", ""), can.steps, whole=True),
        "guidance": _number(found.values.get("cfg scale", ""), can.guidance),
        "strength": _number(found.values.get("denoising strength", ""), can.strength),
        "loras": ", ".join(found.loras[: can.max_loras]) or None,
    }
    return f"/imagine {render(found.prompt[:MAX_PROMPT], said)}"


def _size(text: str, can: Capabilities) -> str | None:
    match = _SIZE.fullmatch(text.strip())
    if match is None or not all(int(side) in can.side for side in match.groups()):
        return None
    return text.strip()


def _number(text: str, allowed: Range, *, whole: bool = False) -> int | float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if value not in allowed:  # not a number is in no range
        return None
    return int(value) if whole else value
