"""Whether this process may work: it holds its slot, as far as it knows, and who else is there.

Nobody takes our jobs before we were silent for `adopt_after` seconds. So as long as our last heartbeat is younger than
that, what we do is ours to do; when it is not, everything waits for the next one. A process that was frozen, and finds
on waking that its time is over, ends on the spot: another one may be at its work, and its supervisor restarts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Protocol, Self

import structlog

from bot import metrics
from bot.errors import BadSettings
from bot.store.lease import Lease, Peer, SlotLost, SlotTaken, owner_of
from bot.tasks import cancelled, ended

log = structlog.get_logger()

BEAT_EVERY = 1.0
BEAT_WITHIN = 5.0
"""Seconds in which the server answers a heartbeat, or the connection is taken for broken."""
SILENT = 3.0
"""Seconds after which a peer is not counted on, long before its jobs are taken over."""
SEEN_WITHIN = 1.5
"""Seconds in which our next heartbeat tells who is there."""
STEADY = 4.0
"""Seconds of unbroken heartbeats of ours before a peer is judged: after the server's own absence all look dead."""
LEFT_EVERY = 10.0
"""Seconds between two looks for jobs of slots that nobody has."""
MARGIN = 1.0
"""Seconds by which we stop before our time is over."""
TAKE_WITHIN = 5.0
"""Seconds that a start waits for the slot: its killed predecessor's session ends in a moment."""
STEP_DOWN = 75
"""Exit code: EX_TEMPFAIL of sysexits.h. Start it again."""


class Standing(Protocol):
    """What the life of a job asks before each thing that can't be taken back."""

    owner: str
    """This process in `jobs.owner`."""

    @property
    def sure(self) -> bool: ...

    @property
    def present(self) -> frozenset[int]:
        """The slots that are there by now and counted on, ours included."""

    @property
    def silent_for(self) -> float:
        """Seconds since our last heartbeat that was answered; 0 where none is needed."""

    async def hold(self) -> None:
        """Return once it is sure that our jobs are ours; at once, but for a while after the database was away."""


class Alone:
    """On SQLite: the data folder's lock lets in one process, for good."""

    owner = owner_of(0)
    sure = True
    present = frozenset({0})
    silent_for = 0.0

    async def hold(self) -> None:
        return


Adopt = Callable[[list[str]], Coroutine[object, object, None]]


class Held:
    """A slot on Postgres, held as long as the block lasts."""

    def __init__(self, lease: Lease) -> None:
        self.owner = owner_of(lease.slot)
        self._lease = lease
        self._adopt: Adopt | None = None
        self._peers: tuple[Peer, ...] = ()
        self._beats: dict[int, tuple[float, float]] = {}
        """Of each slot: its last beat, and when we first saw it, by our clock."""
        self._left_at = time.monotonic()
        self._stays = False
        self._beat_at = 0.0
        self._steady_since = 0.0
        self._sure = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._adopting: set[asyncio.Task[None]] = set()

    @property
    def silent_for(self) -> float:
        return _clock() - self._beat_at

    @property
    def sure(self) -> bool:
        return self.silent_for < self._lease.dead_after - MARGIN

    def draws(self, *, now: bool) -> None:
        """From now on we let in jobs of ours, or no longer do: then nobody's turn waits for us."""
        self._lease.draws = now

    @property
    def owners(self) -> list[str]:
        """Whose jobs are let in by now, ours included."""
        return [peer.owner for peer in self._peers if self._counts(peer)]

    def _counts(self, peer: Peer) -> bool:
        """A process that starts may wait for a platform that is down: it is there, and its jobs are in no one's way."""
        draws = self._lease.draws if peer.slot == self._lease.slot else peer.draws
        return draws and self._is_there(peer)

    def _is_there(self, peer: Peer) -> bool:
        return max(peer.silent_for, self._unheard(peer)) < SILENT

    def _unheard(self, peer: Peer) -> float:
        """Seconds in which we saw no beat of it, by our own clock: the server's may be set while we look."""
        beat_at, seen_at = self._beats.get(peer.slot, (0.0, self._beat_at))
        return self._beat_at - seen_at if beat_at == peer.beat_at and peer.slot != self._lease.slot else 0.0

    def _is_dead(self, peer: Peer) -> bool:
        unheard = self._unheard(peer)
        return unheard >= SILENT and max(unheard, peer.silent_for) >= self._lease.dead_after

    @property
    def present(self) -> frozenset[int]:
        return frozenset(peer.slot for peer in self._peers if self._is_there(peer))

    @property
    def workers(self) -> int:
        """How many of them draw."""
        return len(self.owners)

    async def hold(self) -> None:
        while not self.sure:
            self._sure.clear()
            await self._sure.wait()

    def stays(self) -> None:
        """We are at work: from now on whoever restarts us has its time. One start after the other that fails is nobody
        to wait for."""
        self._stays = True

    def adopts(self, adopt: Adopt | None) -> None:
        """From now on, go on with a dead peer's jobs: `adopt` is handed their ids. None: no longer."""
        self._adopt = adopt

    async def __aenter__(self) -> Self:
        """Raises BadSettings for a slot that another process holds, and for settings that don't go with the others'."""
        self._lease.fits = self._check_alike
        await self._take()
        try:
            await self._beat()
        except BaseException:
            await self._lease.let_go()
            raise
        self._task = asyncio.create_task(self._go_on(), name="standing")
        with contextlib.suppress(ValueError, AttributeError):  # another thread's loop, or a system without it
            signal.signal(signal.SIGCONT, self._woken)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await cancelled([self._task])
        await ended(self._adopting, 1.0)
        if not self._stays:
            with contextlib.suppress(Exception):  # without a server there is nothing to take back
                await self._lease.take_back()
        await self._lease.let_go()

    async def _take(self) -> None:
        until = time.monotonic() + TAKE_WITHIN
        while True:
            try:
                await self._lease.take()
                return
            except SlotTaken as taken:
                if time.monotonic() > until:
                    raise BadSettings(
                        f"EASEL_SLOT: another Easel holds slot {self._lease.slot} of this database and was heard of "
                        f"{taken.silent_for:.0f} seconds ago. Stop that one, or give this one a slot of its own."
                    ) from None
            except SlotLost:
                raise
            except Exception:  # a peer that adopts what was left of this slot ends our sessions, too
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(0.2)

    def _check_alike(self, peer: Peer) -> None:
        """One that believes to be alone keeps limits by itself, and shards are divided by the number. Whoever draws may
        have to show anybody's picture, and its progress."""
        if not self._is_there(peer):
            return
        if peer.of != self._lease.of:
            raise BadSettings(
                f"EASEL_SLOTS: it is {self._lease.of} here and {peer.of} in slot {peer.slot}, which is at work. "
                "Stop all processes, set the same number for all, and start them."
            )
        if peer.dead_after != self._lease.dead_after:
            raise BadSettings(
                f"EASEL_ADOPT_AFTER: it is {self._lease.dead_after:g} here and {peer.dead_after:g} in slot {peer.slot}, "
                "which is at work. Stop all processes, set the same number for all, and start them."
            )
        ours, theirs = self._lease.serves, peer.serves
        missing = (theirs - ours if self._lease.role != "gateway" else set()) | (
            ours - theirs if peer.role != "gateway" else set()
        )
        if missing:
            raise BadSettings(
                f"EASEL_PLATFORMS: {', '.join(sorted(missing))} is served either here or in slot {peer.slot}, which is at "
                "work, and not in both, and each may have to answer there. Stop all processes, give all the same platforms "
                "and tokens, and start them."
            )

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY)
            try:
                async with asyncio.timeout(BEAT_WITHIN):
                    await self._beat()
                await self._look_after(self._peers)
            except SlotLost:
                step_down("a peer went on with our jobs")
            except Exception as error:  # whatever it is: we are not sure until the next one
                self._steady_since = 0.0
                log.warning("no heartbeat", error=type(error).__name__, silent_for=round(self.silent_for))
                await self._lease.let_go()

    async def _beat(self) -> None:
        began = _clock()
        self._peers = tuple(await self._lease.beat())
        self._beat_at, seen = began, _clock()  # by the server's clock it was in between
        for peer in self._peers:
            if self._beats.get(peer.slot, (None,))[0] != peer.beat_at:
                self._beats[peer.slot] = peer.beat_at, seen
        self._steady_since = self._steady_since or time.monotonic()
        self._sure.set()

    async def _look_after(self, peers: Sequence[Peer]) -> None:
        if self._adopt is None or time.monotonic() - self._steady_since < STEADY:
            return
        for peer in filter(self._is_dead, peers):
            found = await self._lease.adopt(peer)
            if found is not None:
                log.warning("adopted", slot=peer.slot, silent_for=round(peer.silent_for), jobs=len(found))
                self._go_on_with(found)
        if time.monotonic() - self._left_at > LEFT_EVERY:
            self._left_at = time.monotonic()
            if found := await self._lease.adopt_left():
                log.warning("adopted what no slot has", jobs=len(found))
                self._go_on_with(found)

    def _go_on_with(self, job_ids: list[str]) -> None:
        metrics.adopted(len(job_ids))
        if self._adopt is None:  # we stop: the next start goes on with them
            return
        task = asyncio.create_task(self._adopt(job_ids))  # it takes a while, and the heart has to beat
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    def _woken(self, _number: int, _frame: object) -> None:
        """Before anything else goes on: a request that was about to be sent is not sent any more."""
        if len(self._peers) > 1 and not self.sure:
            step_down("woken after our time was over")


async def any_there(slots: Collection[int], present: Callable[[], Collection[int]]) -> bool:
    """Whether one of these slots is there. Who just came back is seen with our next heartbeat, which is waited for."""
    until = time.monotonic() + SEEN_WITHIN
    while set(slots).isdisjoint(present()):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.05)
    return True


def _clock() -> float:
    """Seconds, those in which the machine slept included: the server's clock went on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def step_down(why: str) -> None:
    """End at once: nothing of what is under way is ours to end."""
    log.error("stepping down", why=why)
    os._exit(STEP_DOWN)
