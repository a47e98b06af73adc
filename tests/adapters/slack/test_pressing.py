"""Buttons, forms, shortcuts and the App Home, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.slack.names import CREATE, DETAILS, SPOILER, USE_AS_SOURCE
from bot.guard import Policy
from bot.images import Flag
from tests.adapters.slack.office import Office, office
from tests.doubles.backend import Fate, PaintedBackend

FLAGGED = {"nude": Fate(flags=(Flag.YES,)), "slow": Fate(seconds=60)}


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.chdir(tmp_path)
    async with office(tmp_path, PaintedBackend(by_prompt=FLAGGED)) as made:
        yield made


# ---- buttons ----


async def test_reroll_is_a_message_of_its_own(it: Office) -> None:
    message = await it.drawn("a red fox")
    await it.server.press(it.ben, message, "🔄 Re-roll")
    again = await it.finished(count=2)
    assert again is not message


async def test_edit_opens_the_form_filled_in(it: Office) -> None:
    message = await it.drawn("a red fox")
    asked = await it.server.press(it.ana, message, "✏️ Edit prompt")
    form = await asked.form()
    assert it.server.value(form, "prompt") == "a red fox"
    await it.server.submit(it.ana, form, {"prompt": "a blue fox"})
    assert "a blue fox" in (await it.finished(count=2)).text


async def test_what_is_wrong_stands_at_its_field(it: Office) -> None:
    message = await it.drawn("a red fox")
    form = await (await it.server.press(it.ana, message, "✏️ Edit prompt")).form()
    sent = await it.server.submit(it.ana, form, {"prompt": "a blue fox --sed 7"})
    assert "--seed" in sent.errors["prompt"]
    assert form.open
    assert it.server.value(form, "prompt") == "a blue fox --sed 7"


async def test_delete_takes_message_and_files(it: Office) -> None:
    message = await it.drawn("a red fox")
    refused = await it.server.press(it.ben, message, "🗑️ Delete")
    assert "Only ana" in await refused.told()
    asked = await it.server.press(it.ana, message, "🗑️ Delete")
    assert "Deleted" in await it.answered(asked, "Deleted")
    assert it.server.by_bot(it.channel) == []
    assert all(file.deleted for file in it.server.files.values())


async def test_an_admin_may_delete_what_others_asked_for(it: Office) -> None:
    message = await it.drawn("a red fox")
    it.ben.admin = True
    asked = await it.server.press(it.ben, message, "🗑️ Delete")
    await it.answered(asked, "Deleted")
    assert it.server.by_bot(it.channel) == []


async def test_cancel_while_it_runs(it: Office) -> None:
    await it.imagine("a slow fox")
    await it.server.until(
        lambda: it.server.by_bot(it.channel) and "❌ Cancel" in it.server.by_bot(it.channel)[0].buttons
    )
    asked = await it.server.press(it.ana, it.server.by_bot(it.channel)[0], "❌ Cancel")
    await it.answered(asked, "Cancelled")
    (message,) = it.server.by_bot(it.channel)
    assert message.text.startswith("Cancelled")


async def test_details_are_for_the_one_who_presses(it: Office) -> None:
    message = await it.drawn("a red fox --seed 7")
    asked = await it.server.press(it.ben, message, "ℹ️ Details")
    assert "seed 7" in await asked.told()


# ---- covered ----


async def test_in_a_thread_a_private_word_stays_in_the_thread(it: Office) -> None:
    root = it.server.say(it.ana, it.channel, "what shall we draw?")
    await it.server.mention(it.ana, it.channel, "a red fox", thread=root)
    await it.server.until(lambda: any(each.pictures for each in it.server.thread(root)))
    await it.closed()
    message = next(each for each in it.server.thread(root) if each.pictures)
    asked = await it.server.press(it.ana, message, "ℹ️ Details")
    await it.answered(asked, "Details of")
    assert [each.thread_ts for each in asked.answers] == [root.ts]


async def test_a_flagged_picture_is_blurred_and_the_original_comes_directly(it: Office) -> None:
    message = await it.drawn("a nude fox")
    preview = message.pictures[0].data
    asked = await it.server.press(it.ben, message, "👁️ Send me the original")
    await it.answered(asked, "direct messages")
    original = await it.finished(it.server.direct(it.ben))
    assert original.pictures[0].data.startswith(b"\x89PNG")
    assert preview.startswith(b"\xff\xd8\xff")
    assert it.server.by_bot(it.channel) == [message]


async def test_mark_as_spoiler_puts_a_covered_one_in_its_place(it: Office) -> None:
    message = await it.drawn("a red fox")
    asked = await it.server.message_shortcut(it.ana, message, SPOILER)
    await it.answered(asked, "Covered")
    (covered,) = it.server.by_bot(it.channel)
    assert covered is not message
    assert "👁️ Send me the original" in covered.buttons
    assert message.files[0].deleted
    asked = await it.server.press(it.ana, covered, "🗑️ Delete")
    await it.answered(asked, "Deleted")
    assert it.server.by_bot(it.channel) == []


async def test_marked_twice_at_once_one_message_is_left(it: Office) -> None:
    message = await it.drawn("a red fox")
    asked = await asyncio.gather(*(it.server.message_shortcut(it.ana, message, SPOILER) for _ in range(2)))
    for each in asked:
        await it.answered(each, "Covered")
    (covered,) = it.server.by_bot(it.channel)
    assert "👁️ Send me the original" in covered.buttons


async def test_marked_while_it_is_being_posted_one_message_is_left(it: Office) -> None:
    it.server.fail("chat.delete", delay=0.5)  # the pictures are seen, and their delivery isn't over
    await it.imagine("a red fox")
    await it.server.until(lambda: any(each.pictures for each in it.server.by_bot(it.channel)))
    message = next(each for each in it.server.by_bot(it.channel) if each.pictures)
    asked = await it.server.message_shortcut(it.ana, message, SPOILER)
    await it.answered(asked, "Covered")
    covered = await it.finished()
    assert "👁️ Send me the original" in covered.buttons


async def test_withheld_is_told_privately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with office(tmp_path, PaintedBackend(by_prompt=FLAGGED), policy=Policy("block")) as it:
        asked = await it.imagine("a nude fox")
        await it.server.until(lambda: len([each for each in it.channel.messages.values() if each.only_for]) == 1)
        (message,) = it.server.by_bot(it.channel)
        assert message.pictures == []
        assert asked.failed is None


# ---- shortcuts ----


async def test_the_global_shortcut_draws_for_direct_messages(it: Office) -> None:
    form = await (await it.server.shortcut(it.ana, CREATE)).form()
    await it.server.submit(it.ana, form, {"prompt": "a red fox"})
    await it.finished(it.server.direct(it.ana))


async def test_details_and_source_on_a_message(it: Office) -> None:
    message = await it.drawn("a red fox --seed 7")
    asked = await it.server.message_shortcut(it.ben, message, DETAILS)
    assert "seed 7" in await asked.told()
    form = await (await it.server.message_shortcut(it.ben, message, USE_AS_SOURCE)).form()
    await it.server.submit(it.ben, form, {"prompt": "in winter"})
    assert "in winter" in (await it.finished(count=2)).text
    assert it.house.backend.account.posts[-1].request.image


async def test_anybodys_picture_is_a_source(it: Office) -> None:
    from bot.images import Size
    from tests.commands.house import png

    message = it.server.upload(it.ben, it.channel, "photo.png", png(Size(64, 64)))
    form = await (await it.server.message_shortcut(it.ana, message, USE_AS_SOURCE)).form()
    await it.server.submit(it.ana, form, {"prompt": "in winter"})
    await it.finished()
    assert it.house.backend.account.posts[-1].request.image


# ---- App Home ----


async def test_an_open_home_follows_what_its_person_does(it: Office) -> None:
    await it.server.open_home(it.ana)
    await it.server.until(lambda: it.ana.home)
    await it.drawn("a red fox")
    await it.server.until(lambda: it.ana.home and "a red fox" in it.ana.home.text)


async def test_the_home_shows_and_cancels_what_runs(it: Office) -> None:
    await it.imagine("a slow fox")
    await it.server.until(lambda: it.server.by_bot(it.channel))
    await it.server.open_home(it.ana)
    await it.server.until(lambda: it.ana.home and "a slow fox" in it.ana.home.text)
    assert it.ana.home
    button = next(label for label in it.ana.home.buttons if "Cancel" in label)
    await it.server.press(it.ana, it.ana.home, button)
    await it.server.until(lambda: it.ana.home and "a slow fox" not in it.ana.home.text.split("Your")[0])
    (message,) = it.server.by_bot(it.channel)
    await it.server.until(lambda: message.text.startswith("Cancelled"))
