"""Secrets that outlive the process, such as the tokens of installed workspaces: encrypted where they lie.

`EASEL_SECRET_KEY` is any long random text, and never stored. Several, by commas, are for changing it: the first one
encrypts, all of them decrypt, so that a new one can be put before the old one until everything was written again.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.errors import BadSettings
from bot.store import Database, insert
from bot.store.tables import secrets

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class Vault:
    def __init__(self, database: Database, keys: Sequence[str]) -> None:
        """`keys`, the newest first, may be empty: then nothing can be put or read."""
        self._database = database
        self._cipher = _cipher(keys) if keys else None

    @property
    def locked(self) -> bool:
        """Whether there is no key, so that nothing can be kept."""
        return self._cipher is None

    async def put(self, name: str, secret: str) -> None:
        """Raises BadSettings without a key."""
        values = {"name": name, "sealed": self._key().encrypt(secret.encode()).decode()}
        statement = insert(self._database, secrets).values(**values)
        upsert = statement.on_conflict_do_update(index_elements=["name"], set_={"sealed": values["sealed"]})
        await self._database.write(lambda connection: connection.execute(upsert).close())

    async def get(self, name: str) -> str | None:
        """None where there is none. Raises BadSettings without the key that it was put with."""
        statement = sa.select(secrets.c.sealed).where(secrets.c.name == name)
        sealed = await self._database.read(lambda connection: connection.execute(statement).scalar())
        return None if sealed is None else self._opened(sealed)

    async def names(self, beginning: str) -> list[str]:
        statement = (
            sa.select(secrets.c.name)
            .where(secrets.c.name.startswith(beginning, autoescape=True))
            .order_by(secrets.c.name)
        )
        return list(await self._database.read(lambda connection: connection.execute(statement).scalars().all()))

    async def take(self, name: str) -> str | None:
        """Get and remove in one step: of several who ask at once, one gets it."""
        statement = secrets.delete().where(secrets.c.name == name).returning(secrets.c.sealed)
        sealed = await self._database.write(lambda connection: connection.execute(statement).scalar())
        return None if sealed is None else self._opened(sealed)

    async def remove(self, name: str) -> None:
        statement = secrets.delete().where(secrets.c.name == name)
        await self._database.write(lambda connection: connection.execute(statement).close())

    def _opened(self, sealed: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return self._key().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise BadSettings(
                "EASEL_SECRET_KEY: something was stored with another key. Put the old key behind the new one, by a comma."
            ) from None

    def _key(self) -> MultiFernet:
        if self._cipher is None:
            raise BadSettings("EASEL_SECRET_KEY is missing: tokens are only stored encrypted. `openssl rand -hex 32`")
        return self._cipher


def _cipher(keys: Sequence[str]) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet  # some megabytes: only who keeps secrets loads it

    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys])
