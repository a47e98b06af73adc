"""Pieces of work that queued up meanwhile share a transaction: one wait for the disk instead of many.

When one of them fails, all are done again, each by itself: it takes nothing else with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_TOGETHER = 100
"""Pieces of work in one commit at the most, so that the first of a burst is not kept waiting for the last."""


class Batches:
    """All pieces in order, on one thread. `transact` does a piece in a transaction of its own."""

    def __init__(self, transact: Callable[[Work[Any]], Any], name: str) -> None:
        self._transact = transact
        self._thread = ThreadPoolExecutor(1, name)
        self._queue: deque[tuple[Work[Any], asyncio.Future[Any]]] = deque()
        self._draining = False

    async def do(self, work: Work[T]) -> T:
        """On return it is on disk. Whatever `work` raises is raised here."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.append((work, future))
        if not self._draining:
            self._draining = True
            self._thread.submit(self._drain, loop)
        return await future

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.shutdown()

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            batch = [self._queue.popleft() for _ in range(min(_TOGETHER, len(self._queue)))]
            if batch:
                answers = self._together([work for work, _ in batch])
                futures = [future for _, future in batch]
                with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                    loop.call_soon_threadsafe(_resolve, futures, answers)
                continue
            self._draining = False
            # A piece may have been queued between the look and the flag; whoever sets the flag again goes on.
            if not self._queue or self._draining:
                return
            self._draining = True

    def _together(self, works: list[Work[Any]]) -> list[Any]:
        if len(works) == 1:
            return [self._alone(works[0])]
        try:
            found: list[Any] = self._transact(lambda connection: [_piece(work, connection) for work in works])
            return found
        except _Broken:
            return [self._alone(work) for work in works]
        except Exception as error:  # the commit's: nobody may know whether it was done, so nothing is repeated
            return [_Raised(error)] * len(works)

    def _alone(self, work: Work[Any]) -> Any:
        try:
            return self._transact(work)
        except Exception as error:
            return _Raised(error)


class _Broken(Exception):
    """A piece failed, and its transaction is taken back."""


class _Raised:
    def __init__(self, error: Exception) -> None:
        self.error = error


def _piece(work: Work[T], connection: sa.Connection) -> T:
    try:
        return work(connection)
    except Exception as error:
        if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
            raise  # it isn't the piece's fault
        raise _Broken from error


def _resolve(futures: list[asyncio.Future[Any]], answers: list[Any]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():  # its waiter was cancelled
            continue
        if isinstance(answer, _Raised):
            future.set_exception(answer.error)
        else:
            future.set_result(answer)
