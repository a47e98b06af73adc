"""A card as one of Discord's messages: plain dictionaries of its Components V2, escaped and within its limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from bot.cards import Action, Card, Field, Form, Line, Shown, Style, Tone

COMPONENTS_V2 = 1 << 15
EPHEMERAL = 1 << 6
NO_MENTIONS: dict[str, Any] = {"parse": []}
MAX_TEXT = 4000
"""Characters in all text displays of a message together."""
MAX_ALT = 1024
MAX_LABEL = 80
MAX_CUSTOM_ID = 100
BUTTONS_IN_A_ROW = 5
MAX_ROWS = 5
MAX_PICTURES = 10
MAX_FIELDS = 5

ACCENTS = {
    Tone.NEUTRAL: 0x5865F2,
    Tone.WORKING: 0xF0B232,
    Tone.GOOD: 0x23A55A,
    Tone.WARNING: 0xF0883E,
    Tone.BAD: 0xDA373C,
}

_MARKUP = re.compile(r"([\\*_~`|<>\[\]()#])")
_LINE_START = re.compile(r"^(\s*)([-+]|\d+\.)", re.MULTILINE)
_JOINER = "\u200b"


def plain(text: str) -> str:
    """The text such that Discord shows exactly it: no format, link or mention. (Any escaped punctuation shows as itself.)"""
    text = _MARKUP.sub(r"\\\1", text)
    text = _LINE_START.sub(lambda match: match[1] + match[2][:-1] + "\\" + match[2][-1], text)
    # An escaped @ or : would still be found by the server's mentions and the client's links; a zero-width space breaks both.
    return text.replace("@", "@" + _JOINER).replace("://", ":" + _JOINER + "//")


def body(card: Card, names: Sequence[str] = ()) -> dict[str, Any]:
    """The message for this card. `names` are the uploaded files' names, one for each picture that is attached."""
    shown = card.pictures[: len(names)]
    message: dict[str, Any] = {
        "flags": COMPONENTS_V2,
        "components": [_container(card, shown, names)],
        "allowed_mentions": NO_MENTIONS,
    }
    message["attachments"] = [_attachment(place, name, picture) for place, (name, picture) in _pairs(names, shown)]
    return message


def private(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"flags": message["flags"] | EPHEMERAL}


def _pairs(names: Sequence[str], shown: Sequence[Shown]) -> Iterable[tuple[int, tuple[str, Shown]]]:
    return enumerate(zip(names, shown, strict=True))


def _container(card: Card, shown: Sequence[Shown], names: Sequence[str]) -> dict[str, Any]:
    above, below = _texts(card)
    parts: list[dict[str, Any]] = []
    if above:
        parts.append({"type": 10, "content": above})
    if shown:
        parts.append({"type": 12, "items": [_item(name, picture) for _, (name, picture) in _pairs(names, shown)]})
    if below:
        parts.append({"type": 10, "content": below})
    parts.extend(_rows(card.actions))
    return {"type": 17, "accent_color": ACCENTS[card.tone], "components": parts or [{"type": 10, "content": _JOINER}]}


def _item(name: str, picture: Shown) -> dict[str, Any]:
    item: dict[str, Any] = {"media": {"url": f"attachment://{name}"}}
    if picture.alt:
        item["description"] = picture.alt[:MAX_ALT]
    if picture.hidden:
        item["spoiler"] = True
    return item


def _attachment(place: int, name: str, picture: Shown) -> dict[str, Any]:
    attachment: dict[str, Any] = {"id": place, "filename": name}
    if picture.alt:
        attachment["description"] = picture.alt[:MAX_ALT]
    if picture.hidden:
        attachment["is_spoiler"] = True
    return attachment


# ---- text ----


def _texts(card: Card) -> tuple[str, str]:
    """What stands above the pictures and, in small print, below them: together within Discord's 4,000 characters."""
    lines = _shortened([Line(card.title, Style.HEADING), *card.lines] if card.title else list(card.lines))
    above = [_styled(line) for line in lines if line.style is not Style.SMALL]
    below = [_styled(line) for line in lines if line.style is Style.SMALL]
    return "\n".join(filter(None, above)), "\n".join(filter(None, below))


def _styled(line: Line) -> str:
    if not line.text.strip():
        return ""
    if line.style is Style.CODE:
        return "```\n" + line.text.replace("```", f"`{_JOINER}`{_JOINER}`") + "\n```"
    text = plain(line.text.strip())
    match line.style:
        case Style.HEADING:
            return "### " + " ".join(text.split("\n"))
        case Style.QUOTE:
            return "\n".join("> " + part for part in text.split("\n"))
        case Style.SMALL:
            return "\n".join("-# " + part for part in text.split("\n") if part.strip())
        case _:
            return text


def _shortened(lines: list[Line]) -> list[Line]:
    """Cut what people wrote, then whatever is longest, until all fits."""
    while (over := sum(_length(_styled(line)) + 1 for line in lines) - MAX_TEXT) > 0:
        quotes = [line for line in lines if line.style is Style.QUOTE and len(line.text) > 100]
        longest = max(quotes or lines, key=lambda line: len(line.text))
        drawn = _length(_styled(longest))
        keep = min(len(longest.text) - 2, int(len(longest.text) * max(0, drawn - over) / drawn) - 1)
        cut = Line(longest.text[: max(1, keep)].rstrip() + "…", longest.style)
        lines = [cut if line is longest else line for line in lines]
    return lines


def _length(text: str) -> int:
    """As UTF-16, the longest way in which Discord may count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


# ---- buttons ----


def _rows(actions: Sequence[Action]) -> Iterable[dict[str, Any]]:
    buttons = [_button(action) for action in actions]
    starts = range(0, len(buttons), BUTTONS_IN_A_ROW)
    rows = ({"type": 1, "components": buttons[start : start + BUTTONS_IN_A_ROW]} for start in starts)
    return islice(rows, MAX_ROWS)


def _button(action: Action) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": 2,
        "style": 4 if action.danger else 2,
        "label": action.label[:MAX_LABEL],
        "custom_id": custom_id(action),
    }
    if action.emoji:
        button["emoji"] = {"name": action.emoji}
    return button


def custom_id(action: Action) -> str:
    """`easel:<verb>:<job>:<argument>`: all that a button knows, so it works after any restart."""
    made = f"easel:{action.verb}:{action.job}:{action.argument}"
    if len(made) > MAX_CUSTOM_ID:
        raise ValueError(f"the button {action.verb!r} says more than {MAX_CUSTOM_ID} characters")
    return made


# ---- forms ----


def modal(form: Form) -> dict[str, Any]:
    """The form as a modal. Raises ValueError for more than five fields."""
    if len(form.fields) > MAX_FIELDS:
        raise ValueError(f"the form {form.verb!r} has more than {MAX_FIELDS} fields")
    return {
        "custom_id": f"easel-form:{form.verb}:{form.job}"[:MAX_CUSTOM_ID],
        "title": _cut(form.title, 45),
        "components": [_label(field) for field in form.fields],
    }


def _label(field: Field) -> dict[str, Any]:
    most = min(4000, max(1, field.most))
    box: dict[str, Any] = {
        "type": 4,
        "custom_id": field.name,
        "style": 2 if field.long else 1,
        "required": field.required,
        "max_length": most,
    }
    if field.value:
        box["value"] = field.value[:most]
    label: dict[str, Any] = {"type": 18, "label": _cut(field.label, 45), "component": box}
    if field.hint:
        label["description"] = _cut(field.hint, 100)
    return label


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# ---- files ----


def file_name(job_short: str, picture: Shown, suffix: str) -> str:
    """The name that people see and save. Old clients hide what begins with SPOILER_."""
    return f"{'SPOILER_' if picture.hidden else ''}{job_short}-{picture.index}{suffix}"
