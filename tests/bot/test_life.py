"""The life of a job: one answer, one charge, the right picture, whatever happens on the way."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot import pictures
from bot.brake import Brake
from bot.cards import Card
from bot.errors import (
    BadOutput,
    BadRequest,
    BudgetReached,
    CreditsExhausted,
    GenerationFailed,
    LimitReached,
    Moderated,
    NotAllowed,
    RateLimited,
    TryAgain,
    Unreachable,
)
from bot.guard import Limits, Policy
from bot.images import Flag
from bot.jobs import Cancelled, Failed, Finished, Job, Uncertain
from bot.ledger import State
from bot.life import Life
from bot.ports import DeliveryFailed, Keep, Prepared, Sighting, Ticket
from bot.store import Store
from tests.bot.house import House
from tests.bot.making import ANNA, BEN, request
from tests.doubles.backend import Account, Fate, PaintedBackend
from tests.doubles.reply import NotingReply


def closes(reply: NotingReply) -> int:
    return sum(1 for what, _ in reply.notes if what == "close")


async def test_a_job_ends_in_one_answer_with_its_own_picture(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        job, reply = await house.ask(request(count=2))
        record = await house.over(job)
    assert isinstance(record.outcome, Finished)
    assert reply.closed is not None
    assert [shown.index for shown in reply.closed.pictures] == [1, 2]
    assert all(shown.path.is_file() for shown in reply.closed.pictures)
    assert house.backend.posts == 1
    assert f"id {job.short}" in reply.closed.lines[-1].text
    assert record.public
    assert record.delivered


async def test_a_public_png_carries_its_parameters_and_a_private_one_does_not(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        public, reply = await house.ask(request())
        private, secret = await house.ask(request(), private=True)
        await house.over(public)
        record = await house.over(private)
    assert reply.closed is not None
    assert secret.closed is not None
    text = pictures.parameters_of(reply.closed.pictures[0].path.read_bytes())
    assert text is not None
    assert text.startswith("a red fox\nSteps: 28")
    assert pictures.parameters_of(secret.closed.pictures[0].path.read_bytes()) is None
    assert "fox" not in secret.closed.pictures[0].alt
    assert not record.public


async def test_progress_is_shown_and_nothing_after_the_end(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(seconds=0.1)) as house:
        job, reply = await house.ask(request())
        await house.over(job)
    assert [card.title for card in reply.shown] == ["Generating…"]
    assert reply.notes[-1][0] == "close"


async def test_those_who_wait_see_their_place(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(seconds=0.2, pictures_at_once=1)) as house:
        first, _ = await house.ask(request())
        second, waiting = await house.ask(request(), requester=BEN)
        assert (await house.intake.queue(BEN)).waiting == 1
        await house.over(first)
        await house.over(second)
    assert waiting.shown[0].title.startswith("Queued · about #1 in line")


@pytest.mark.parametrize(
    ("error", "counted"),
    [(Moderated("The safety filter refused this."), 0), (GenerationFailed("It failed at the API."), 0)],
)
async def test_a_failure_is_told_and_given_back(tmp_path: Path, error: Exception, counted: int) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(fails=error),))) as house:  # type: ignore[arg-type]
        job, reply = await house.ask(request())
        record = await house.over(job)
        assert house.life.accounts.pictures(ANNA.key) == counted
    assert isinstance(record.outcome, Failed)
    assert reply.closed is not None
    assert str(error) in reply.closed.lines[0].text
    assert [action.label for action in reply.closed.actions] == ["Try again", "Edit prompt"]


async def test_a_refused_submit_is_not_repeated_and_not_charged(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(refused=BadRequest("No such LoRA.")),))) as house:
        job, _ = await house.ask(request())
        record = await house.over(job)
        assert house.backend.posts == 1
        assert house.life.accounts.dollars == 0
    assert record.outcome == Failed("BadRequest", "No such LoRA.")


async def test_a_submit_that_was_surely_refused_is_tried_again(tmp_path: Path) -> None:
    fates = (Fate(refused=RateLimited("Slower.", retry_after=0.01)),)
    async with House(tmp_path, PaintedBackend(fates=fates)) as house:
        job, _ = await house.ask(request())
        record = await house.over(job)
    assert isinstance(record.outcome, Finished)
    assert house.backend.posts == 2


async def test_a_long_wait_for_the_operator_leaves_all_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minutes in which a refused submit is tried again begin with the first refusal, not with the wait before."""
    monkeypatch.setattr("bot.life.REFUSED_FOR", 0.1)
    fates = (Fate(), Fate(refused=RateLimited("Slower.", retry_after=0.01)))
    async with House(tmp_path, PaintedBackend(seconds=0.1, pictures_at_once=1, fates=fates)) as house:
        brake = house.life.brake = Brake(house.backend, house.alerts, lambda: 0.015, look_every=0.6)
        first, _ = await house.ask(request())
        second, _ = await house.ask(request(), requester=BEN)
        while not house.backend.account.paintings:
            await asyncio.sleep(0.005)
        brake.pull(CreditsExhausted("The account is out of credit."))
        watching = asyncio.create_task(brake.watch())
        await house.over(first)
        record = await house.over(second)
        watching.cancel()
    assert isinstance(record.outcome, Finished)
    assert house.backend.posts == 3


async def test_an_empty_account_stops_everything_until_it_works_again(tmp_path: Path) -> None:
    fates = (Fate(refused=CreditsExhausted("The account is out of credit.")),)
    async with House(tmp_path, PaintedBackend(fates=fates)) as house:
        job, _ = await house.ask(request())
        assert isinstance((await house.over(job)).outcome, Failed)
        with pytest.raises(CreditsExhausted):
            await house.ask(request())
    assert house.backend.posts == 1


# ---- the lost submit ----


async def test_a_lost_submit_that_arrived_is_adopted_and_paid_once(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(lost=True),))) as house:
        job, reply = await house.ask(request())
        record = await house.over(job)
        assert house.life.accounts.pictures(ANNA.key) == 1
    assert isinstance(record.outcome, Finished)
    assert house.backend.posts == 1
    assert "Checking…" in [card.title for card in reply.shown]


async def test_a_lost_submit_that_never_arrived_is_uncertain_told_and_not_repeated(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(lost=True, accepted=False),))) as house:
        job, reply = await house.ask(request())
        record = await house.over(job)
        assert house.life.accounts.pictures(ANNA.key) == 0
        assert house.life.accounts.dollars == pytest.approx(0.015)
    assert record.outcome == Uncertain()
    assert house.backend.posts == 1
    assert reply.closed is not None
    assert [action.verb for action in reply.closed.actions] == ["retry"]


async def test_while_the_listing_cant_be_read_nothing_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(lost=True),)), look_for=0.0) as house:
        real, reads = house.backend.sightings, 0

        async def down_at_first(prepared: Prepared, since: datetime) -> list[Sighting]:
            nonlocal reads
            reads += 1
            if reads == 1:
                raise Unreachable("The image service does not answer.")
            return await real(prepared, since)

        monkeypatch.setattr(house.backend, "sightings", down_at_first)
        job, _ = await house.ask(request())
        assert isinstance((await house.over(job)).outcome, Finished)
    assert house.backend.posts == 1


async def test_a_prediction_without_inputs_is_never_guessed(tmp_path: Path) -> None:
    account = Account()
    account.tells_inputs = False
    async with House(tmp_path, PaintedBackend(fates=(Fate(lost=True),), account=account)) as house:
        job, _ = await house.ask(request())
        assert (await house.over(job)).outcome == Uncertain()


async def test_two_lost_submits_never_swap_pictures(tmp_path: Path) -> None:
    fates = (Fate(lost=True), Fate(lost=True))
    async with House(tmp_path, PaintedBackend(fates=fates)) as house:
        fox, _ = await house.ask(request("a fox", 1))
        cat, _ = await house.ask(request("a cat", 2), requester=BEN)
        for job in (fox, cat):
            await house.over(job)
            entry = await house.ledger.entry(job.id)
            assert entry is not None
            assert entry.ticket is not None
            assert house.backend.account.paintings[entry.ticket.id].prepared.request == job.request


# ---- killed and started again ----


@pytest.mark.parametrize("after", ["accept", "intend", "begin_post", "post", "submitted", "ended", "close"])
async def test_a_kill_at_any_line_ends_in_one_answer_and_one_charge(
    tmp_path: Path, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, replies = Account(), dict[str, NotingReply]()
    async with House(tmp_path, PaintedBackend(account=account), replies=replies) as first:
        reached = asyncio.Event()

        def stop_after(target: object, name: str) -> None:
            real = getattr(target, name)

            async def stopping(*args: object, **more: object) -> object:
                answer = await real(*args, **more)
                reached.set()
                await asyncio.Event().wait()
                return answer

            monkeypatch.setattr(target, name, stopping)

        reply = NotingReply(message="m")
        match after:
            case "accept":
                monkeypatch.setattr(first.intake, "pump", reached.set)
            case "intend" | "begin_post" | "submitted":
                stop_after(first.ledger, after)
            case "post":
                stop_after(first.backend, "submit")
            case "ended":
                monkeypatch.setattr(Life, "_deliver", _never(reached))
            case "close":
                stop_after(reply, "close")
        job, _ = await first.ask(request(), reply=reply)
        await asyncio.wait_for(reached.wait(), 5)
    monkeypatch.undo()
    async with House(tmp_path, PaintedBackend(account=account), replies=replies) as second:
        await second.resume()
        record = await second.over(job)
        counted = second.life.accounts.pictures(ANNA.key)
    assert reply.closed is not None
    if after == "begin_post":  # it never got out, but nobody can know that
        assert (record.outcome, len(account.posts), counted) == (Uncertain(), 0, 0)
    else:
        assert isinstance(record.outcome, Finished)
        assert (len(account.posts), counted) == (1, 1)
        assert reply.closed.pictures[0].path.is_file()
    assert closes(reply) == (2 if after == "close" else 1)  # the same edit twice is one visible answer


def _never(reached: asyncio.Event) -> object:
    async def deliver(_life: Life, _record: object) -> bool:
        reached.set()
        await asyncio.Event().wait()
        return False

    return deliver


async def test_a_waiting_job_is_queued_again(tmp_path: Path) -> None:
    account, replies = Account(), dict[str, NotingReply]()
    async with House(tmp_path, PaintedBackend(seconds=60, pictures_at_once=1, account=account), replies=replies) as one:
        await one.ask(request())
        waiting, reply = await one.ask(request("a cat"), requester=BEN)
    async with House(tmp_path, PaintedBackend(account=account, pictures_at_once=9), replies=replies) as two:
        await two.resume()
        record = await two.over(waiting)
    assert isinstance(record.outcome, Finished)
    assert reply.closed is not None
    assert len(account.posts) == 2


async def test_a_replayed_command_is_the_same_job(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        first, _ = await house.ask(request(), key="interaction")
        await house.over(first)
        again, _ = await house.ask(request(), key="interaction")
        assert again.id == first.id
        assert house.life.accounts.pictures(ANNA.key) == 1
    assert house.backend.posts == 1


# ---- cancel ----


async def test_a_waiting_job_is_cancelled_for_free(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(seconds=30, pictures_at_once=1)) as house:
        await house.ask(request())
        job, reply = await house.ask(request(), requester=BEN)
        with pytest.raises(NotAllowed):
            await house.intake.cancel(job.id, by=ANNA, moderates=False)
        assert "paid" not in await house.intake.cancel(job.id, by=BEN, moderates=False)
        record = await house.over(job)
        assert house.life.accounts.pictures(BEN.key) == 0
        with pytest.raises(BadRequest, match="already over"):
            await house.intake.cancel(job.id, by=BEN, moderates=False)
    assert record.outcome == Cancelled(paid=False)
    assert reply.closed is not None
    assert house.backend.posts == 1


async def test_a_submitted_job_is_still_paid_not_posted_and_kept(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(seconds=60)) as house:
        job, reply = await house.ask(request())
        painting = await house.painting()
        assert "paid" in await house.intake.cancel(job.id, by=BEN, moderates=True)
        assert reply.closed is not None
        assert reply.closed.title == "Cancelled"
        painting.done.set()
        record = await house.over(job)
        assert house.life.accounts.pictures(ANNA.key) == 1
    assert record.outcome == Cancelled(paid=True)
    assert record.pictures[0].path.is_file()
    assert not record.public
    assert reply.closed.pictures == ()


# ---- limits ----


async def test_limits_hold_from_the_first_job(tmp_path: Path) -> None:
    limits = Limits(per_person=1, queue_per_person=1, per_day=3, budget=10)
    async with House(tmp_path, PaintedBackend(seconds=0.2), limits=limits) as house:
        await house.ask(request())
        second, _ = await house.ask(request())
        with pytest.raises(LimitReached, match="2 jobs under way"):
            await house.ask(request())
        await house.over(second)
        with pytest.raises(LimitReached, match="1 left"):
            await house.ask(request(count=2))
    async with House(tmp_path, PaintedBackend(), limits=limits) as later:
        with pytest.raises(LimitReached, match="1 left"):
            await later.ask(request(count=2))


async def test_a_burst_cannot_slip_past_the_limits(tmp_path: Path) -> None:
    limits = Limits(per_person=1, queue_per_person=4, per_day=100, budget=10)
    async with House(tmp_path, PaintedBackend(seconds=5), limits=limits) as house:
        asked = await asyncio.gather(*(house.ask(request()) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, LimitReached) for answer in asked) == 15


async def test_the_budget_is_a_hard_stop_for_everyone(tmp_path: Path) -> None:
    limits = Limits(per_person=3, queue_per_person=20, per_day=100, budget=0.03)
    async with House(tmp_path, PaintedBackend(), limits=limits) as house:
        for who in (ANNA, BEN):
            await house.over((await house.ask(request(), requester=who))[0])
        with pytest.raises(BudgetReached):
            await house.ask(request())
    assert house.backend.posts == 2


# ---- what may show ----


async def test_a_flagged_picture_is_covered_and_says_why(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(flags=(Flag.NO, Flag.YES)),))) as house:
        job, reply = await house.ask(request(count=2))
        await house.over(job)
    assert reply.closed is not None
    assert [shown.hidden for shown in reply.closed.pictures] == [False, True]
    assert any("safety check flagged" in line.text for line in reply.closed.lines)
    assert "fox" not in reply.closed.pictures[1].alt


async def test_an_unjudged_picture_is_covered(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(flags=()),))) as house:
        job, reply = await house.ask(request())
        await house.over(job)
    assert reply.closed is not None
    assert reply.closed.pictures[0].hidden


async def test_a_withheld_picture_is_not_posted_and_its_requester_is_told_alone(tmp_path: Path) -> None:
    backend = PaintedBackend(fates=(Fate(flags=(Flag.YES, Flag.NO)),))
    async with House(tmp_path, backend, policy=Policy("block")) as house:
        job, reply = await house.ask(request(count=2))
        record = await house.over(job)
        await house.runs[job.id]  # the word comes after the job is closed
    assert reply.closed is not None
    assert [shown.index for shown in reply.closed.pictures] == [2]
    assert record.withheld == frozenset({1})
    assert len(reply.whispers) == 1


async def test_a_part_that_is_missing_is_named_and_the_rest_is_delivered(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(fates=(Fate(missing=frozenset({2})),))) as house:
        job, reply = await house.ask(request(count=3))
        await house.over(job)
    assert reply.closed is not None
    assert [shown.index for shown in reply.closed.pictures] == [1, 3]
    assert any(line.text.startswith("Picture 2 is missing") for line in reply.closed.lines)


# ---- delivery ----


async def test_a_delivery_that_fails_for_now_is_made_later_and_frees_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.life.backoff", lambda *_a, **_k: 0.02)
    async with House(tmp_path, PaintedBackend()) as house:
        reply = NotingReply(message="m", fails=DeliveryFailed("the platform is down"))
        job, _ = await house.ask(request(), reply=reply)
        async with asyncio.timeout(5):
            while closes(reply) < 3:
                await asyncio.sleep(0.01)
        assert (await house.intake.queue(ANNA)).running == 0
        reply.fails = None
        record = await house.over(job)
    assert record.delivered


async def test_a_message_that_is_gone_leaves_the_picture_in_the_history(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        reply = NotingReply(message="m", fails=DeliveryFailed("channel removed", gone=True))
        job, _ = await house.ask(request(), reply=reply)
        record = await house.over(job)
        found = await house.store.history(ANNA)
    assert not record.delivered
    assert not record.public
    assert [one.job.id for one in found] == [job.id]
    entry = await _entry(tmp_path, job.id)
    assert entry == State.SUBMITTED


async def _entry(root: Path, job_id: str) -> State:
    async with House(root, PaintedBackend()) as house:
        entry = await house.ledger.entry(job_id)
    assert entry is not None
    return entry.state


async def test_a_message_whose_time_runs_out_says_where_the_picture_will_be(tmp_path: Path) -> None:
    from datetime import timedelta

    async with House(tmp_path, PaintedBackend(seconds=0.2)) as house:
        reply = NotingReply(message="m", expires_at=datetime.now(UTC) + timedelta(seconds=30))
        job, _ = await house.ask(request(), reply=reply)
        record = await house.over(job)
    assert reply.closed is not None
    assert f"/show {job.short}" in reply.closed.lines[0].text
    assert closes(reply) == 1
    assert isinstance(record.outcome, Finished)


# ---- what is charged when no picture comes ----


def _stop_after(monkeypatch: pytest.MonkeyPatch, target: object, name: str) -> asyncio.Event:
    """Let a call through, and nothing after it: as a kill right behind it."""
    real, reached = getattr(target, name), asyncio.Event()

    async def stopping(*args: object, **more: object) -> None:
        await real(*args, **more)
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(target, name, stopping)
    return reached


@pytest.mark.parametrize(
    ("name", "fate", "dollars"),
    [
        ("give_back", Fate(fails=Moderated("The safety filter refused this.")), 0.0),
        ("uncertain", Fate(lost=True, accepted=False), 0.015),
    ],
)
async def test_a_kill_after_the_ledgers_last_word_charges_nobody_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fate: Fate, dollars: float
) -> None:
    account, replies = Account(), dict[str, NotingReply]()
    async with House(tmp_path, PaintedBackend(account=account, fates=(fate,)), replies=replies) as first:
        reached = _stop_after(monkeypatch, first.ledger, name)
        job, _ = await first.ask(request())
        await asyncio.wait_for(reached.wait(), 5)
    monkeypatch.undo()
    async with House(tmp_path, PaintedBackend(account=account), replies=replies) as second:
        await second.resume()
        await second.over(job)
        assert second.life.accounts.pictures(ANNA.key) == 0
        assert second.life.accounts.dollars == pytest.approx(dollars)


async def test_what_was_paid_without_a_picture_costs_the_budget_and_not_the_person(tmp_path: Path) -> None:
    """Else pictures that can never be fetched, e.g. behind a firewall, would be drawn and paid for without end."""
    async with House(tmp_path, PaintedBackend(fates=(Fate(fails=BadOutput("No picture.")),))) as house:
        job, _ = await house.ask(request())
        assert isinstance((await house.over(job)).outcome, Failed)
        assert house.life.accounts.pictures(ANNA.key) == 0
        assert house.life.accounts.dollars == pytest.approx(0.015)
    async with House(tmp_path, PaintedBackend()) as later:
        assert later.life.accounts.pictures(ANNA.key) == 0
        assert later.life.accounts.dollars == pytest.approx(0.015)


async def test_a_task_that_ended_for_want_of_credit_is_told_at_once(tmp_path: Path) -> None:
    fate = Fate(fails=CreditsExhausted("The account is out of credit."))
    async with House(tmp_path, PaintedBackend(fates=(fate,))) as house:
        job, _ = await house.ask(request())
        assert isinstance((await house.over(job)).outcome, Failed)
        assert isinstance(house.life.brake.reason, CreditsExhausted)
        assert house.life.accounts.dollars == 0


@pytest.mark.parametrize(
    ("came", "outcome", "dollars"),
    [("intend", "Failed", 0.0), ("begin_post", "Uncertain", 0.015), ("submitted", "Failed", 0.015)],
)
async def test_a_fault_of_ours_is_charged_by_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, came: str, outcome: str, dollars: float
) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        monkeypatch.setattr(house.intake, "pump", lambda: None)
        job, reply = await house.ask(request())
        await house.ledger.intend(job, 0.015)
        if came != "intend":
            await house.ledger.begin_post(job.id)
        if came == "submitted":
            await house.ledger.submitted(job.id, Ticket("p", datetime.now(UTC)))
        assert await house.life.deliver(job.id)
        assert type((await house.store.get(job.id)).outcome).__name__ == outcome
        assert house.life.accounts.pictures(ANNA.key) == 0
        assert house.life.accounts.dollars == pytest.approx(dollars)
    assert reply.closed is not None


async def test_a_prediction_that_another_job_took_is_not_shown_twice(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        other, _ = await house.ask(request("a cat"))
        await house.over(other)
        house.backend.account.paintings.clear()  # the next prediction gets the same id
        job, reply = await house.ask(request())
        record = await house.over(job)
    assert record.outcome == Uncertain()
    assert reply.closed is not None
    assert reply.closed.pictures == ()


# ---- what changes between the question and the answer ----


async def test_what_is_marked_as_a_spoiler_while_it_is_drawn_comes_covered(tmp_path: Path) -> None:
    async with House(tmp_path, PaintedBackend(seconds=60)) as house:
        job, reply = await house.ask(request())
        painting = await house.painting()
        await house.store.mark_spoiler(job.id)
        painting.done.set()
        await house.over(job)
    assert reply.closed is not None
    assert [shown.hidden for shown in reply.closed.pictures] == [True]


async def test_stricter_rules_after_a_restart_hold_for_what_was_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies, reached = dict[str, NotingReply](), asyncio.Event()
    backend = PaintedBackend(fates=(Fate(flags=(Flag.YES,)),))
    async with House(tmp_path, backend, replies=replies) as first:
        monkeypatch.setattr(Life, "_deliver", _never(reached))
        job, reply = await first.ask(request())
        await asyncio.wait_for(reached.wait(), 5)
    monkeypatch.undo()
    async with House(tmp_path, PaintedBackend(), replies=replies, policy=Policy("block")) as second:
        await second.resume()
        await second.runs[job.id]  # the word comes after the job is closed
    assert reply.closed is not None
    assert reply.closed.pictures == ()
    assert len(reply.whispers) == 1


class SlowReply(NotingReply):
    async def close(self, card: Card, keep: Keep | None = None) -> str:
        await asyncio.sleep(0.2)
        return await super().close(card, keep)


async def test_a_slow_line_is_given_more_time_once_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with House(tmp_path, PaintedBackend()) as house:
        monkeypatch.setattr(house.intake, "pump", lambda: None)
        reply = SlowReply(message="m")
        job, _ = await house.ask(request(), reply=reply)
        assert not await house.life.deliver(job.id, 0.05)
        await asyncio.wait_for(house.life.redeliver(job.id), 2)
    assert reply.closed is not None


async def test_an_engine_that_fails_for_a_moment_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.intake.backoff", lambda *_a, **_k: 0.02)
    async with House(tmp_path, PaintedBackend()) as house:
        real, tries = house.run, []

        async def run(job_id: str) -> None:
            tries.append(job_id)
            if len(tries) < 3:
                raise RuntimeError("the engine's database is away")
            await real(job_id)

        monkeypatch.setattr(house.intake, "_run", run)
        job, _ = await house.ask(request())
        assert isinstance((await house.over(job)).outcome, Finished)
    assert tries == [job.id] * 3


async def test_a_commit_whose_answer_was_lost_is_looked_up_and_the_job_goes_on(tmp_path: Path) -> None:
    class Deaf(Store):
        async def accept(self, *given: Any, **more: Any) -> Job | None:
            await super().accept(*given, **more)
            raise sa.exc.OperationalError("COMMIT", {}, Exception("server closed the connection"))

    async with House(tmp_path, PaintedBackend()) as house:
        house.life.store = Deaf(house.database, house.life.gallery.pictures)
        job, reply = await house.ask(request())
        assert isinstance((await house.over(job)).outcome, Finished)
        assert reply.closed
        assert house.backend.posts == 1


async def test_a_commit_that_was_not_made_is_told(tmp_path: Path) -> None:
    class Away(Store):
        async def accept(self, *given: Any, **more: Any) -> Job | None:
            raise sa.exc.OperationalError("INSERT", {}, Exception("server closed the connection"))

    async with House(tmp_path, PaintedBackend()) as house:
        house.life.store = Away(house.database, house.life.gallery.pictures)
        with pytest.raises(TryAgain, match="can't reach its database"):
            await house.ask(request())
        assert house.life.accounts.dollars == 0
