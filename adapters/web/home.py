"""Everything behind the page, made when Easel starts to serve it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.web.board import Board
from adapters.web.dispatch import Dispatch
from adapters.web.events import Hub
from adapters.web.people import People
from adapters.web.uploads import Uploads
from bot.easel import Easel
from commands.spec import Command

FACT = "web"
"""Under it the store keeps the secret that cookies are signed with where EASEL_SECRET_KEY is not set."""


@dataclass(frozen=True, slots=True)
class Home:
    easel: Easel
    catalogue: Sequence[Command]
    hub: Hub
    board: Board
    uploads: Uploads
    people: People
    dispatch: Dispatch


async def settle(easel: Easel, catalogue: Sequence[Command], hub: Hub) -> Home:
    board = Board(easel, hub)
    uploads = Uploads(easel.settings.data_dir / "uploads")
    # Who reaches a port that only this machine reaches is its operator.
    moderates = not easel.settings.open_to_others
    dispatch = Dispatch(catalogue, easel, board, uploads, moderates=moderates)
    return Home(easel, catalogue, hub, board, uploads, await _people(easel), dispatch)


async def _people(easel: Easel) -> People:
    own = await easel.store.settle_fact(FACT, secrets.token_hex(36))
    chosen = [key.get_secret_value().encode() for key in easel.settings.secret_key]
    secure = easel.settings.public_url.startswith("https://")
    return People(chosen or [own[8:].encode()], own[:8], secure=secure)
