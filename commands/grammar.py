"""Text → options: flags typed in a prompt, on every platform with a text box.

    a red fox in the snow --ar 16:9 --seed 7 --lora yarn:0.8 --n 2

A flag begins a word: `--` and a letter; `—seed` and `–seed` count too, since keyboards write those for `--`. Its value
is the next word, or what follows `=`, or a text in quotes. What stands in double quotes within the prompt is text
("a sign saying “--private”"), and so is a lone `--`. An unknown `--flag` is an error with the nearest right one; after
a typographic dash, which people also write in sentences, only what looks like a misspelt flag with its value is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.errors import BadRequest
from bot.images import Capabilities, Range
from commands.sizes import parse_ratio, parse_size

Read = Callable[[str, str, Capabilities], object]
"""(flag as typed, its value, ranges) → the option's value. Raises BadRequest."""


@dataclass(frozen=True, slots=True)
class Typed:
    """`prompt` without its flags; `options` by the names of `/imagine`'s options. `loras` is one text, by commas."""

    prompt: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flag:
    """`names` are its spellings, the first one is taught. `read` is None for a flag without a value."""

    option: str
    names: tuple[str, ...]
    read: Read | None
    example: str


def number_text(value: float) -> str:
    return f"{value:.15g}"


def _span(allowed: Range) -> str:
    return f"from {number_text(allowed.low)} to {number_text(allowed.high)}"


def _whole(allowed: Callable[[Capabilities], Range]) -> Read:
    def read(flag: str, value: str, capabilities: Capabilities) -> int:
        span = allowed(capabilities)
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", value) or int(value) not in span:
            tip = " Leave it out for a random one." if flag == "seed" and value in ("-1", "random") else ""
            raise BadRequest(f"--{flag} takes a whole number {_span(span)}, not “{value[:40]}”.{tip}", field=flag)
        return int(value)

    return read


def _decimal(allowed: Callable[[Capabilities], Range]) -> Read:
    def read(flag: str, value: str, capabilities: Capabilities) -> float:
        span, plain = allowed(capabilities), value.replace(",", ".")
        if not re.fullmatch(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)", plain) or float(plain) not in span:
            raise BadRequest(f"--{flag} takes a number {_span(span)}, not “{value[:40]}”.", field=flag)
        return float(plain)

    return read


def _size(flag: str, value: str, capabilities: Capabilities) -> str:
    size = parse_size(value)
    for name, pixels in (("width", size.width), ("height", size.height)):
        if pixels not in capabilities.side:
            raise BadRequest(f"The {name} is {pixels} pixels; it goes {_span(capabilities.side)}.", field="size")
    return f"{size.width}x{size.height}"


def _ratio(flag: str, value: str, capabilities: Capabilities) -> str:
    size = parse_ratio(value, capabilities.side)
    return f"{size.width}x{size.height}"


def _lora(flag: str, value: str, capabilities: Capabilities) -> str:
    return value


FLAGS = (
    Flag("size", ("ar", "aspect"), _ratio, "--ar 16:9"),
    Flag("size", ("size",), _size, "--size 832x1216"),
    Flag("width", ("width", "w"), _whole(lambda model: model.side), "--width 832"),
    Flag("height", ("height", "h"), _whole(lambda model: model.side), "--height 1216"),
    Flag("count", ("n", "count", "repeat"), _whole(lambda model: Range(1, model.max_count)), "--n 2"),
    Flag("seed", ("seed",), _whole(lambda model: Range(0, model.max_seed)), "--seed 7"),
    Flag("steps", ("steps",), _whole(lambda model: model.steps), "--steps 20"),
    Flag("guidance", ("guidance", "cfg"), _decimal(lambda model: model.guidance), "--guidance 4"),
    Flag("strength", ("strength",), _decimal(lambda model: model.strength), "--strength 0.5"),
    Flag("loras", ("lora", "loras"), _lora, "--lora yarn:0.8"),
    Flag("private", ("private",), None, "--private"),
    Flag("spoiler", ("spoiler",), None, "--spoiler"),
)
_BY_NAME = {name: flag for flag in FLAGS for name in flag.names}
_TAUGHT = ", ".join(f"--{flag.names[0]}" for flag in FLAGS)

_ELSEWHERE = {
    "no": "The model takes no negative prompt: say what the picture should show instead.",
    "negative": "The model takes no negative prompt: say what the picture should show instead.",
    "image": "A picture can't be typed: add it as the `image` option.",
    "mask": "A mask can't be typed: add it as the `mask` option.",
}

_START = re.compile(
    r"(?<!\S)(?P<dash>-[-–—]|[–—][-–—]?)(?P<name>[A-Za-z][A-Za-z0-9_-]*)(?:(?P<sign>[=:])|(?=[\s,;.]|$))"
)
_QUOTED = re.compile(r'(?<![^\s(\[{])"[^"]*"(?=[\s.,;:!?)\]}]|$)|“[^“”]*”|„[^“”]*[“”]')
_VALUE = re.compile(
    r'"(?P<a>[^"]*)"|“(?P<b>[^“”]*)”|„(?P<c>[^“”]*)[“”]'
    r"|'(?P<d>[^']*)'(?=[\s,;.]|$)|‘(?P<e>[^‘’]*)’(?=[\s,;.]|$)|(?P<plain>\S+)"
)
_SPACE = re.compile(r"\s*")
_TAIL = re.compile(r"[,;.]+(?=\s|$)")
_MORE_LORAS = re.compile(r"\s*(?P<more>[\w./-]+:[0-9.]+|[\w.-]+/[\w.-]+)(?P<comma>,?)(?=\s|$)", re.ASCII)
_YES, _NO = {"yes", "true", "on", "1"}, {"no", "false", "off", "0"}


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    flag: Flag
    name: str
    value: object


def parse(text: str, capabilities: Capabilities) -> Typed:
    """Take the flags out of a text. A text without flags is returned as it is.

    Raises BadRequest for an unknown flag, a bad or missing value (with its range), and a flag that is there twice.
    """
    found = list(_flags(text, capabilities))
    if not found:
        return Typed(text)
    options: dict[str, object] = {}
    for item in found:
        _add(options, item)
    return Typed(_rest(text, found), options)


def render(prompt: str, options: Mapping[str, object]) -> str:
    """The text that `parse` reads as this prompt and these options; options that no flag can say are left out."""
    parts = [prompt] if prompt else []
    for flag in FLAGS:
        value = options.get(flag.option)
        if value is None or flag.names[0] == "ar":
            continue
        if flag.read is None:
            parts += [f"--{flag.names[0]}"] if value else [f"--{flag.names[0]}=no"]
        elif flag.option == "loras":
            parts += [f"--{flag.names[0]} {name.strip()}" for name in str(value).split(",") if name.strip()]
        else:
            parts.append(f"--{flag.names[0]} {number_text(value) if isinstance(value, int | float) else value}")
    return " ".join(parts)


def _flags(text: str, capabilities: Capabilities) -> Iterator[_Found]:
    quoted = [match.span() for match in _QUOTED.finditer(text)]
    position = 0
    while start := _START.search(text, position):
        position = start.end()
        if any(begin < start.start() < end for begin, end in quoted):
            continue
        name = start["name"].lower()
        flag = _BY_NAME.get(name)
        if flag is None:
            _refuse_unknown(text, start, capabilities)
            continue
        value, position = _value(text, start, flag, capabilities)
        yield _Found(start.start(), position, flag, name, value)


def _value(text: str, start: re.Match[str], flag: Flag, capabilities: Capabilities) -> tuple[object, int]:
    name = start["name"].lower()
    if flag.read is None:
        return _switch(text, start, name)
    typed, end = _typed(text, start)
    if not typed:
        raise BadRequest(f"--{name} needs a value, e.g. {flag.example}.", field=name)
    if flag.option == "loras":
        typed, end = _loras(text, typed, end)
    return flag.read(name, typed.rstrip(","), capabilities), end


def _typed(text: str, start: re.Match[str]) -> tuple[str, int]:
    """The value after a flag and where it ends; an empty text when there is none."""
    begin = start.end() if start["sign"] else _SPACE.match(text, start.end()).end()  # type: ignore[union-attr]
    match = _VALUE.match(text, begin)
    if match is None or (not start["sign"] and _START.match(text, begin)):
        return "", start.end()
    if match["plain"] is None:
        tail = _TAIL.match(text, match.end())
        return next(group for group in match.groups() if group is not None).strip(), (tail or match).end()
    # A comma stays in sight: it says that another LoRA may follow.
    return match["plain"].rstrip(".;"), match.end()


def _loras(text: str, typed: str, end: int) -> tuple[str, int]:
    """Go on after a comma as long as what follows is plainly a LoRA: `--lora yarn:0.8, koda:0.5 in the snow`."""
    while typed.endswith(",") and (more := _MORE_LORAS.match(text, end)):
        typed, end = f"{typed} {more['more']}{more['comma']}", more.end()
    return typed.rstrip(", "), end


def _switch(text: str, start: re.Match[str], name: str) -> tuple[bool, int]:
    if not start["sign"]:
        tail = _TAIL.match(text, start.end())
        return True, tail.end() if tail else start.end()
    typed, end = _typed(text, start)
    if typed.lower().rstrip(",") in _YES | _NO:
        return typed.lower().rstrip(",") in _YES, end
    raise BadRequest(f"--{name} stands alone, or with =yes or =no, not “{typed[:40]}”.", field=name)


def _refuse_unknown(text: str, start: re.Match[str], capabilities: Capabilities) -> None:
    """Raise BadRequest for a flag that isn't one, unless it is a dash within a sentence."""
    name = start["name"].lower()
    plain = start["dash"] == "--"
    near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.6 if plain else 0.75)
    if not plain and not (near and _takes(_BY_NAME[near[0]], _typed(text, start)[0], capabilities)):
        return
    if name in _ELSEWHERE:
        raise BadRequest(_ELSEWHERE[name], field=name)
    way_out = f"Did you mean --{near[0]}?" if near else f"These work: {_TAUGHT}."
    raise BadRequest(f"There is no flag --{start['name'][:40]}. {way_out}", field=name[:40])


def _takes(flag: Flag, value: str, capabilities: Capabilities) -> bool:
    if flag.read is None or not value or flag.option == "loras":
        return False
    try:
        flag.read(flag.names[0], value.rstrip(","), capabilities)
    except BadRequest:
        return False
    return True


def _add(options: dict[str, object], item: _Found) -> None:
    option = item.flag.option
    if option == "loras" and option in options:
        options[option] = f"{options[option]}, {item.value}"
    elif option in options:
        raise BadRequest(f"The {option} is there twice; keep one --{item.name}.", field=option)
    else:
        options[option] = item.value


def _rest(text: str, found: list[_Found]) -> str:
    ends = [0, *(item.end for item in found)]
    starts = [*(item.start for item in found), len(text)]
    pieces = (text[end:start].strip() for end, start in zip(ends, starts, strict=True))
    return " ".join(piece for piece in pieces if piece)
