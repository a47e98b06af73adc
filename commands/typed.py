"""A line that somebody typed → a command of the catalogue and its options, wherever there is only a text box.

a red fox --ar 16:9          imagine, which needs no name
show k3f9ab                  one word after a command that takes one
history before: k3f9ab       an option by its name; `--before k3f9ab` is the same
lora list wool               words after a command that takes a text
show me a dragon             imagine: what doesn't fit a command is a prompt
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.errors import BadRequest
from commands import values
from commands.spec import Attachment, Command, Kind, Where

if TYPE_CHECKING:
    from bot.easel import Easel

DRAWING = "imagine"
MOST = 10_000
"""Characters of a line; beyond them it is surely no prompt."""

NEARLY = 0.82
"""How alike two words are, of 1, when one is probably a slip of the other."""

_NAMED = re.compile(r"(?:--|[–—])(?P<flag>[a-z][a-z0-9_]*)[ =:]\s*|(?P<name>[a-z][a-z0-9_]*):\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """`options` are checked. Those that the command requires may be missing: `lacks` are their names."""

    command: Command
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def lacks(self) -> tuple[str, ...]:
        return tuple(it.name for it in self.command.options if it.required and it.name not in self.options)


def read(text: str, easel: Easel, catalogue: Iterable[Command], pictures: Sequence[Attachment] = ()) -> Line:
    """What a line means. `pictures` came with it: the first is the `image`, the second the `mask` to draw from.

    A leading slash before a command's name is taken as people mean it. Raises BadRequest for a value that its option
    doesn't take.
    """
    text = text.strip()[: MOST + 1]
    if len(text) > MOST:
        raise BadRequest(f"That is more than {MOST:,} characters. Please say it shorter.", field="prompt")
    typed = {it.name: it for it in catalogue if it.where is Where.SLASH}
    name, rest = _name(text, typed)
    if name and name != DRAWING and not _draws(typed[name]):
        options = _options(typed[name], rest, easel)
        if options is not None:
            return Line(typed[name], options)
    if name and _draws(typed[name]) and (name == DRAWING or pictures or not rest):
        return Line(typed[name], _prompt(rest) | _sources(pictures))
    if not name:
        _check_spelling(text, typed)
    return Line(
        typed[DRAWING], _prompt(text.removeprefix("/") if text.startswith("/") and name else text) | _sources(pictures)
    )


def _check_spelling(text: str, typed: Mapping[str, Command]) -> None:
    """Raise BadRequest for a single word that is nearly a command: to draw it would cost money."""
    near = difflib.get_close_matches(text.removeprefix("/").lower(), typed, n=1, cutoff=NEARLY)
    if near:
        raise BadRequest(f"Did you mean {near[0]}? To draw “{text[:40]}”, say: {DRAWING} {text[:40]}")


def _name(text: str, typed: Mapping[str, Command]) -> tuple[str, str]:
    """The command's name, of one word or two, and what follows; no name where it is none."""
    first, *more = text.removeprefix("/").split(maxsplit=2) or [""]
    if more and (two := f"{first} {more[0]}".lower()) in typed:
        return two, more[1] if len(more) > 1 else ""
    if first.lower() in typed:
        return first.lower(), " ".join(more) if len(more) < 2 else text.removeprefix("/")[len(first) :].strip()
    if not more and (begun := [name for name in typed if name.startswith(f"{first.lower()} ")]) and first:
        return begun[0], ""  # "lora" alone is the first of its commands
    return "", text


def _draws(command: Command) -> bool:
    return any(option.name == "prompt" for option in command.options)


def _prompt(text: str) -> dict[str, object]:
    return {"prompt": text} if text else {}


def _sources(pictures: Sequence[Attachment]) -> dict[str, object]:
    return dict(zip(("image", "mask"), pictures, strict=False))


def _options(command: Command, rest: str, easel: Easel) -> dict[str, object] | None:
    """What follows a command's name; None where it doesn't fit, and is more of a sentence."""
    known = {option.name: option for option in command.options}
    found: dict[str, object] = {}
    plain = rest
    named = [match for match in _NAMED.finditer(rest) if (match["flag"] or match["name"]).lower() in known]
    if named:
        plain = rest[: named[0].start()].strip()
        for match, following in zip(named, [*named[1:], None], strict=True):
            option = known[(match["flag"] or match["name"]).lower()]
            given = rest[match.end() : following.start() if following else None].strip()
            if given:
                found[option.name] = values.value(option, given, easel)
    for option in command.options:
        if plain and option.kind is Kind.TEXT and option.name not in found:
            if option.word and not _is_word(plain):
                return None
            found[option.name] = values.value(option, plain.lstrip("#") if option.word else plain, easel)
            plain = ""
    return found if not plain else None


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"#?[\w.-]{1,40}", text))
