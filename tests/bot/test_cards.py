"""The words that people read."""

from pathlib import Path

from bot import cards
from bot.cards import Shown, Style
from bot.errors import BadRequest
from bot.images import Flag, Lora, Missing, Picture, Size
from bot.jobs import Cancelled, Checking, Failed, Finished, Generating, Outcome, Uncertain, Waiting
from tests.bot.making import job, request

PICTURE = Picture(1, Path("p-1.png"), "image/png", Size(1216, 832), Flag.NO)


def test_progress_is_said_as_people_know_it() -> None:
    made = job()
    titles = [
        cards.progress(made, now).title
        for now in (
            Waiting(3, 20.0),
            Waiting(1, None),
            Generating(0.2, None),
            Generating(6.2, 8.0),
            Generating(240, 8.0),
            Checking(),
        )
    ]
    assert titles == [
        "Queued · about #3 in line, about 20 s",
        "Queued · about #1 in line",
        "Generating…",
        "Generating… 6 s (usually 8 s)",
        "Generating… 4 min (usually 8 s)",
        "Checking…",
    ]
    assert [action.verb for action in cards.progress(made, Waiting(1, None)).actions] == ["cancel"]


def test_a_result_tells_its_parameters_cost_and_id() -> None:
    asked = request(seed=123, size=Size(1216, 832), loras=(Lora("linoyts/yarn", 1, "yarn"),))
    made = job(asked, short="k3f9ab")
    card = cards.outcome(made, Finished((PICTURE,), (), 7.4, 0.015), model="flux-dev-lora", shown=[shown(1)])
    assert card.lines[-1].text == "flux-dev-lora · 1216×832 · seed 123 · 28 steps · yarn:1 · 7.4 s · $0.015 · id k3f9ab"
    assert card.lines[-1].style is Style.SMALL
    assert [action.label for action in card.actions] == ["Re-roll", "Edit prompt", "Delete", "Details"]


def shown(index: int, hidden: bool = False) -> Shown:
    return Shown(Path(f"p-{index}.png"), index, hidden, "")


def test_several_pictures_can_each_be_varied() -> None:
    two = tuple(Picture(index, Path("p"), "image/png", Size(64, 64), Flag.NO) for index in (1, 2))
    card = cards.outcome(job(), Finished(two, (), 1, 0.03), model="m", shown=[shown(1), shown(2)])
    assert [(action.verb, action.argument) for action in card.actions if action.verb == "vary"] == [
        ("vary", 1),
        ("vary", 2),
    ]


def test_a_covered_picture_says_why() -> None:
    for flag, word in ((Flag.YES, "flagged it"), (Flag.UNKNOWN, "gave no answer")):
        picture = Picture(1, Path("p"), "image/png", Size(64, 64), flag)
        card = cards.outcome(job(), Finished((picture,), (), 1, 0), model="m", shown=[shown(1, hidden=True)])
        assert any(word in line.text for line in card.lines)
    wished = cards.outcome(job(spoiler=True), Finished((PICTURE,), (), 1, 0), model="m", shown=[shown(1, hidden=True)])
    assert not any("safety check" in line.text for line in wished.lines)


def test_missing_and_withheld_pictures_are_named() -> None:
    end = Finished((PICTURE,), (Missing(2, "it could not be fetched."),), 1, 0)
    card = cards.outcome(job(), end, model="m", withheld=[PICTURE])
    texts = [line.text for line in card.lines]
    assert card.title == "Drawn, but not shown here"
    assert "1 picture is not shown here because of this community's rules." in texts
    assert "Picture 2 is missing: it could not be fetched." in texts


def test_every_other_end_names_the_way_out() -> None:
    ends: dict[Outcome, list[str]] = {
        Failed("Moderated", "The safety filter refused this. Try other words."): ["again", "edit"],
        Uncertain(): ["retry"],
        Cancelled(paid=True): ["again", "edit", "delete", "details"],
    }
    for end, verbs in ends.items():
        card = cards.outcome(job(short="k3f9ab"), end, model="m")
        assert [action.verb for action in card.actions] == verbs
        assert card.lines[-1].text == "id k3f9ab"
    assert "/history" in cards.outcome(job(), Cancelled(paid=True), model="m").lines[0].text


def test_alt_text_never_repeats_what_is_covered_or_private() -> None:
    made = job()
    assert "red fox" in cards.alt_text(made, PICTURE, hidden=False)
    assert "red fox" not in cards.alt_text(made, PICTURE, hidden=True)
    assert "red fox" not in cards.alt_text(job(private=True), PICTURE, hidden=False)


def test_an_error_is_said_in_its_own_words() -> None:
    card = cards.refused(BadRequest("Size looks like 1024x1024, not “big”."))
    assert [line.text for line in card.lines] == ["Size looks like 1024x1024, not “big”."]


def test_money_is_told_exactly() -> None:
    assert [cards.dollars(value) for value in (0, 0.015, 0.06, 0.0125, 1.5, 12)] == [
        "$0.00",
        "$0.015",
        "$0.06",
        "$0.013",
        "$1.50",
        "$12.00",
    ]


def test_infotext_is_what_image_tools_read() -> None:
    text = cards.infotext(request(loras=(Lora("owner/yarn", 0.8, "yarn"),)), "flux-dev-lora")
    assert text == ("a red fox <lora:yarn:0.8>\nSteps: 28, CFG scale: 3.5, Seed: 7, Size: 64x64, Model: flux-dev-lora")
