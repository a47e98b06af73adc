"""A Vault that keeps its secrets in memory, in the open."""

from __future__ import annotations

from bot.vault import Vault


class OpenVault(Vault):
    def __init__(self, kept: dict[str, str] | None = None, *, locked: bool = False) -> None:
        self.kept = {} if kept is None else kept
        self._locked = locked

    @property
    def locked(self) -> bool:
        return self._locked

    async def put(self, name: str, secret: str) -> None:
        self.kept[name] = secret

    async def get(self, name: str) -> str | None:
        return self.kept.get(name)

    async def names(self, beginning: str) -> list[str]:
        return sorted(name for name in self.kept if name.startswith(beginning))

    async def take(self, name: str) -> str | None:
        return self.kept.pop(name, None)

    async def remove(self, name: str) -> None:
        self.kept.pop(name, None)
