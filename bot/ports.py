"""The three seams where a wire begins that a test cannot run: a visible message, a chat platform, an image API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bot.cards import Card
from bot.images import Capabilities, ImageRequest, Missing, Picture
from bot.pacing import Usual

if TYPE_CHECKING:
    from aiohttp import web

    from bot.easel import Easel
    from bot.vault import Vault


class DeliveryFailed(Exception):
    """A card could not be shown now. `gone` when it never can be: message, channel and direct message are closed.

    `reason` is a few plain words for the log, without any upstream body.
    """

    def __init__(self, reason: str, *, gone: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.gone = gone
        self.retry_after = retry_after


Keep = Callable[[str], Awaitable[None]]
"""Stores an address of the message at once: before a step that can't be taken back, and after it."""


Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]


@dataclass(frozen=True, slots=True)
class Route:
    """A page of a platform on Easel's own HTTP port.

    `guarded`: beyond this machine it asks for `EASEL_WEB_TOKEN`. False for what proves itself, e.g. by a signature.
    """

    method: str
    path: str
    handler: Handler
    guarded: bool = True


@runtime_checkable
class Reply(Protocol):
    """One visible message that grows.

    Guarantees: at most one edit is in flight; the newest card wins; after `close` nothing is shown any more; a
    repeated `close` with the same card leaves one visible message.
    """

    @property
    def address(self) -> str:
        """Text that `Platform.reopen` understands, in this process and after a restart."""

    @property
    def key(self) -> str:
        """The message's identity without any token, e.g. `discord:CHANNEL:MESSAGE`."""

    @property
    def public(self) -> bool:
        """Whether everyone there sees the message, where it stands now: `close` may have had to move it."""

    @property
    def expires_at(self) -> datetime | None:
        """When the message can't be changed any more; None when it always can."""

    async def show(self, card: Card) -> bool:
        """Show progress. Never raises for a lost edit; may skip it, for a newer one, the end, or a limit of its own.

        Returns whether anything of ours is seen by now: False while people still look at an empty message.
        """

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        """Show the end. Returns the final address, cleared of every token. Raises DeliveryFailed.

        A platform whose messages can't be repeated by name calls `keep` on its way, so that after a crash `reopen`
        knows how far it came.
        """

    async def whisper(self, card: Card) -> None:
        """Tell the requester alone, if that is still possible. Never raises for a lost message."""


@runtime_checkable
class Platform(Protocol):
    """A chat platform. Made by `adapters.<name>.connect(settings)`."""

    name: str

    def routes(self) -> Sequence[Route]:
        """What it serves on Easel's HTTP port: answered from before `serve` until after `close`."""

    async def login(self, vault: Vault) -> None:
        """Make REST ready, so that `reopen` and delivery work. Raises OperatorMustAct for a refused token.

        `vault` holds what the platform has to remember in secret, such as the tokens of its workspaces.
        """

    async def serve(self, easel: Easel) -> None:
        """Receive commands until `close` is called."""

    def reopen(self, address: str) -> Reply: ...

    @property
    def ready(self) -> bool:
        """Whether commands arrive now."""

    async def stop_taking(self) -> None:
        """Accept no new command; replies still work."""

    async def close(self) -> None: ...


@runtime_checkable
class Settles(Protocol):
    """A platform that has to know Easel before any work goes on, also in a process that never serves it."""

    async def move_in(self, easel: Easel) -> None:
        """Called once, after `login` and before the first reply."""


@runtime_checkable
class Sweeps(Protocol):
    """A platform that keeps what runs out: whatever nobody came back for, in the vault or on the disk."""

    async def sweep(self) -> int:
        """Forget it. Returns how much it was. Called between `login` and `close`, once an hour."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """An accepted, paid submit. `id` is the API's own."""

    id: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request whose sources lie at the API: `image` and `mask` are addresses there. Nothing is paid yet."""

    request: ImageRequest
    image: str | None = None
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something changed at the API. `fraction` (0..1) only where `capabilities.percent`."""

    state: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `watch` ends with: pictures on our disk. `seconds` is the API's inference time, 0 if it told none.

    `took` is the best guess of the seconds from the submit to the end, for `Durations.learn`: what we saw would be
    late by half a look each time, and looks planned on late ends drift ever later.
    """

    pictures: tuple[Picture, ...]
    missing: tuple[Missing, ...]
    seconds: float
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One prediction in the account's listing. `request_matches` is None where the listing carries no inputs."""

    ticket: Ticket
    request_matches: bool | None


@runtime_checkable
class Backend(Protocol):
    """An image API. Made by `adapters.<name>.connect(settings)`; opened with `async with`."""

    capabilities: Capabilities

    @property
    def pictures_at_once(self) -> int:
        """How many pictures the account draws at the same time."""

    @property
    def pictures_per_minute(self) -> int:
        """How many pictures the account takes in any minute."""

    @property
    def exclusive_key(self) -> bool:
        """Whether nobody but us uses the account: an unexplained prediction is then ours."""

    async def __aenter__(self) -> Backend: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def price(self, request: ImageRequest) -> float:
        """US$ for the whole request, from the API, remembered for an hour. Raises TryAgain or OperatorMustAct."""

    async def balance(self) -> float:
        """US$ left in the account. Raises TryAgain or OperatorMustAct."""

    async def prepare(self, request: ImageRequest, sources: Mapping[str, bytes]) -> Prepared:
        """Upload the sources (by the names that the request uses). Free, repeatable. Raises any EaselError."""

    def turn(self, pictures: int) -> AbstractAsyncContextManager[None]:
        """Wait for a submit lane and for the account's pictures per minute; hold the lane inside."""

    async def submit(self, prepared: Prepared) -> Ticket:
        """POST at most once, inside a `turn`.

        Raises RateLimited or Unreachable when it surely was not accepted and may be tried again, PersonCanAct or
        OperatorMustAct when it was refused, Ambiguous when nobody can know.
        """

    def watch(
        self, ticket: Ticket, request: ImageRequest, into: Path, usual: Usual | None
    ) -> AsyncIterator[Step | Rendered]:
        """Follow until the end: any number of steps, then one Rendered, whose files are `into`-1.png, `into`-2.jpg, … .

        `usual` is what such jobs took lately, and says when to look.

        A pure read: it may be repeated at any time, also in another process. Raises Moderated, MediaUnreachable,
        GaveUp, OperatorMustAct; TryAgain only after its own deadline.
        """

    async def sightings(self, prepared: Prepared, since: datetime) -> list[Sighting]:
        """The account's predictions of this model since then, newest first. Raises TryAgain or OperatorMustAct."""

    async def cancel(self, ticket: Ticket) -> bool:
        """Stop it before it costs, where `capabilities.real_cancel`; else return False."""
