"""A card as one of Slack's messages: plain dictionaries of its Block Kit, within its limits.

What people wrote stands in plain_text and in rich_text's own text elements, which Slack shows as they are: no format,
link, mention or emoji is made of it. Limits: docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from adapters.slack.names import BUTTON, COMMAND, ORIGINAL
from bot.cards import Action, Card, Line, Style, Tone, shorten

MAX_BLOCKS = 50
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_CONTEXT = 2000
MAX_CONTEXT_ELEMENTS = 10
MAX_LABEL = 75
MAX_VALUE = 2000
MAX_ALL = 10_000
"""Characters of all blocks together; Slack refuses a message of somewhat more (msg_blocks_too_long)."""
MAX_FALLBACK = 300
"""Of the text in notifications."""
BUTTONS_IN_A_ROW = 5
MAX_ROWS = 5

MARKS = {Tone.WARNING: "⚠️", Tone.BAD: "❌"}
BLANK = "\u200b"

Block = dict[str, Any]
Message = dict[str, Any]


def message(card: Card) -> Message:
    """`text` and `blocks` for this card; pictures are shared beside them."""
    return {"text": fallback(card), "blocks": blocks(card)}


def fallback(card: Card) -> str:
    """What notifications and screen readers say. Slack reads mrkdwn here, so its three characters are escaped."""
    said = [card.title, *(line.text for line in card.lines if line.style is not Style.SMALL)]
    text = shorten(" · ".join(" ".join(part.split()) for part in said if part.strip()) or BLANK, MAX_FALLBACK)
    return escaped(text)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(card: Card) -> list[Block]:
    rows = list(_rows(_with_originals(card)))
    lines = _shortened([line for line in card.lines if line.text.strip()])
    above = [line for line in lines if line.style is not Style.SMALL]
    below = [line for line in lines if line.style is Style.SMALL]
    told = [*_header(card), *_texts(above), *_texts(below)]
    return [*told[: MAX_BLOCKS - len(rows)], *rows] or [_section(BLANK)]


# ---- text ----


def _header(card: Card) -> Iterator[Block]:
    title = " ".join(own(card.title).split())
    if title:
        mark = MARKS.get(card.tone)
        text = f"{mark} {title}" if mark else title
        yield {"type": "header", "text": _plain(text, MAX_HEADER)}


def _texts(lines: Sequence[Line]) -> Iterator[Block]:
    """Neighbours of one style stand in one block."""
    for style, group in groupby(lines, lambda line: line.style):
        same = [line.text.strip() for line in group]
        match style:
            case Style.QUOTE:
                yield from (_rich("rich_text_quote", text) for text in same)
            case Style.CODE:
                yield from (_rich("rich_text_preformatted", own(text)) for text in same)
            case Style.SMALL:
                yield from _context([own(text) for text in same])
            case Style.HEADING:
                yield from (
                    {"type": "header", "text": _plain(" ".join(own(text).split()), MAX_HEADER)} for text in same
                )
            case _:
                yield from (_section(part) for part in _parts([own(text) for text in same], MAX_SECTION))


def _parts(texts: Iterable[str], most: int) -> Iterator[str]:
    """Lines gathered into as few texts as fit."""
    gathered = ""
    for text in texts:
        text = shorten(text, most)
        if gathered and len(gathered) + 1 + len(text) > most:
            yield gathered
            gathered = text
        else:
            gathered = f"{gathered}\n{text}" if gathered else text
    if gathered:
        yield gathered


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text, MAX_SECTION)}


def _context(texts: Sequence[str]) -> Iterator[Block]:
    for start in range(0, len(texts), MAX_CONTEXT_ELEMENTS):
        elements = [_plain(text, MAX_CONTEXT) for text in texts[start : start + MAX_CONTEXT_ELEMENTS]]
        yield {"type": "context", "elements": elements}


def _rich(kind: str, text: str) -> Block:
    return {"type": "rich_text", "elements": [{"type": kind, "elements": [{"type": "text", "text": text}]}]}


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": shorten(text, most), "emoji": False}


def _shortened(lines: list[Line]) -> list[Line]:
    """Cut what people wrote, then whatever is longest, until all fits."""
    while (over := sum(len(line.text) + 20 for line in lines) - MAX_ALL) > 0:
        quotes = [line for line in lines if line.style is Style.QUOTE and len(line.text) > 100]
        longest = max(quotes or lines, key=lambda line: len(line.text))
        if len(longest.text) <= 1:
            return lines[: MAX_BLOCKS * 2]
        cut = Line(shorten(longest.text, max(1, len(longest.text) - over)), longest.style)
        lines = [cut if line is longest else line for line in lines]
    return lines


_ASKING = re.compile(r"(?<![\w/.:])/(?=([a-z]+)\b(?!/))")


def own(text: str) -> str:
    """Easel's own line: where it names a command, /history is `/imagine history` here."""
    return _ASKING.sub(lambda match: f"{COMMAND} " if match[1] in _names() else "/", text)


def _names() -> frozenset[str]:
    """The first words of all that is typed. /imagine itself needs no other name."""
    from commands import CATALOGUE
    from commands.spec import Where

    found = {command.name.split()[0] for command in CATALOGUE if command.where is Where.SLASH}
    return frozenset(found - {COMMAND.removeprefix("/")})


# ---- buttons ----


def _with_originals(card: Card) -> tuple[Action, ...]:
    """Who wants to see a covered picture asks for it: it comes in direct messages."""
    hidden = [picture for picture in card.pictures if picture.hidden]
    job = job_of(card)
    if not (hidden and job):
        return card.actions
    label = "Send me the original"
    originals = (
        Action(ORIGINAL, job, label if len(hidden) == 1 else f"{label} {it.index}", "👁️", it.index) for it in hidden
    )
    return (*card.actions, *originals)


_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def job_of(card: Card) -> str:
    """The job that a card is about, from its buttons or from where its pictures lie; empty if it is about none."""
    texts = (*(action.job for action in card.actions), *(picture.path.name for picture in card.pictures))
    return next((found[0] for text in texts if (found := _ULID.search(text))), "")


def _rows(actions: Sequence[Action]) -> Iterator[Block]:
    """An action id is unique within its message."""
    buttons = [button(action, number) for number, action in enumerate(actions)][: BUTTONS_IN_A_ROW * MAX_ROWS]
    for start in range(0, len(buttons), BUTTONS_IN_A_ROW):
        yield {"type": "actions", "elements": buttons[start : start + BUTTONS_IN_A_ROW]}


def button(action: Action, number: int = 0) -> dict[str, Any]:
    """`easel:<verb>:<n>` with the value `<job>:<argument>`: all that a button knows, so it works after any restart."""
    label = f"{action.emoji} {action.label}" if action.emoji else action.label
    made: dict[str, Any] = {
        "type": "button",
        "text": {"type": "plain_text", "text": shorten(label, MAX_LABEL), "emoji": True},
        "action_id": f"{BUTTON}{action.verb}:{number}",
        "value": f"{action.job}:{action.argument}",
    }
    if len(made["value"]) > MAX_VALUE:
        raise ValueError(f"the button {action.verb!r} says more than {MAX_VALUE} characters")
    if action.danger:
        made |= {"style": "danger", "confirm": _confirm(action)}
    return made


def _confirm(action: Action) -> dict[str, Any]:
    return {
        "title": _plain(f"{action.label}?", 100),
        "text": _plain("Message and pictures go, for everybody and for good.", 300),
        "confirm": _plain(action.label, 30),
        "deny": _plain("Keep", 30),
        "style": "danger",
    }
