"""Facts about looking back, cancelling, deleting and asking what can be asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.cards import Card, Style
from bot.errors import BadRequest, CreditsExhausted, LimitReached
from bot.guard import Policy
from bot.images import Flag, Lora
from bot.jobs import Cancelled, Failed, Generating, Uncertain, Waiting
from commands import CATALOGUE
from commands.grammar import FLAGS
from commands.spec import Where
from tests.commands.house import YARN, House
from tests.doubles.turn import ANNA, BEN, SQUARE, NotingTurn


def said(turn: NotingTurn) -> str:
    """Everything the person reads in the one answer."""
    card = turn.reply.closed if turn.reply else turn.told[-1]
    assert card
    return words(card)


def words(card: Card) -> str:
    return "\n".join([card.title, *(line.text for line in card.lines)])


def card_of(turn: NotingTurn) -> Card:
    assert turn.reply
    assert turn.reply.private, "shown to the person alone"
    assert turn.reply.closed
    return turn.reply.closed


async def show(home: House, id_: str, turn: NotingTurn | None = None) -> NotingTurn:
    return await home.run("show", Where.SLASH, turn, id=id_)


# ---- /show ----


async def test_show_is_answered_privately_at_once_and_then_with_the_picture(home: House) -> None:
    job = await home.job()
    turn = await show(home, job.short, NotingTurn(BEN))
    assert turn.order == ["open", "close"]
    card = card_of(turn)
    assert [picture.index for picture in card.pictures] == [1]
    assert not card.pictures[0].hidden
    assert card.pictures[0].path.is_file()
    assert {action.verb for action in card.actions} >= {"again", "edit", "delete", "details"}


async def test_show_covers_what_is_flagged_unknown_or_wished(home: House) -> None:
    job = await home.job(flags=(Flag.YES, Flag.UNKNOWN, Flag.NO))
    assert [it.hidden for it in card_of(await show(home, job.short)).pictures] == [True, True, False]
    job = await home.job(spoiler=True)
    assert [it.hidden for it in card_of(await show(home, job.short)).pictures] == [True]


async def test_show_withholds_by_the_rules_of_the_place_where_it_is_asked(home: House) -> None:
    home.policy = Policy(flagged="age_restricted")
    job = await home.job(flags=(Flag.YES, Flag.NO), withheld=frozenset({1}))
    here = await show(home, job.short)
    assert [it.index for it in card_of(here).pictures] == [2]
    assert "1 picture is not shown here" in said(here)
    adults = NotingTurn(place=replace(SQUARE, age_restricted=True))
    assert [(it.index, it.hidden) for it in card_of(await show(home, job.short, adults)).pictures] == [
        (1, True),
        (2, False),
    ]
    home.policy = Policy(flagged="block")
    assert [it.index for it in card_of(await show(home, job.short, replace_reply(adults))).pictures] == [2]


def replace_reply(turn: NotingTurn) -> NotingTurn:
    return NotingTurn(turn.requester, turn.place)


async def test_show_names_what_was_swept(home: House) -> None:
    job = await home.job()
    await home.gallery.discard(job.id)
    assert "Picture 1 is not kept any more." in said(await show(home, job.short))


async def test_show_finds_what_was_cancelled_but_paid_for(home: House) -> None:
    job = await home.job(outcome=Cancelled(paid=True), withheld=frozenset({1}), public=False)
    assert len(card_of(await show(home, job.short)).pictures) == 1


@pytest.mark.parametrize(("state", "told"), [("running", "still being drawn"), ("waiting", "still waiting in line")])
async def test_show_of_what_is_under_way_says_so(home: House, state: str, told: str) -> None:
    job = await home.job(state=state)
    assert told in said(await show(home, job.short))


async def test_show_of_what_was_deleted_says_so(home: House) -> None:
    job = await home.job()
    await home.store.mark_deleted(job.id)
    assert "was deleted" in said(await show(home, job.short))


async def test_a_private_picture_is_marked_and_its_prompt_stays_out_of_the_alt_text(home: House) -> None:
    job = await home.job(private=True, prompt="my secret")
    picture = card_of(await show(home, job.short)).pictures[0]
    assert picture.private
    assert "secret" not in picture.alt


# ---- /history ----


async def test_history_lists_the_newest_first_with_what_became_of_them(home: House) -> None:
    await home.job(requester=BEN, prompt="bens fox")
    await home.job(prompt="an old fox")
    await asyncio.sleep(0.002)
    await home.job(flags=(Flag.YES,), withheld=frozenset({1}), prompt="a flagged fox")
    await asyncio.sleep(0.002)
    await home.job(outcome=Failed("X", "No."), flags=(), count=1, prompt="a failed fox")
    await asyncio.sleep(0.002)
    job = await home.job(state="running", prompt="a long\nfox " * 40)
    text = said(await home.run("history", Where.SLASH))
    assert "bens" not in text
    assert text.index(job.short) < text.index("a failed fox") < text.index("a flagged fox") < text.index("an old fox")
    assert "1 picture, withheld" in text
    assert "being drawn" in text
    assert all(len(line) < 120 for line in text.splitlines())


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(Uncertain(), "lost on the way"), (Cancelled(paid=False), "cancelled"), (Failed("X", "No."), "failed")],
)
async def test_history_says_how_it_ended(home: House, outcome: Uncertain | Cancelled | Failed, told: str) -> None:
    await home.job(outcome=outcome, flags=(), count=1)
    assert f"· {told}" in said(await home.run("history", Where.SLASH))


async def test_an_empty_history_says_how_to_begin(home: House) -> None:
    assert "/imagine" in said(await home.run("history", Where.SLASH))


async def test_history_can_be_paged(home: House) -> None:
    jobs = []
    for number in range(12):
        jobs.append(await home.job(prompt=f"fox number {number}."))
        await asyncio.sleep(0.002)
    first = said(await home.run("history", Where.SLASH))
    assert "fox number 11." in first
    assert "fox number 1." not in first
    assert f"before: {jobs[2].short}" in first
    second = said(await home.run("history", Where.SLASH, before=jobs[2].short))
    assert "fox number 1." in second
    assert "fox number 0." in second
    assert "Older ones" not in second


async def test_history_is_read_after_the_answer(home: House) -> None:
    assert (await home.run("history", Where.SLASH)).order == ["open", "close"]


# ---- /queue and cancel ----


async def test_the_queue_shows_mine_and_everybodys(home: House) -> None:
    one, two = await home.job(state="waiting"), await home.job(state="running")
    home.intake.mine = ((one, Waiting(3, 20)), (two, Generating(6, 8)))
    turn = await home.run("queue", Where.SLASH)
    assert turn.order == ["tell"]
    text = said(turn)
    assert f"{one.short} · about #3 in line, about 20 s · a fox" in text
    assert f"{two.short} · generating, 6 s (usually 8 s) · a fox" in text
    assert "2 running, 4 waiting; a new one takes about 12 s" in text


async def test_cancel_takes_ones_newest(home: House) -> None:
    one = await home.job(state="running")
    await asyncio.sleep(0.002)
    two = await home.job(state="waiting")
    home.intake.mine = ((two, Waiting(3, 20)), (one, Generating(6, 8)))
    turn = await home.run("cancel", Where.SLASH)
    assert turn.order == ["open", "cancel", "close"]
    assert home.intake.cancelled == [(two.id, ANNA, False)]


async def test_cancel_takes_the_given_one_also_from_a_moderator(home: House) -> None:
    job = await home.job(state="running")
    turn = NotingTurn(BEN, moderates=True)
    await home.run("cancel", Where.SLASH, turn, id=job.short)
    assert home.intake.cancelled == [(job.id, BEN, True)]
    assert turn.reply
    assert turn.reply.private


async def test_cancel_without_anything_under_way_is_said_before_the_answer(home: House) -> None:
    turn = NotingTurn()
    with pytest.raises(BadRequest, match="Nothing of yours"):
        await home.run("cancel", Where.SLASH, turn)
    assert not turn.answered


# ---- Delete ----


async def test_delete_removes_files_and_message_and_keeps_the_row(home: House) -> None:
    job = await home.job()
    path = (await home.record(job)).pictures[0].path
    turn = await home.press("delete", job)
    assert turn.order == ["open", "remove", "close"]
    assert not path.exists()
    assert turn.removed == ["double:9"]
    record = await home.record(job)
    assert record.deleted
    assert record.outcome


async def test_delete_waits_for_a_delivery_that_is_under_way(home: House) -> None:
    """Its answer may be lost although people see the message; removed before its end, it would be posted anew."""
    job = await home.job(state="being posted")
    turn = NotingTurn()
    pressed = asyncio.create_task(home.press("delete", job, turn))
    await asyncio.sleep(0.2)
    assert turn.removed == []
    await home.store.closed(job.id, address="double:new", public=True)
    await pressed
    assert turn.removed == ["double:new"]


async def test_delete_gives_up_on_a_delivery_that_does_not_end(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.delivering.POSTED_WITHIN", 0.2)
    job = await home.job(state="being posted")
    turn = await home.press("delete", job)
    assert "again in a moment" in said(turn)
    assert turn.removed == []
    assert not (await home.record(job)).deleted


async def test_delete_says_when_only_the_files_could_go(home: House) -> None:
    job = await home.job()
    turn = await home.press("delete", job, NotingTurn(stuck=frozenset({"double:9"})))
    assert "The files are deleted" in said(turn)
    assert (await home.record(job)).deleted


async def test_what_is_under_way_is_cancelled_rather_than_deleted(home: House) -> None:
    job = await home.job(state="running")
    turn = await home.press("delete", job)
    assert "Stop it first" in said(turn)
    assert turn.removed == []


# ---- Details and Mark as spoiler ----


async def test_details_tell_the_whole_prompt_and_how_to_ask_again(home: House) -> None:
    job = await home.job(prompt="x" * 2000, loras=(YARN, Lora("owner/name", 0.5)), image="s.png", mask="m.png")
    card = card_of(await home.press("details", job, NotingTurn(BEN)))
    text = words(card)
    assert "x" * 2000 in text
    assert "LoRA yarn · weight 0.8 · linoyts/yarn_art_Flux_LoRA" in text
    assert "LoRA owner/name · weight 0.5" in text
    assert "strength 0.8, with a mask" in text
    assert "$0.015" in text
    code = next(line.text for line in card.lines if line.style is Style.CODE)
    assert code.startswith("--size 1216x832 --n 1 --seed 5 ")
    assert code.endswith("--lora yarn:0.8 --lora owner/name:0.5")
    assert len(text) < 4000, "Discord shows no more"


async def test_details_on_a_message(home: House) -> None:
    job = await home.job()
    turn = await home.run("details", Where.MESSAGE, NotingTurn(BEN), message=f"double:{job.id}")
    assert f"Details of {job.short}" in said(turn)
    turn = await home.run("details", Where.MESSAGE, NotingTurn(BEN), message="double:77")
    assert "it isn't one of my pictures" in said(turn)


async def test_a_message_is_used_before_we_know_where_it_stands(home: House) -> None:
    """Its buttons tell whose it is; where it stood before, the row may not say any more."""
    job = await home.job()
    turn = await home.run("details", Where.MESSAGE, NotingTurn(BEN), message="double:not-known-yet", job=job.id)
    assert f"Details of {job.short}" in said(turn)
    turn = await home.run("spoiler", Where.MESSAGE, NotingTurn(BEN), message="double:not-known-yet", job=job.id)
    assert "Only " in said(turn)
    assert turn.hidden == []
    turn = await home.run("spoiler", Where.MESSAGE, NotingTurn(), message="double:not-known-yet", job=job.id)
    assert turn.hidden == [f"double:{job.id}"]


async def test_a_message_is_covered(home: House) -> None:
    job = await home.job()
    turn = await home.run("spoiler", Where.MESSAGE, NotingTurn(), message=f"double:{job.id}")
    assert turn.order == ["open", "hide", "close"]
    assert turn.hidden == [f"double:{job.id}"]
    assert "behind a spoiler" in said(turn)


async def test_a_message_that_cant_be_covered_is_said(home: House) -> None:
    job = await home.job()
    key = f"double:{job.id}"
    turn = await home.run("spoiler", Where.MESSAGE, NotingTurn(stuck=frozenset({key})), message=key)
    assert "I may not change that message." in said(turn)
    turn = await home.run("spoiler", Where.MESSAGE, NotingTurn(), message="double:77")
    assert "only cover my own pictures" in said(turn)


# ---- /lora, /help, /ping ----


async def test_lora_list_shows_all_or_those_that_match(home: House) -> None:
    text = said(await home.run("lora list", Where.SLASH))
    assert all(entry.name in text for entry in home.library.entries)
    assert "owner/name" in text
    text = said(await home.run("lora list", Where.SLASH, search="photograph"))
    assert "realism" in text
    assert "tarot —" not in text
    home.set(lora_paths="library")
    assert "Only these can be used here." in said(await home.run("lora list", Where.SLASH, search="qqqq"))


async def test_lora_list_has_pages(home: House) -> None:
    from bot.library import Entry, Library

    home.library = Library(tuple(Entry(f"style{n:02}", f"a/style{n}") for n in range(40)))
    first = said(await home.run("lora list", Where.SLASH))
    assert "style14" in first
    assert "style15" not in first
    assert "Page 1 of 3; go on with page: 2" in first
    last = said(await home.run("lora list", Where.SLASH, page=99))
    assert "style39" in last
    assert "go on" not in last


async def test_lora_info_tells_what_it_does(home: House) -> None:
    text = said(await home.run("lora info", Where.SLASH, name="yarn:0.8"))
    assert "Trigger words: yarn art style" in text
    assert "Path: linoyts/yarn_art_Flux_LoRA" in text
    with pytest.raises(BadRequest, match=r"Did you mean yarn\?"):
        await home.run("lora info", Where.SLASH, name="yran")


async def test_help_is_made_of_the_catalogue(home: House) -> None:
    turn = await home.run("help", Where.SLASH)
    text = said(turn)
    assert turn.order == ["tell"]
    for it in CATALOGUE:
        if it.where is Where.SLASH:
            assert f"/{it.name} — {it.description}" in text
    assert all(flag.example in text for flag in FLAGS)
    assert "3 at once, 20 more waiting, 100 pictures in 24 hours" in text
    assert "flags are covered." in text
    assert len(text) < 3900, "Discord shows no more"
    home.set(nsfw="block")
    assert "flags are not shown." in said(await home.run("help", Where.SLASH))


async def test_the_examples_in_the_help_work(home: House) -> None:
    from commands.asking import ask

    for it in CATALOGUE:
        if it.name == "imagine":
            assert ask(home.easel, {"prompt": it.example}).request.loras


async def test_ping_says_whether_it_can_draw(home: House) -> None:
    turn = await home.run("ping", Where.SLASH)
    assert turn.order == ["check", "tell"]
    assert "Awake and ready to draw" in said(turn)
    home.intake.refuses = CreditsExhausted("The account has no money left.")
    assert "drawing is paused\nThe account has no money left." in said(await home.run("ping", Where.SLASH))
    home.intake.refuses = LimitReached("You have 23 jobs under way.")
    assert said(await home.run("ping", Where.SLASH)).startswith("Awake\nYou have 23")


async def test_what_is_not_there_yet_is_marked_and_its_message_left_alone(home: House) -> None:
    job = await home.job(state="running")
    turn = await home.run("spoiler", Where.MESSAGE, NotingTurn(), message=f"double:{job.id}")
    assert turn.order == ["open", "close"]
    assert "come behind a spoiler" in said(turn)
    assert (await home.record(job)).job.spoiler
