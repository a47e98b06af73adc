"""The LoRAs that people can ask for by name, read from the operator's `loras.toml` and searched from memory."""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bot.errors import BadRequest, BadSettings

STARTER = Path(__file__).with_name("loras.toml")
"""The list that Easel ships with; EASEL_LORA_FILE names another."""

MOST_OFFERED = 25
"""What an autocomplete may show at once (Discord)."""
MOST_CHARACTERS = 100
"""Of an offer's label and value (Discord)."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
"""`owner/name` on Hugging Face."""
WEIGHT = re.compile(r"^(?P<name>.*?):(?P<weight>\d{0,3}(?:\.\d{0,3})?)$", re.DOTALL)

_SECRETIVE = re.compile(r"token|key|secret|sig|pass|auth|credential", re.IGNORECASE)
_LONGEST_ADDRESS = 500
_HIGHEST_SCALE = 4.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One LoRA of the library. `scale` is applied when nobody says otherwise; `triggers` belong in the prompt."""

    name: str
    path: str
    scale: float = 1.0
    triggers: tuple[str, ...] = ()
    description: str = ""
    link: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of an autocomplete: `value` is what is sent, with the weight that was typed."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class _Indexed:
    entry: Entry
    name: str
    triggers: str
    everything: str


class Library:
    """LoRAs by name, path and words, all lowered once: a search reads memory only."""

    def __init__(self, entries: tuple[Entry, ...] = ()) -> None:
        self.entries = entries
        self._by_name = {entry.name.casefold(): entry for entry in entries}
        self._by_path = {entry.path.casefold(): entry for entry in entries}
        self._indexed = tuple(_index(entry) for entry in entries)

    @classmethod
    def load(cls, file: Path | None = None) -> Library:
        """Read the operator's list, or the starter set. Raises BadSettings that names the file and every bad entry."""
        file = file or STARTER
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadSettings(f"EASEL_LORA_FILE: {file.name} can't be read ({error.strerror}).") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSettings(f"EASEL_LORA_FILE: {file.name} is no valid TOML: {error}.") from error
        return cls(_entries(document, file.name))

    def find(self, name: str) -> Entry | None:
        """By name or by path, upper and lower case alike."""
        wanted = name.strip().casefold()
        return self._by_name.get(wanted) or self._by_path.get(wanted)

    def search(self, text: str, limit: int = MOST_OFFERED) -> list[Offer]:
        """What to offer for the text typed so far, best first.

        Every word has to stand somewhere in name, trigger words or description. A weight typed after a colon is kept.
        """
        name, weight = _typed(text)
        return [_offer(entry, weight) for entry in self.matching(name)[:limit]]

    def matching(self, text: str) -> list[Entry]:
        """All entries with every word of the text, best first; names that begin with it stand at the top."""
        words = text.casefold().split()
        hits = [indexed for indexed in self._indexed if all(word in indexed.everything for word in words)]
        wanted = " ".join(words)
        return [indexed.entry for indexed in sorted(hits, key=lambda indexed: _rank(indexed, wanted))]

    def nearest(self, name: str, most: int = 3) -> list[str]:
        """Names that may have been meant: alike in letters first, then those found by search."""
        alike = difflib.get_close_matches(name.casefold(), self._by_name, n=most, cutoff=0.6)
        names = [self._by_name[key].name for key in alike]
        names += [entry.name for entry in self.matching(name) if entry.name not in names]
        return names[:most]


def _index(entry: Entry) -> _Indexed:
    triggers = "\n".join(entry.triggers).casefold()
    name = entry.name.casefold()
    return _Indexed(entry, name, triggers, "\n".join((name, triggers, entry.description.casefold())))


def _rank(indexed: _Indexed, wanted: str) -> int:
    if indexed.name == wanted:
        return 0
    if indexed.name.startswith(wanted):
        return 1
    if any(trigger.startswith(wanted) for trigger in indexed.triggers.split("\n")):
        return 2
    if wanted in indexed.name:
        return 3
    return 4 if wanted in indexed.triggers else 5


def _typed(text: str) -> tuple[str, str]:
    """What was typed as name and weight; a weight that is still being typed counts as none."""
    match = WEIGHT.match(text.strip())
    if match is None:
        return text.strip(), ""
    weight = match["weight"]
    return match["name"].strip(), weight if re.search(r"\d$", weight) else ""


def _offer(entry: Entry, weight: str) -> Offer:
    value = f"{entry.name}:{weight}" if weight else entry.name
    about = " · ".join(part for part in (", ".join(entry.triggers), entry.description) if part)
    return Offer(shortened(f"{value} — {about}" if about else value, MOST_CHARACTERS), value)


def shortened(text: str, most: int) -> str:
    """On one line and at most so many characters, with … where something was cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def checked_address(address: str) -> str:
    """An https address of a public file, without fragment. Raises BadRequest.

    The image API fetches it, so it must be public: no other scheme, nobody's password or token, no private host.
    """
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise BadRequest("That LoRA address can't be read. It looks like https://…/name.safetensors.") from None
    if parts.scheme.lower() != "https" or not host:
        raise BadRequest("A LoRA address begins with https://.", field="loras")
    if len(address) > _LONGEST_ADDRESS or not address.isascii() or re.search(r"[\s\\\x00-\x20\x7f,;<>\"'`]", address):
        raise BadRequest("That LoRA address has characters that don't belong, or is too long.", field="loras")
    if "@" in parts.netloc or any(_SECRETIVE.search(key) for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise BadRequest(
            "That LoRA address carries a password or token. Everybody could read it: use a public one.", field="loras"
        )
    if port not in (None, 443) or _private(host):
        raise BadRequest("That LoRA address isn't on the public internet.", field="loras")
    if parts.path in ("", "/"):
        raise BadRequest("That LoRA address names no file. It looks like https://…/name.safetensors.", field="loras")
    return parts._replace(fragment="").geturl()


def _private(host: str) -> bool:
    """Whether a host is not plainly public: an address inside a network, in any spelling, or a local name."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        last = host.rpartition(".")[2]
        odd = last.isdigit() or last.startswith("0x")  # 127.1, 0x7f.1: resolvers read these as addresses
        return "." not in host or odd or last in ("local", "localhost", "internal", "lan", "home", "arpa", "test")


# ---- reading the file ----

_KEYS = frozenset({"name", "path", "scale", "triggers", "description", "link", "licence"})


def _entries(document: Mapping[str, Any], file: str) -> tuple[Entry, ...]:
    listed = document.get("lora", [])
    strange = sorted(set(document) - {"lora"})
    problems = [f"“{key}” is unknown; each LoRA is a [[lora]] table" for key in strange]
    if not isinstance(listed, list) or not all(isinstance(table, dict) for table in listed):
        problems, listed = [*problems, "each LoRA is a [[lora]] table"], []
    entries: list[Entry] = []
    for number, table in enumerate(listed, 1):
        where = f"LoRA {number} ({table.get('name', 'without a name')})"
        found = _problems(table) + _repeated(table, entries)
        problems += [f"{where}: {problem}" for problem in found]
        if not found:
            entries.append(_entry(table))
    if problems:
        raise BadSettings(f"EASEL_LORA_FILE: {file}: " + "; ".join(problems) + ".")
    return tuple(entries)


def _entry(table: Mapping[str, Any]) -> Entry:
    texts = {key: table.get(key, "").strip() for key in ("description", "link", "licence")}
    triggers = tuple(trigger.strip() for trigger in table.get("triggers", ()))
    return Entry(table["name"], table["path"], round(float(table.get("scale", 1.0)), 4), triggers, **texts)


def _repeated(table: Mapping[str, Any], entries: list[Entry]) -> list[str]:
    said = {entry.name.casefold() for entry in entries}
    return ["`name` is there twice"] if str(table.get("name")).casefold() in said else []


def _problems(table: Mapping[str, Any]) -> list[str]:
    problems = [f"`{key}` is unknown" for key in sorted(set(table) - _KEYS)]
    if not (isinstance(name := table.get("name"), str) and NAME.fullmatch(name)):
        problems.append("`name` is 1 to 40 letters, digits, “_”, “-” or “.”")
    if not _is_path(table.get("path")):
        problems.append("`path` is “owner/name” on Hugging Face or a public https address")
    scale = table.get("scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 <= scale <= _HIGHEST_SCALE:
        problems.append(f"`scale` is a number from 0 to {_HIGHEST_SCALE:g}")
    if not _are_triggers(table.get("triggers", [])):
        problems.append("`triggers` is a list of texts of 1 to 200 characters")
    problems += [f"`{key}` is a text of at most 300 characters" for key in _long(table)]
    if isinstance(link := table.get("link", ""), str) and link and not link.startswith("https://"):
        problems.append("`link` begins with https://")
    return problems


def _is_path(path: object) -> bool:
    if not isinstance(path, str):
        return False
    if REPOSITORY.fullmatch(path):
        return True
    try:
        return bool(checked_address(path))
    except BadRequest:
        return False


def _are_triggers(triggers: object) -> bool:
    return isinstance(triggers, list) and all(isinstance(t, str) and t.strip() and len(t) <= 200 for t in triggers)


def _long(table: Mapping[str, Any]) -> list[str]:
    texts = {key: table.get(key, "") for key in ("description", "link", "licence")}
    return [key for key, text in texts.items() if not isinstance(text, str) or len(text) > 300]
