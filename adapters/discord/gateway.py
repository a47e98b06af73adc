"""discord.py's connection to the gateway, with what one needs who caches and counts nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import discord
import structlog
from discord.gateway import DiscordWebSocket
from discord.shard import Shard
from yarl import URL

from adapters.discord.relay import Session
from adapters.discord.shards import Share, Turns

log = structlog.get_logger(__name__)

RESUMABLE = 4000
"""Close code after which a session may be resumed: after 1000 and 1001 Discord ends it."""
CLOSED_WITHIN = 0.5
"""Seconds for Discord to say that it heard a close."""
RESUMED_WITHIN = 10.0


class Gateway(discord.AutoShardedClient):
    """Interactions belong to no intent; guilds tell which channels are age-restricted."""

    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            shard_connect_timeout=600.0,  # a turn to identify may be that far away
        )
        self.connected: set[int] = set()
        self._changed = asyncio.Event()
        self._share: Share | None = None
        self._turns: Turns | None = None

    def serves(self, share: Share, turns: Turns | None) -> None:
        """To be said before `connect`. Without `turns` nobody else identifies, and discord.py's own pauses do."""
        self._share, self._turns = share, turns
        self.shard_count, self.shard_ids = share.count, list(share.mine)

    @property
    def complete(self) -> bool:
        """Whether each of this process's shards is connected."""
        return self._share is not None and self.connected.issuperset(self._share.mine)

    async def wait_complete(self) -> None:
        while not self.complete:
            self._changed.clear()
            await self._changed.wait()

    async def launch_shards(self) -> None:
        """As discord.py does it, but a process without a shard of its own connects none, not all of them."""
        self._connection.shard_count = self.shard_count
        self._connection.shard_ids = self.shard_ids = self.shard_ids or []
        for place, shard in enumerate(self.shard_ids):
            await self.launch_shard(DiscordWebSocket.DEFAULT_GATEWAY, shard, initial=not place)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for our turn among all processes. What is raised here would end the connection for good."""
        if self._turns is None:
            await super().before_identify_hook(shard_id, initial=initial)
            return
        try:
            await self._turns.wait(shard_id or 0)
        except Exception as error:  # the database is away: Discord itself refuses who is too early
            log.warning("no turn to identify", error=type(error).__name__)
            await super().before_identify_hook(shard_id, initial=False)

    async def on_shard_connect(self, shard: int) -> None:
        self._is_connected(shard)
        log.info("discord shard connected", shard=shard)

    async def on_shard_resumed(self, shard: int) -> None:
        self._is_connected(shard)

    def _is_connected(self, shard: int) -> None:
        self.connected.add(shard)
        self._changed.set()

    async def on_shard_disconnect(self, shard: int) -> None:
        self.connected.discard(shard)

    def on_raw_interaction(self, receive: Any) -> None:
        """Hand over interactions as they came. discord.py would first build some ten objects that nothing here reads."""
        self._connection.parsers["INTERACTION_CREATE"] = receive

    def age_restricted(self, channel: int) -> bool:
        return bool(getattr(self.get_channel(channel), "nsfw", False))

    # ---- shards that come and go; discord.py itself keeps those that it started with ----

    async def connect_shard(self, shard: int, session: Session | None) -> None:
        """Serve one more: by that session, else by a new one. Tries until it is cancelled."""
        if session is None or not await self._resume(shard, session):
            await self.launch_shard(DiscordWebSocket.DEFAULT_GATEWAY, shard)

    async def _resume(self, shard: int, session: Session) -> bool:
        """If Discord has forgotten the session, discord.py identifies by itself: it hears of that later."""
        try:
            socket = await asyncio.wait_for(
                DiscordWebSocket.from_client(
                    self,
                    gateway=URL(session.url),
                    shard_id=shard,
                    session=session.id,
                    sequence=session.sequence,
                    resume=True,
                ),
                RESUMED_WITHIN,
            )
        except (aiohttp.ClientError, OSError, discord.DiscordException) as error:
            log.info("a discord session was not resumed", shard=shard, error=type(error).__name__)
            return False
        made = self._shards[shard] = Shard(socket, self, vars(self)["_AutoShardedClient__queue"].put_nowait)
        made.launch()
        return True

    async def leave(self, shard: int) -> Session | None:
        """Close this shard's socket so that another process can resume its session. None if there was none to resume."""
        held = self._shards.get(shard)
        socket = held.ws if held is not None else None
        if socket is None or socket.session_id is None or socket.sequence is None:
            return None
        await self._close_shard(shard, RESUMABLE)
        return Session(socket.session_id, socket.sequence, str(socket.gateway))

    async def let_go(self, shard: int) -> None:
        """Close this shard and end its session."""
        await self._close_shard(shard, 1000)

    async def _close_shard(self, shard: int, code: int) -> None:
        """What Discord says until it hears of the close is read by nobody: it comes again to whoever resumes."""
        self.connected.discard(shard)
        held = self._shards.pop(shard, None)
        if held is None:
            return
        held._cancel_task()
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            await asyncio.wait_for(held.ws.close(code), CLOSED_WITHIN)

    @property
    def _shards(self) -> dict[int, Shard]:
        """discord.py has no other way to add one or to leave one for good."""
        found: dict[int, Shard] = vars(self)["_AutoShardedClient__shards"]
        return found
