"""The connection to Discord: logs in, registers the catalogue, receives interactions, reopens messages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import discord
import structlog
from discord.gateway import DiscordWebSocket
from discord.http import Route
from yarl import URL

from adapters.discord.address import Address
from adapters.discord.asked import Asked, Lateness
from adapters.discord.dispatch import Dispatch, is_suggestion
from adapters.discord.gateway import Gateway
from adapters.discord.options import definitions, for_guild
from adapters.discord.relay import KIND, Relay
from adapters.discord.reply import DiscordReply, Wires
from adapters.discord.rest import Down, Refused, Rest
from adapters.discord.settings import DiscordSettings
from adapters.discord.shards import Share, Turns, agreed
from adapters.discord.turn import DiscordTurn, Lost
from bot import cards, ports
from bot.easel import Easel
from bot.errors import KeyRefused, Unreachable
from bot.tasks import cancelled, ended
from bot.vault import Vault
from commands.spec import Command

log = structlog.get_logger(__name__)

TOO_LATE = 2.5
"""Seconds after which an interaction is not worth the work: Discord takes no answer after three."""
TAKEN_IN = 1.0
"""Seconds in which what was heard before a stop is still taken in."""
LAST_WORDS = 1.5
"""Seconds that commands have to end when the platform closes."""
SUGGESTIONS = 8
REGISTERED = "discord:commands"
"""The fact that tells which commands Discord took last, as a digest."""
RECONNECT_AFTER = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries to find the gateway when Discord is down as we start."""


class Discord:
    """A Platform (bot.ports)."""

    name = "discord"

    def __init__(
        self, settings: DiscordSettings, catalogue: Sequence[Command] | None = None, *, processes: int = 1
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._token = settings.token.get_secret_value()
        self._logged_in = False
        self._wires = Wires(Rest(settings.rest, self._token, processes))
        _quiet_library()
        self._gateway = Gateway()
        self._open = AsyncExitStack()
        self._lateness = Lateness()
        self._dispatch: Dispatch | None = None
        self._relay: Relay | None = None
        self._relaying: asyncio.Task[None] | None = None
        self._turns: set[asyncio.Task[None]] = set()
        self._taking = True
        self._closed = asyncio.Event()

    # ---- Platform ----

    def routes(self) -> Sequence[ports.Route]:
        return ()

    async def login(self, vault: Vault) -> None:
        if self._settings.api_base:
            Route.BASE = self._settings.rest
        if not self._logged_in:  # else an earlier try found Discord down
            await self._open.enter_async_context(self._wires.rest)
            self._logged_in = True
        try:
            await self._gateway.login(self._token)
        except discord.LoginFailure:
            raise KeyRefused("Discord refuses DISCORD_TOKEN. Reset it under Bot in the developer portal.") from None
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # Each login of the library's makes a session anew and forgets the one before, open.
            await self._gateway.http.close()
            self._gateway.http.connector = discord.utils.MISSING
            raise Unreachable("Discord does not answer.", detail=type(error).__name__) from None

    async def serve(self, easel: Easel) -> None:
        catalogue = self._catalogue if self._catalogue is not None else _catalogue()
        self._dispatch = Dispatch(catalogue, easel)
        self._gateway.on_raw_interaction(self._receive)
        self._relay = _relay(easel, self._gateway)
        connecting = asyncio.create_task(self._connect(easel))
        syncing = asyncio.create_task(self._sync(definitions(catalogue, easel), easel))
        closing = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait({connecting, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled([connecting, syncing, closing, self._relaying])
        if not connecting.cancelled() and not self._closed.is_set():
            connecting.result()

    def reopen(self, address: str) -> DiscordReply:
        """Raises ValueError for a text that is no address of ours."""
        return DiscordReply(self._wires, Address.parse(address))

    @property
    def ready(self) -> bool:
        return self._gateway.complete and not self._closed.is_set()

    async def stop_taking(self) -> None:
        if self._relay is not None:
            await self._relay.leave()
        self._taking = False
        if self._turns:  # what was heard by now is still taken in
            await asyncio.wait(self._turns, timeout=TAKEN_IN)

    async def close(self) -> None:
        self._taking = False
        self._closed.set()
        await ended(self._turns, LAST_WORDS)
        await ended(self._wires.edits, LAST_WORDS)
        if self._logged_in:
            await _close_gateway(self._gateway)
        await self._open.aclose()

    # ---- the gateway ----

    async def _connect(self, easel: Easel) -> None:
        tries = 0
        while True:
            try:
                share = await self._share(easel)
                if self._relay is not None and self._relaying is None:
                    self._relaying = asyncio.create_task(self._relay.run(share))
                await self._gateway.connect()
                return
            except (discord.GatewayNotFound, aiohttp.ClientError, OSError):
                wait = RECONNECT_AFTER[min(tries, len(RECONNECT_AFTER) - 1)]
                tries += 1
                log.warning("discord's gateway is not to be found", retry_in=wait)
                await asyncio.sleep(wait)

    async def _share(self, easel: Easel) -> Share:
        """Find out which shards are ours, and where. Raises GatewayNotFound."""
        recommended, url, limits = await self._gateway.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = URL(url)
        settings, said = easel.settings, self._settings.shards
        count = await agreed(easel.store, settings.receivers, recommended) if said == "auto" else said
        share = Share.of(count, settings.slot, settings.receivers)
        several = settings.receivers > 1
        self._gateway.serves(share, Turns(easel.store, limits["max_concurrency"]) if several else None)
        if several:
            log.info("discord shards", mine=list(share.mine), of=share.count)
        return share

    def _receive(self, raw: dict[str, Any]) -> None:
        if self._closed.is_set():  # the gateway closes last
            return
        task = asyncio.create_task(self._take(Asked(raw)))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def _take(self, asked: Asked) -> None:
        late = self._lateness.of(asked.born, time.time())
        if late > TOO_LATE:
            log.info("an interaction came too late", late=round(late, 1))
            return
        if is_suggestion(asked):
            await self._suggest(asked)
            return
        turn = DiscordTurn(self._wires, asked, restricted=self._gateway.age_restricted, files=self._settings.api_base)
        if not self._taking or self._dispatch is None:
            with suppress(Lost):
                await turn.tell(cards.notice("I'm restarting. Please try again in a moment."))
            return
        await self._dispatch.run(asked, turn)

    async def _suggest(self, asked: Asked) -> None:
        choices = self._dispatch.suggest(asked) if self._dispatch and self._taking else []
        answer = {"type": SUGGESTIONS, "data": {"choices": choices}}
        with suppress(Refused, Down):  # the next letter asks again
            await self._wires.rest.answer(asked.id, asked.token, answer, timeout=2.5)

    # ---- commands ----

    async def _sync(self, payload: list[dict[str, Any]], easel: Easel) -> None:
        """Register the commands if they changed since the last time: Discord counts registrations.

        Slot 0 does it for all processes, so that two versions side by side don't undo each other's.
        """
        if easel.settings.slot != 0:
            return
        application = self._gateway.application_id
        assert application is not None
        digest = _digest(application, self._settings.guild_ids, payload)
        if await easel.store.fact(REGISTERED) == digest:
            return
        try:
            await self._register(application, payload)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.error("discord did not take the commands", error=type(error).__name__, code=getattr(error, "code", 0))
            return
        await easel.store.set_fact(REGISTERED, digest)
        log.info("discord commands registered", count=len(payload))

    async def _register(self, application: int, payload: list[dict[str, Any]]) -> None:
        http = self._gateway.http
        if not self._settings.guild_ids:
            await http.bulk_upsert_global_commands(application, payload)
        for guild in self._settings.guild_ids:
            await http.bulk_upsert_guild_commands(application, guild, [for_guild(one) for one in payload])


def _relay(easel: Easel, gateway: Gateway) -> Relay | None:
    """None where no peer could stand in, nor we for one."""
    settings, bell = easel.settings, easel.bell
    if settings.receivers == 1 or settings.slot >= settings.receivers:
        return None

    async def ring(about: str) -> None:
        await bell.ring(KIND, about)

    relay = Relay(easel.store, gateway, ring, easel.present, settings.slot, settings.receivers)
    bell.on(KIND, relay.hear)
    bell.on_missed(relay.missed)
    return relay


def _catalogue() -> Sequence[Command]:
    from commands import CATALOGUE

    return CATALOGUE


def _digest(application: int, guilds: Sequence[int], payload: list[dict[str, Any]]) -> str:
    said = json.dumps([application, list(guilds), payload], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


async def _close_gateway(gateway: Gateway) -> None:
    with suppress(aiohttp.ClientError, OSError):
        await gateway.close()


def _quiet_library() -> None:
    """discord.py's own lines below WARNING tell nothing that ours don't, and it warns that voice is missing."""
    logging.getLogger("discord").setLevel(logging.WARNING)
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
