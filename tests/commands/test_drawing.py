"""Facts about asking for a picture: in which order it is answered, and what goes to the model."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot import cards
from bot.errors import BadRequest, CreditsExhausted, EaselError, LimitReached, NotAllowed
from bot.images import Flag, ImageRequest, Size
from bot.jobs import Failed, Uncertain
from bot.ports import DeliveryFailed, Reply
from commands.delivering import closed_on_error
from commands.spec import Attachment, Where
from tests.commands.house import YARN, House, attached, png
from tests.doubles.reply import NotingReply
from tests.doubles.turn import ANNA, BEN, SQUARE, NotingTurn


def refused(turn: NotingTurn) -> str:
    """What the message says in the end."""
    assert turn.reply
    assert turn.reply.closed
    assert turn.reply.closed.title == "That didn't work"
    return turn.reply.closed.lines[0].text


# ---- the order ----


async def test_imagine_is_checked_answered_and_accepted(home: House) -> None:
    turn = await home.imagine(NotingTurn(locale="de"), prompt="a red fox", spoiler=True)
    assert turn.order == ["check", "open", "accept"]
    accepted = home.intake.accepted[0]
    assert accepted["reply"] is turn.reply
    assert accepted["requester"] == ANNA
    assert accepted["place"] == SQUARE
    assert (accepted["delivery_key"], accepted["locale"], accepted["spoiler"]) == ("delivery-1", "de", True)


async def test_attachments_are_read_after_the_answer_and_before_the_acceptance(home: House) -> None:
    turn = NotingTurn()
    size = Size(640, 960)
    image, mask = attached(turn, "photo", png(size)), attached(turn, "mask", png(size, "white"))
    await home.imagine(turn, prompt="a fox", image=image, mask=mask, strength=0.4)
    assert turn.order == ["check", "open", "read", "read", "accept"]
    assert home.asked.size == size
    assert home.asked.strength == 0.4
    assert home.asked.image
    assert home.asked.mask
    assert home.asked.image != home.asked.mask
    assert await home.gallery.source(home.asked.image)


async def test_private_is_private_from_the_first_answer_on(home: House) -> None:
    turn = await home.imagine(prompt="a fox --private")
    assert turn.reply
    assert turn.reply.private
    assert home.intake.accepted[0]["private"]


@pytest.mark.parametrize("options", [{"prompt": "x --sede 7"}, {"prompt": "x", "lora1": "yran"}, {"prompt": " "}])
async def test_a_mistake_is_raised_before_any_answer(home: House, options: dict[str, object]) -> None:
    turn = NotingTurn()
    with pytest.raises(BadRequest):
        await home.imagine(turn, **options)
    assert turn.notes == []


@pytest.mark.parametrize("error", [LimitReached("Enough for today."), CreditsExhausted("No money.")])
async def test_a_limit_is_raised_before_any_answer(home: House, error: EaselError) -> None:
    home.intake.refuses = error
    turn = NotingTurn()
    with pytest.raises(type(error)):
        await home.imagine(turn, prompt="a fox")
    assert turn.order == ["check"]


async def test_missing_permissions_are_named_before_anything_is_paid(home: House) -> None:
    turn = NotingTurn(missing_permissions=("Attach Files", "Embed Links"))
    with pytest.raises(NotAllowed, match=r"I lack Attach Files and Embed Links. Someone who manages this place"):
        await home.imagine(turn, prompt="a fox")
    assert turn.notes == []


async def test_a_late_refusal_closes_the_message(home: House) -> None:
    home.intake.refuses_late = LimitReached("Enough for today.")
    turn = await home.imagine(prompt="a fox")
    assert turn.order == ["check", "open", "accept", "close"]
    assert refused(turn) == "Enough for today."


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"no picture", "no picture that Easel can read"), (png(Size(64, 64))[:120], "seems to be damaged")],
)
async def test_a_broken_picture_closes_the_message_kindly(home: House, data: bytes, said: str) -> None:
    turn = NotingTurn()
    await home.imagine(turn, prompt="a fox", image=attached(turn, "photo", data))
    assert said in refused(turn)
    assert home.intake.accepted == []


async def test_a_mask_of_another_size_closes_the_message_kindly(home: House) -> None:
    turn = NotingTurn()
    image, mask = attached(turn, "photo", png(Size(640, 960))), attached(turn, "mask", png(Size(64, 64)))
    await home.imagine(turn, prompt="a fox", image=image, mask=mask)
    assert "The mask is 64×64" in refused(turn)
    assert home.intake.accepted == []


async def test_an_unexpected_failure_closes_the_message_and_is_raised(home: House) -> None:
    home.intake.refuses_late = RuntimeError("secret detail")
    turn = NotingTurn()
    with pytest.raises(RuntimeError):
        await home.imagine(turn, prompt="a fox")
    assert "on our side" in refused(turn)
    assert "secret" not in refused(turn)


async def test_a_message_that_is_gone_hides_no_other_failure() -> None:
    reply = NotingReply(fails=DeliveryFailed("gone", gone=True))
    async with closed_on_error(reply):
        raise BadRequest("Never mind.")
    assert reply.notes[0][0] == "close"


# ---- /edit ----


async def test_edit_draws_from_the_picture(home: House) -> None:
    turn = NotingTurn()
    image = attached(turn, "photo", png(Size(1200, 800)))
    await home.run("edit", Where.SLASH, turn, image=image, prompt="as a watercolour --strength 0.6")
    assert turn.order == ["check", "open", "read", "accept"]
    assert (home.asked.strength, home.asked.size) == (0.6, Size(1200, 800))


# ---- Re-roll and Retry ----


async def test_reroll_is_the_same_with_a_new_seed_for_whoever_presses(home: House) -> None:
    job = await home.job(loras=(YARN,), steps=20, spoiler=True)
    turn = await home.press("again", job, NotingTurn(BEN))
    assert turn.order == ["check", "open", "accept"]
    assert home.intake.accepted[0]["requester"] == BEN
    assert home.intake.accepted[0]["spoiler"]
    assert (home.asked.prompt, home.asked.loras, home.asked.steps) == ("a fox", (YARN,), 20)
    assert home.asked.seed != job.request.seed


async def test_reroll_of_a_private_job_stays_private(home: House) -> None:
    job = await home.job(private=True)
    turn = await home.press("again", job)
    assert turn.reply
    assert turn.reply.private
    assert home.intake.accepted[0]["private"]


@pytest.mark.parametrize("outcome", [Failed("GenerationFailed", "No."), Uncertain()])
async def test_retry_draws_a_new_seed_so_that_it_is_never_taken_for_the_lost_one(
    home: House, outcome: Failed | Uncertain
) -> None:
    job = await home.job(flags=(), outcome=outcome, count=1)
    await home.press("retry", job)
    assert home.asked.seed != job.request.seed


async def test_reroll_says_when_its_source_was_swept(home: House) -> None:
    job = await home.job(image="gone.png")
    turn = await home.press("again", job)
    assert "not kept any more" in refused(turn)
    assert home.intake.accepted == []


# ---- Edit ----


async def test_edit_opens_a_form_with_the_old_prompt_as_the_first_answer(home: House) -> None:
    job = await home.job(loras=(YARN,), prompt="a fox, yarn art style")
    turn = await home.press("edit", job)
    assert turn.order == ["ask"]
    assert turn.form
    assert (turn.form.verb, turn.form.job) == ("edit", job.id)
    values = {field.name: field.value for field in turn.form.fields}
    assert values == {"prompt": "a fox, yarn art style", "loras": "yarn:0.8", "seed": ""}


async def test_the_edited_prompt_is_drawn_and_the_rest_stays(home: House) -> None:
    job = await home.job(loras=(YARN,), steps=20, private=True, size=Size(768, 1344))
    form = {"job": job.id, "prompt": "a wolf --n 2", "loras": "yarn:0.8"}
    await home.run("edit", Where.FORM, NotingTurn(), **form)
    assert home.asked.prompt == "a wolf, yarn art style"
    assert (home.asked.steps, home.asked.size, home.asked.count, home.asked.loras) == (20, Size(768, 1344), 2, (YARN,))
    assert home.asked.seed != job.request.seed
    assert home.intake.accepted[0]["private"]


async def test_an_emptied_list_of_loras_means_none_and_a_seed_is_kept(home: House) -> None:
    job = await home.job(loras=(YARN,))
    await home.run("edit", Where.FORM, NotingTurn(), job=job.id, prompt="a wolf", seed=11)
    assert home.asked.loras == ()
    assert home.asked.seed == 11


async def test_another_form_cant_be_sent_for_a_private_job(home: House) -> None:
    job = await home.job(private=True)
    with pytest.raises(BadRequest, match="There is no picture"):
        await home.run("edit", Where.FORM, NotingTurn(BEN), job=job.id, prompt="a wolf")


# ---- Vary ----


async def test_vary_draws_from_that_picture(home: House) -> None:
    job = await home.job(flags=(Flag.NO, Flag.NO), size=Size(832, 1216))
    turn = await home.press("vary", job, NotingTurn(BEN), argument=2)
    assert turn.order == ["check", "open", "accept"]
    assert (home.asked.strength, home.asked.size) == (0.6, Size(832, 1216))
    assert home.asked.image
    assert home.asked.mask is None
    assert home.asked.seed != job.request.seed
    assert home.intake.accepted[0]["notes"] == (f"Varied from picture 2 of {job.short}",)


async def test_vary_says_when_the_picture_was_swept(home: House) -> None:
    job = await home.job()
    await home.gallery.discard(job.id)
    turn = NotingTurn()
    with pytest.raises(BadRequest, match="pictures are kept for 30 days"):
        await home.press("vary", job, turn, argument=1)
    assert not turn.answered


# ---- Use as source image ----


async def test_a_strangers_picture_is_kept_in_mind_by_the_form_and_read_when_it_returns(home: House) -> None:
    turn = NotingTurn()
    picture = attached(turn, "https://cdn.example/" + "x" * 300, png(Size(900, 600)))
    await home.run("source", Where.MESSAGE, turn, message="double:77", picture=picture)
    assert turn.order == ["ask"]
    assert turn.form
    assert len(turn.form.job) <= 60
    assert ":" not in turn.form.job

    back = NotingTurn(files=turn.files)
    await home.run("source", Where.FORM, back, job=turn.form.job, prompt="as a wolf", strength=0.5)
    assert back.order == ["check", "open", "read", "accept"]
    assert home.asked.strength == 0.5
    assert home.asked.size == Size(896, 608)
    assert home.asked.image


async def test_a_form_from_before_a_restart_is_answered_kindly(home: House) -> None:
    turn = NotingTurn()
    with pytest.raises(BadRequest, match="choose “Use as source image” again"):
        await home.run("source", Where.FORM, turn, job="held-000000", prompt="as a wolf")
    assert not turn.answered


async def test_one_of_our_own_pictures_is_named_by_its_job(home: House) -> None:
    job = await home.job(flags=(Flag.NO, Flag.NO))
    message = f"double:{job.id}"
    turn = await home.run("source", Where.MESSAGE, NotingTurn(BEN), message=message)
    assert turn.form
    assert turn.form.job == job.id
    assert [field.name for field in turn.form.fields] == ["prompt", "strength", "picture"]

    back = await home.run("source", Where.FORM, NotingTurn(BEN), job=job.id, prompt="a wolf", strength=0.6, picture=2)
    assert back.order == ["check", "open", "accept"]
    assert home.asked.size == job.request.size
    assert home.asked.prompt == "a wolf"


async def test_a_message_without_a_picture_is_said(home: House) -> None:
    with pytest.raises(BadRequest, match="no picture"):
        await home.run("source", Where.MESSAGE, NotingTurn(), message="double:77")


async def test_a_request_never_holds_an_attachments_address(home: House) -> None:
    turn = NotingTurn()
    await home.imagine(turn, prompt="a fox", image=attached(turn, "https://cdn.example/secret", png(Size(640, 640))))
    assert isinstance(home.asked, ImageRequest)
    assert "cdn" not in repr(home.asked)


async def test_a_file_that_cant_be_read_closes_the_message(home: House) -> None:
    turn = NotingTurn()
    await home.imagine(turn, prompt="a fox", image=Attachment("lost", "lost.png", 10))
    assert "can't be read" in refused(turn)


# ---- how long it takes, and the doubles themselves ----


async def test_what_comes_before_the_answer_takes_well_under_50_ms(home: House) -> None:
    from commands.asking import ask

    words = 'a "fox" — it\'s „red“ -- and —quick, ' * 60
    options = {"prompt": f"{words[:1900]} --ar 16:9 --lora yarn:0.8, koda:0.5", "loras": "logo", "seed": 7}
    ask(home.easel, options)
    took = []
    for _ in range(9):
        start = time.thread_time()
        ask(home.easel, options)
        took.append(time.thread_time() - start)
    assert sorted(took)[4] < 0.02


async def test_the_double_keeps_the_guarantees_of_a_reply() -> None:
    reply = NotingReply()
    assert isinstance(reply, Reply)
    await reply.show(cards.notice("one"))
    await reply.close(cards.notice("end"))
    await reply.show(cards.notice("late"))
    assert reply.visible == cards.notice("end")
    assert await reply.close(cards.notice("end")) == "double:1"


async def test_few_pictures_are_handed_in_at_once(home: House) -> None:
    now = 0

    class Reading(NotingTurn):
        async def read(self, attachment: Attachment, *, most: int) -> bytes:
            nonlocal now
            now += 1
            seen.append(now)
            await asyncio.sleep(0.01)
            now -= 1
            return png(Size(512, 512))

    seen: list[int] = []
    await asyncio.gather(
        *(home.run("imagine", Where.SLASH, Reading(), prompt="x", image=Attachment("k", "a.png", 9)) for _ in range(12))
    )
    assert len(home.intake.accepted) == 12
    assert max(seen) == 4
