from __future__ import annotations

import io
from pathlib import Path

import pytest

from adapters.terminal.reply import Address, TerminalReply, slug
from adapters.terminal.screen import Plain
from bot.cards import Card, Line, Shown, Style, Tone
from bot.ports import DeliveryFailed, Reply


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


def reply(tmp_path: Path, screen: io.StringIO, *, earlier: bool = False) -> TerminalReply:
    return TerminalReply(Address("abcdef0123", str(tmp_path / "out"), "a-fox"), Plain(screen), earlier=earlier)


def done(tmp_path: Path, *indexes: int, hidden: bool = False) -> Card:
    shown = []
    for index in indexes:
        path = tmp_path / f"kept-{index}.png"
        path.write_bytes(b"picture %d" % index)
        shown.append(Shown(path, index, hidden, "a fox"))
    return Card("Done", (Line("a fox", Style.QUOTE), Line("seed 7", Style.SMALL)), Tone.GOOD, tuple(shown))


def test_it_fits_its_port(tmp_path: Path, screen: io.StringIO) -> None:
    assert isinstance(reply(tmp_path, screen), Reply)


async def test_the_pictures_are_saved_and_told(tmp_path: Path, screen: io.StringIO) -> None:
    answer = reply(tmp_path, screen)
    await answer.close(done(tmp_path, 1))
    (path,) = answer.saved
    assert path == tmp_path / "out" / "a-fox-abcdef.png"
    assert path.read_bytes() == b"picture 1"
    assert screen.getvalue().splitlines() == ["✓ Done", "  “a fox”", "  seed 7", f"  saved as {path}"]
    assert answer.closed.is_set()


async def test_several_are_numbered(tmp_path: Path, screen: io.StringIO) -> None:
    answer = reply(tmp_path, screen)
    await answer.close(done(tmp_path, 1, 2))
    assert [path.name for path in answer.saved] == ["a-fox-abcdef-1.png", "a-fox-abcdef-2.png"]


async def test_a_flagged_picture_is_named_as_chats_name_what_they_cover(tmp_path: Path, screen: io.StringIO) -> None:
    answer = reply(tmp_path, screen)
    await answer.close(done(tmp_path, 1, hidden=True))
    assert [path.name for path in answer.saved] == ["SPOILER_a-fox-abcdef.png"]


async def test_closing_again_says_and_saves_nothing_more(tmp_path: Path, screen: io.StringIO) -> None:
    answer, card = reply(tmp_path, screen), done(tmp_path, 1)
    await answer.close(card)
    said = screen.getvalue()
    await answer.close(card)
    await answer.show(Card("Generating…"))
    assert screen.getvalue() == said
    assert len(list((tmp_path / "out").iterdir())) == 1


async def test_after_a_restart_it_saves_to_the_same_place(tmp_path: Path, screen: io.StringIO) -> None:
    before = reply(tmp_path, screen)
    await before.close(done(tmp_path, 1))
    after = TerminalReply(Address.read(before.address), Plain(screen), earlier=True)
    await after.close(done(tmp_path, 1))
    assert after.saved == before.saved
    assert after.key == before.key
    assert "An earlier start was interrupted" in screen.getvalue()


async def test_a_folder_that_can_not_be_written_is_a_failed_delivery(tmp_path: Path, screen: io.StringIO) -> None:
    (tmp_path / "out").touch()
    answer = reply(tmp_path, screen)
    with pytest.raises(DeliveryFailed):
        await answer.close(done(tmp_path, 1))
    assert not answer.closed.is_set()
    (tmp_path / "out").unlink()
    await answer.close(done(tmp_path, 1))  # tried again, it is saved
    assert answer.saved


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red fox, in the snow at night", "a-red-fox-in-the"),
        ("../../etc/passwd", "etc-passwd"),
        ("Füchse im 森", "füchse-im-森"),
        ("!!!", "picture"),
        ("x" * 300, "x" * 40),
    ],
)
def test_a_file_is_named_after_the_prompt(prompt: str, name: str) -> None:
    assert slug(prompt) == name
