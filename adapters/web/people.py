"""Who somebody is, by a signed cookie: a random id, and a name that they choose.

SameSite is Lax: with Strict a visit by a link from elsewhere would come without the cookie, and be taken for somebody
new. What writes asks for more than the cookie anyway (guard.py).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from bot.errors import BadRequest
from bot.jobs import Requester

LONGEST_NAME = 40
YEAR = 365 * 24 * 3600
LONGEST_COOKIE = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """`new` until they have their cookie."""

    id: str
    name: str
    new: bool = False

    @property
    def requester(self) -> Requester:
        return Requester("web", self.id, self.name)


class People:
    """`keys` sign, the first one what is new. `mark` tells two Easels on one machine apart: ports share their cookies."""

    def __init__(self, keys: Sequence[bytes], mark: str, *, secure: bool) -> None:
        self._keys = [hashlib.sha256(b"easel web cookie\0" + key).digest() for key in keys]
        self._secure = secure
        # With __Host- no sister site of the same domain can put one of its own in its place.
        self._cookie = f"{'__Host-' if secure else ''}easel-{mark}"

    def known(self, cookies: Mapping[str, str]) -> Person | None:
        """Whose cookie this is; None if it is nobody's, or not signed by us."""
        sealed = cookies.get(self._cookie, "")
        body, _, signature = sealed.partition(".")
        if len(sealed) > LONGEST_COOKIE or not any(
            hmac.compare_digest(_signed(key, body), signature.encode(errors="replace")) for key in self._keys
        ):
            return None
        found = json.loads(base64.urlsafe_b64decode(body))
        return Person(found["id"], found["name"])

    def of(self, request: web.Request) -> Person:
        return self.known(request.cookies) or self.newcomer()

    def newcomer(self) -> Person:
        made = secrets.token_hex(10)
        return Person(made, f"Guest {made[:4]}", new=True)

    def remember(self, response: web.StreamResponse, person: Person) -> None:
        response.set_cookie(
            self._cookie,
            self.sealed(person),
            max_age=YEAR,
            path="/",
            httponly=True,
            secure=self._secure,
            samesite="Lax",
        )

    def sealed(self, person: Person) -> str:
        text = json.dumps({"id": person.id, "name": person.name})
        body = base64.urlsafe_b64encode(text.encode()).decode()
        return f"{body}.{_signed(self._keys[0], body).decode()}"


def _signed(key: bytes, body: str) -> bytes:
    return hmac.new(key, body.encode(errors="replace"), hashlib.sha256).hexdigest().encode()


def clean_name(text: str) -> str:
    """A name as it is shown: one line, without invisible signs. Raises BadRequest for one that is empty or too long."""
    seen = "".join(" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", text))
    name = " ".join("".join(letter for letter in seen if unicodedata.category(letter)[0] != "C").split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise BadRequest(f"A name has 1 to {LONGEST_NAME} characters.", field="name")
    return name
