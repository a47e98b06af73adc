"""What processes tell each other of the page: how it is written, how often it is rung, and in which order it is shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from adapters.web import news
from adapters.web.elsewhere import Elsewhere
from adapters.web.news import Changed, News, Note, Removed, Renamed, Underway, Word
from bot.bell import Bell
from bot.jobs import Cancelled, Checking, Generating, Progress, Waiting
from bot.store import Record
from tests.bot.making import job

KEY = "web:main:0a1b2c3d-0000-5000-8000-000000000001"


class OpenBell:
    """A bell whose rings are collected: one list for each transaction."""

    shared = True

    def __init__(self) -> None:
        self.rings: list[list[str]] = []
        self.rung = asyncio.Event()

    def on(self, kind: str, hear: object) -> None:
        assert kind == news.KIND

    def on_missed(self, look: object) -> None:
        pass

    async def ring(self, kind: str, *abouts: str) -> None:
        self.rings.append([*abouts])
        self.rung.set()


def told(bell: OpenBell) -> list[list[Word | None]]:
    return [[news.read(text, "somebody else") for text in ring] for ring in bell.rings]


def of(bell: OpenBell) -> News:
    return News(cast("Bell", bell), lambda _word: None, lambda: None)


@pytest.mark.parametrize(
    "word",
    [
        Underway(KEY, Waiting(3, None), 1.5),
        Underway(KEY, Generating(2.5, 6.0), 1.5),
        Underway(KEY, Checking(), 1.5),
        Changed(KEY),
        Removed(KEY),
        Note("a1", "id", {"title": "„Übermut” \n", "lines": []}),
        Renamed("a1", "Ana Łindqvist"),
    ],
)
def test_a_word_is_read_as_it_was_written_by_everybody_else(word: Word) -> None:
    text = news.written(word, "me")
    assert news.read(text, "somebody else") == word
    assert news.read(text, "me") is None


def test_progress_takes_a_few_hundred_bytes() -> None:
    assert len(news.written(Underway(KEY, Generating(123.456789, 6.123456789), 1764234000.123456), "0a1b2c3d")) < 250


@pytest.mark.parametrize(
    "text",
    [
        '{"by": "it", "is": "moved", "key": "k", "to": "b"}',
        '{"by": "it", "is": "underway", "key": "k", "progress": {"is": "upscaling"}, "at": 1}',
    ],
)
def test_what_only_a_newer_version_says_is_left_aside(text: str) -> None:
    assert news.read(text, "me") is None


def test_what_is_being_generated_goes_on_without_a_word() -> None:
    assert Underway(KEY, Generating(2.0, 6.0), 100.0).by(103.0) == Generating(5.0, 6.0)
    assert Underway(KEY, Generating(2.0, 6.0), 100.0).by(90.0) == Generating(0.0, 6.0)  # the clocks differ
    assert Underway(KEY, Waiting(2, 9.0), 100.0).by(103.0) == Waiting(2, 9.0)


async def test_the_progress_of_all_jobs_is_rung_together_and_only_the_newest_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(news, "EVERY", 0.05)
    bell = OpenBell()
    made = of(bell)
    made.progress("a", Waiting(1, None))
    await bell.rung.wait()
    bell.rung.clear()
    made.progress("a", Generating(0.0, None))
    made.progress("b", Waiting(1, None))
    made.progress("b", Checking())
    await bell.rung.wait()
    seen = [[(it.key, it.progress) for it in ring if isinstance(it, Underway)] for ring in told(bell)]
    assert seen == [[("a", Waiting(1, None))], [("a", Generating(0.0, None)), ("b", Checking())]]
    await made.close()


async def test_the_end_is_rung_at_once_and_no_progress_after_it() -> None:
    bell = OpenBell()
    made = of(bell)
    made.progress("a", Waiting(1, None))
    await bell.rung.wait()
    made.progress("a", Generating(0.0, None))
    made.over("a")
    await made.tell(Changed("a"))
    assert told(bell)[1:] == [[Changed("a")]]
    assert made._progress == {}
    await made.close()


async def test_a_row_that_has_changed_takes_no_progress_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """That it was accepted is told after its row is read: by then it may be drawn."""
    monkeypatch.setattr(news, "EVERY", 0.05)
    bell = OpenBell()
    made = of(bell)
    made.progress("a", Waiting(1, None))
    await bell.rung.wait()
    made.progress("a", Generating(0.0, None))
    await made.tell(Changed("a"))
    bell.rung.clear()
    await bell.rung.wait()
    (word,) = told(bell)[-1]
    assert isinstance(word, Underway)
    assert word.progress == Generating(0.0, None)
    await made.close()


async def test_what_is_too_long_for_a_ring_is_not_told() -> None:
    bell = OpenBell()
    made = of(bell)
    await made.tell(Note("a1", "id", {"title": "ü" * 4000}))
    assert bell.rings == []


# ---- what is heard ----


class Shown:
    """A board whose rows are what a test says, and what it showed: progress, or None for an end."""

    def __init__(self) -> None:
        self.rows: dict[str, Record] = {}
        self.watched = True
        self.reads = 0
        self.shown: list[Progress | None] = []
        self.go = asyncio.Event()
        self.go.set()
        self.elsewhere = Elsewhere(self._find, self._tell, lambda: self.watched)

    def accept(self) -> None:
        self.rows[KEY] = Record.fresh(job(), KEY, "")

    def end(self, **how: Any) -> None:
        self.rows[KEY] = replace(self.rows[KEY], **(how or {"outcome": Cancelled(paid=True)}))

    async def _find(self, key: str) -> Record | None:
        self.reads += 1
        found = self.rows.get(key)
        await self.go.wait()
        return found

    def _tell(self, record: Record) -> bool:
        under_way = record.outcome is None
        self.shown.append(self.elsewhere.progress(KEY) if under_way else None)
        return under_way

    async def settled(self) -> None:
        task = self.elsewhere._reading
        if task is not None:
            await task


def waiting(place: int) -> Underway:
    return Underway(KEY, Waiting(place, None), 0.0)


async def test_a_row_is_read_once_for_all_its_progress() -> None:
    board = Shown()
    board.accept()
    for place in (3, 2, 1):
        board.elsewhere.hear(waiting(place))
        await board.settled()
    assert board.shown == [Waiting(3, None), Waiting(2, None), Waiting(1, None)]
    assert board.reads == 1


async def test_progress_that_comes_after_the_end_takes_nothing_back() -> None:
    board = Shown()
    board.accept()
    board.elsewhere.hear(waiting(1))
    await board.settled()
    board.end()
    board.elsewhere.look_at(KEY)
    board.elsewhere.hear(waiting(1))  # rung before the end, and overtaken by it
    await board.settled()
    board.elsewhere.hear(waiting(1))
    await board.settled()
    assert board.shown[0] == Waiting(1, None)
    assert set(board.shown[1:]) == {None}
    assert board.elsewhere.progress(KEY) is None


async def test_an_older_reading_is_never_shown_after_a_newer_one() -> None:
    board = Shown()
    board.accept()
    board.go.clear()
    board.elsewhere.look_at(KEY)
    while not board.reads:
        await asyncio.sleep(0)
    board.end()
    board.elsewhere.look_at(KEY)
    board.go.set()
    await board.settled()
    assert (board.reads, board.shown[-1]) == (2, None)


async def test_a_deleted_message_is_not_shown_again() -> None:
    board = Shown()
    board.accept()
    board.end(deleted=True)
    board.elsewhere.hear(waiting(1))
    await board.settled()
    assert board.shown == []


async def test_for_nobody_nothing_is_read() -> None:
    board = Shown()
    board.accept()
    board.watched = False
    board.elsewhere.hear(waiting(2))
    board.elsewhere.look_at(KEY)
    assert board.elsewhere._reading is None
    assert board.elsewhere.progress(KEY) == Waiting(2, None)  # for a window that is opened now


async def test_the_newest_words_of_so_many_messages_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.web.elsewhere.MOST", 2)
    board = Shown()
    board.watched = False
    for key in ("a", "b", "a", "c"):
        board.elsewhere.hear(Underway(key, Checking(), 0.0))
    assert [board.elsewhere.progress(key) for key in "abc"] == [Checking(), None, Checking()]
