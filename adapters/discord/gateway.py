"""discord.py's connection to the gateway, with what one needs who caches and counts nothing."""

from __future__ import annotations

from typing import Any

import discord
import structlog
from discord.gateway import DiscordWebSocket

from adapters.discord.shards import Share, Turns

log = structlog.get_logger(__name__)


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
        self.connected.add(shard)
        log.info("discord shard connected", shard=shard)

    async def on_shard_resumed(self, shard: int) -> None:
        self.connected.add(shard)

    async def on_shard_disconnect(self, shard: int) -> None:
        self.connected.discard(shard)

    def on_raw_interaction(self, receive: Any) -> None:
        """Hand over interactions as they came. discord.py would first build some ten objects that nothing here reads."""
        self._connection.parsers["INTERACTION_CREATE"] = receive

    def age_restricted(self, channel: int) -> bool:
        return bool(getattr(self.get_channel(channel), "nsfw", False))
