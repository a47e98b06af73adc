from __future__ import annotations

import io

import pytest

from adapters.terminal.screen import Live, Plain, _without_seconds, screen, told
from bot.cards import Action, Card, Line, Style, Tone


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_one_line_for_each_phase() -> None:
    stream = io.StringIO()
    plain = screen(stream)
    for title in ("Queued · about #2 in line", "Queued · about #1 in line", "Generating…", "Generating… 2 s"):
        plain.working(Card(title))
    plain.end()
    assert isinstance(plain, Plain)
    assert stream.getvalue().splitlines() == ["Queued · about #2 in line", "Generating…"]


def test_a_terminal_gets_a_live_line_that_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    live = screen(Terminal())
    assert isinstance(live, Live)
    live.working(Card("Generating… 1 s"))
    live.working(Card("Generating… 2 s (usually 8 s)"))
    live.end()
    live.say("✓ Done [bold]as it stands[/bold]")
    assert "✓ Done [bold]as it stands[/bold]" in capsys.readouterr().out


def test_a_live_line_has_one_clock() -> None:
    assert _without_seconds("Generating… 12 s (usually 8 s)") == "Generating… (usually 8 s)"
    assert _without_seconds("Queued · about #3 in line, about 20 s") == "Queued · about #3 in line, about 20 s"


@pytest.mark.parametrize(
    ("tone", "mark"), [(Tone.GOOD, "✓"), (Tone.BAD, "✗"), (Tone.WARNING, "✗"), (Tone.NEUTRAL, "·")]
)
def test_an_ended_card_is_lines_without_its_buttons(tone: Tone, mark: str) -> None:
    card = Card(
        "Title", (Line("a fox", Style.QUOTE), Line(""), Line("id k3")), tone, actions=(Action("again", "1", "Re-roll"),)
    )
    assert told(card) == [f"{mark} Title", "  “a fox”", "  id k3"]
