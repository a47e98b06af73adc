"""The local Discord's gateway: sessions that identify, beat, miss events while they are cut, and resume.

A shard may have several sessions, and each gets its events (developers/events/gateway, "Sharding"). One whose socket was
cut, or closed with another code than 1000 and 1001, goes on collecting them until it resumes.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.servers.discord_limits import Window
from tests.servers.discord_world import Changes, Payload

if TYPE_CHECKING:
    from tests.servers.discord import DiscordServer

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
GUILDS = 1 << 0
_REPLAYED = 5000


@dataclass(eq=False, slots=True)
class Session:
    """One shard of one process. While `socket` is None its events wait to be replayed."""

    id: str
    shard: int
    shards: int
    intents: int
    socket: web.WebSocketResponse | None
    sequence: int = 0
    sent: list[tuple[int, str]] = field(default_factory=list)
    resumed: int = 0
    outbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def dispatch(self, event: str, data: Payload) -> None:
        self.sequence += 1
        text = json.dumps({"op": DISPATCH, "t": event, "s": self.sequence, "d": data})
        self.sent.append((self.sequence, text))
        del self.sent[:-_REPLAYED]
        if self.socket is not None:
            self.outbox.put_nowait(text)


class Gateway:
    """`sessions` are all that could still resume. Counted are `identifies`, `resumes`, and `refused`: who identified
    before its turn. At most `max_concurrency` may in any `identify_every` seconds, each with another remainder of its
    shard's number; 0 seconds asks nobody to wait.
    """

    def __init__(self, server: DiscordServer, max_concurrency: int, identify_every: float) -> None:
        self._server = server
        self.max_concurrency = max_concurrency
        self.identify_every = identify_every
        self._numbers = count(1)
        self.sessions: dict[str, Session] = {}
        self.identifies = 0
        self.resumes = 0
        self.refused = 0
        self.heartbeats = 0
        self._turns: dict[int, Window] = {}
        self.changes = Changes()
        self.forget_sessions = False

    @property
    def connected(self) -> list[Session]:
        return [session for session in self.sessions.values() if session.socket is not None]

    def dispatch(self, event: str, data: Payload, *, guild: int | None = None, intent: int = 0) -> bool:
        """Send to every session of the shard that a guild belongs to, if it asked for it. What is in no guild that the bot
        is in (direct messages, too) goes to shard 0.

        Returns whether any session got it, or will when it resumes.
        """
        reached = False
        for session in self.sessions.values():
            wanted = session.intents & intent == intent
            if wanted and session.shard == ((guild >> 22) % session.shards if guild else 0):
                session.dispatch(event, data)
                reached = True
        return reached

    async def cut(self, *, shard: int | None = None, code: int | None = None, resumable: bool = True) -> None:
        """Cut the sockets: rudely, or with a close `code`. Unless `resumable`, RESUME is then refused."""
        for session in self.connected:
            if shard is not None and session.shard != shard:
                continue
            socket, session.socket = session.socket, None
            assert socket is not None
            if not resumable:
                del self.sessions[session.id]
            if code is not None:
                await socket.close(code=code)
            elif socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()

    def ask_to_reconnect(self) -> None:
        """Discord's own notice before it restarts a gateway (op 7)."""
        for session in self.connected:
            session.outbox.put_nowait(json.dumps({"op": RECONNECT, "d": None}))

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        if self._server.refusing:
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=0, autoping=True)
        await socket.prepare(request)
        await _send(socket, HELLO, {"heartbeat_interval": self._server.heartbeat_ms})
        session: Session | None = None
        writer: asyncio.Task[None] | None = None
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    break
                message = json.loads(frame.data)
                if message["op"] == HEARTBEAT:
                    self.heartbeats += 1
                    await _send(socket, ACK, None)
                elif message["op"] in (IDENTIFY, RESUME) and session is None:
                    session = await self._open(socket, message)
                    writer = asyncio.create_task(_write(session, socket)) if session else None
                    self.changes.tell()
        except ConnectionResetError:
            pass
        finally:
            if writer is not None:
                writer.cancel()
            if session is not None and session.socket is socket:
                session.socket = None
                if socket.close_code in (1000, 1001):
                    self.sessions.pop(session.id, None)
            self.changes.tell()
        return socket

    async def _open(self, socket: web.WebSocketResponse, message: Payload) -> Session | None:
        data = message["d"]
        if data["token"] != self._server.token:
            await socket.close(code=4004, message=b"Authentication failed.")
            return None
        if message["op"] == IDENTIFY:
            shard, shards = data.get("shard") or (0, 1)
            if not 0 <= shard < shards:
                await socket.close(code=4010, message=b"Invalid shard.")
                return None
            if not self._turn(shard):
                await _send(socket, INVALID, False)
                return None
            return self._identify(socket, data)
        session = self.sessions.get(data["session_id"])
        if session is None or self.forget_sessions:
            await _send(socket, INVALID, False)
            return None
        return self._resume(session, socket, data["seq"])

    def _turn(self, shard: int) -> bool:
        if not self.identify_every:
            return True
        key = shard % self.max_concurrency
        window = self._turns.setdefault(key, Window(1, self.identify_every))
        granted = window.take(self._server.clock())
        self.refused += not granted
        return granted

    @property
    def start_limit(self) -> Payload:
        """`session_start_limit` of GET /gateway/bot."""
        left = max(0, 1000 - self.identifies)
        return {"total": 1000, "remaining": left, "reset_after": 0, "max_concurrency": self.max_concurrency}

    def _identify(self, socket: web.WebSocketResponse, data: Payload) -> Session:
        shard, shards = data.get("shard") or (0, 1)
        for old in [s for s in self.sessions.values() if s.socket is None and s.shard == shard]:
            del self.sessions[old.id]
        session = Session(f"session-{next(self._numbers)}", shard, shards, data.get("intents", 0), socket)
        self.sessions[session.id] = session
        self.identifies += 1
        session.dispatch("READY", self._ready(session))
        if session.intents & GUILDS:
            for guild in self._guilds(session):
                session.dispatch("GUILD_CREATE", guild.payload(self._server.bot))
        return session

    def _resume(self, session: Session, socket: web.WebSocketResponse, seen: int | None) -> Session:
        session.socket = socket
        session.outbox = asyncio.Queue()
        session.resumed += 1
        self.resumes += 1
        for number, text in session.sent:
            if number > (seen or 0):
                session.outbox.put_nowait(text)
        session.dispatch("RESUMED", {})
        return session

    def _guilds(self, session: Session) -> list[Any]:
        guilds = [guild for guild in self._server.guilds.values() if guild.bot_inside]
        return [guild for guild in guilds if (guild.id >> 22) % session.shards == session.shard]

    def _ready(self, session: Session) -> Payload:
        return {
            "v": 10,
            "user": self._server.bot.payload(),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in self._guilds(session)],
            "session_id": session.id,
            "resume_gateway_url": self._server.gateway_url,
            "shard": [session.shard, session.shards],
            "application": {"id": str(self._server.application_id), "flags": 0},
        }


async def _send(socket: web.WebSocketResponse, op: int, data: object) -> None:
    await socket.send_str(json.dumps({"op": op, "d": data}))


async def _write(session: Session, socket: web.WebSocketResponse) -> None:
    """The one writer of a socket, so that events keep their order."""
    outbox = session.outbox
    try:
        while True:
            await socket.send_str(await outbox.get())
    except ConnectionResetError:
        session.socket = None
