from __future__ import annotations

import io
from pathlib import Path

import pytest

from adapters.terminal.platform import PLACE, Terminal, TerminalTurn, check_writable
from adapters.terminal.reply import Address
from adapters.terminal.screen import Plain
from bot.cards import Form
from bot.errors import BadRequest, NotAllowed
from bot.guard import Policy, Showing
from bot.images import Flag
from bot.ports import Platform
from commands.spec import Attachment, Turn


@pytest.fixture
def turn(tmp_path: Path) -> TerminalTurn:
    return TerminalTurn(Address("key", str(tmp_path), "a-fox"), Plain(io.StringIO()), {})


def test_it_fits_its_ports(turn: TerminalTurn, tmp_path: Path) -> None:
    fits: Turn = turn
    assert isinstance(Terminal({"prompt": "a fox"}, tmp_path, Plain(io.StringIO())), Platform)
    assert fits.moderates


async def test_one_address_is_one_reply(turn: TerminalTurn, tmp_path: Path) -> None:
    terminal = Terminal({"prompt": "a fox"}, tmp_path, Plain(io.StringIO()))
    reply = await turn.open(private=False)
    assert turn.replies[reply.address] is reply
    assert terminal.reopen(reply.address) is terminal.reopen(reply.address)


async def test_files_are_read_up_to_a_size(turn: TerminalTurn, tmp_path: Path) -> None:
    file = tmp_path / "from.png"
    file.write_bytes(b"12345")
    attachment = Attachment(str(file), "from.png", 5)
    assert await turn.read(attachment, most=5) == b"12345"
    with pytest.raises(BadRequest, match="larger than"):
        await turn.read(attachment, most=4)
    file.unlink()
    with pytest.raises(BadRequest, match="can't be read"):
        await turn.read(attachment, most=5)


async def test_what_a_terminal_has_not_is_said(turn: TerminalTurn) -> None:
    with pytest.raises(NotAllowed, match="command line"):
        await turn.ask(Form("imagine", "Edit", ""))
    for cannot in (turn.remove, turn.hide):
        with pytest.raises(NotAllowed):
            await cannot("somewhere")


def test_a_folder_is_made_before_anything_is_paid(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(BadRequest, match="Choose another folder with --out"):
        check_writable(tmp_path / "file" / "below")


def test_the_operator_sees_what_was_flagged_unless_all_is_blocked() -> None:
    assert Policy("age_restricted").shows(Flag.YES, PLACE) is Showing.HIDDEN
    assert Policy("block").shows(Flag.YES, PLACE) is Showing.WITHHELD
