"""Where a message of the page is, as text that outlives the process."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID, uuid5

from bot.jobs import Place

PLACE = Place("web", "playground", "main")
"""The one channel: everybody who has the page open is in it."""

_OURS = UUID("7a1c3c0e-5b0f-4f39-9a55-3f6f1f0f8f5e")
_TEXT = re.compile(r"web:main:(?P<message>[0-9a-f-]{36})(?:\?by=(?P<by>[0-9a-z]{1,40}))?(?P<private>&private)?")


@dataclass(frozen=True, slots=True)
class Address:
    """One message. `by` is the person who asked, as long as no row of a job says so."""

    message: str
    by: str = ""
    private: bool = False

    @classmethod
    def asked(cls, person: str, request: str, *, private: bool) -> Self:
        """The message that answers a request: a repeated request finds the same one."""
        return cls(str(uuid5(_OURS, f"{person}:{request}")), person, private)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of an address or of a message's key. Raises ValueError for a text that is neither."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError("not the address of a message on the page")
        return cls(match["message"], match["by"] or "", bool(match["private"]))

    def __str__(self) -> str:
        return f"{self.key}{f'?by={self.by}' if self.by else ''}{'&private' if self.private else ''}"

    @property
    def key(self) -> str:
        return f"web:main:{self.message}"

    def cleared(self) -> Self:
        return replace(self, by="")
