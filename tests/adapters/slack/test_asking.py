"""From what people do in Slack to the one answer they get, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.images import Size
from tests.adapters.slack.office import Office, office
from tests.commands.house import png


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.chdir(tmp_path)
    async with office(tmp_path) as made:
        yield made


async def test_a_command_ends_in_one_message_with_pictures(it: Office) -> None:
    message = await it.drawn("a red fox --n 2 --seed 7")
    assert len(message.pictures) == 2
    assert "a red fox" in message.text
    assert "🔄 Re-roll" in message.buttons


async def test_a_wrong_flag_is_answered_privately(it: Office) -> None:
    asked = await it.imagine("a red fox --sed 7")
    assert "--seed" in await asked.told()
    assert it.server.by_bot(it.channel) == []


async def test_nothing_typed_opens_the_form_and_it_draws(it: Office) -> None:
    asked = await it.imagine("")
    form = await asked.form()
    await it.server.submit(it.ana, form, {"prompt": "a blue fox", "channel": it.channel})
    message = await it.finished()
    assert "a blue fox" in message.text


async def test_a_mention_in_a_thread_stays_in_the_thread(it: Office) -> None:
    root = it.server.say(it.ana, it.channel, "what do you think?")
    await it.server.mention(it.ana, it.channel, "a red fox", thread=root)
    message = await it.finished()
    assert message.thread_ts == root.ts


async def test_a_picture_in_direct_messages_is_the_source(it: Office) -> None:
    direct = it.server.direct(it.ana)
    await it.server.direct_message(it.ana, "as a watercolour", files={"photo.png": png(Size(64, 64))})
    message = await it.finished(direct)
    assert "as a watercolour" in message.text
    assert it.house.backend.account.posts[-1].request.image


async def test_the_bot_is_not_in_the_channel(it: Office) -> None:
    elsewhere = it.server.channel("elsewhere", it.ana, bot_inside=False)
    asked = await it.imagine("a red fox", channel=elsewhere)
    told = await asked.told()
    assert "/invite @easel" in told
    assert it.house.backend.posts == 0
    await it.server.press(it.ana, asked.answers[-1], "Send it to me directly instead")
    message = await it.finished(it.server.direct(it.ana))
    assert "a red fox" in message.text


async def test_private_is_seen_by_nobody_else(it: Office) -> None:
    await it.imagine("a secret fox --private")
    await it.finished(it.server.direct(it.ana))
    assert it.server.by_bot(it.channel) == []
    assert not any("secret" in each.text for each in it.channel.messages.values())


async def test_words_of_the_catalogue(it: Office) -> None:
    message = await it.drawn("a red fox")
    record = (await it.closed())[0]
    for line, contains in {
        "help": "/imagine history",
        "queue": "Nothing of yours",
        "history": record.job.short,
        "lora list": "yarn",
        "ping": "",
    }.items():
        asked = await it.imagine(line)
        assert contains in await asked.told()
    shown = await it.imagine(f"show {record.job.short}")
    await it.answered(shown, "direct messages")
    await it.finished(it.server.direct(it.ana))
    assert message in it.server.by_bot(it.channel)


async def test_a_busy_channel_gets_its_pictures_without_progress(it: Office) -> None:
    it.server.limits.strict()
    asked = [await it.imagine(f"fox {number}") for number in range(5)]
    await it.server.until(lambda: len(it.server.by_bot(it.channel)) == 5, 30)
    await it.closed()
    assert all(message.pictures for message in it.server.by_bot(it.channel))
    assert any("busy" in text for one in asked for text in one.private)


async def test_a_failure_is_said_where_it_was_asked(it: Office) -> None:
    it.server.fail("chat.postMessage", status=503)
    asked = await it.imagine("a red fox")
    assert "try again" in await asked.told()
    assert it.house.backend.posts == 0


async def test_a_fault_of_ours_says_nothing_of_the_prompt(
    it: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret fox")

    monkeypatch.setattr(it.house.intake, "check", broken)
    asked = await it.imagine("a secret fox")
    assert "reference" in await asked.told()
    assert "secret" not in capsys.readouterr().out


async def test_nothing_that_is_said_is_logged(it: Office, capsys: pytest.CaptureFixture[str]) -> None:
    await it.drawn("a quiet fox")
    await it.imagine("a quiet fox --sed 1")
    await it.server.mention(it.ana, it.channel, "show me the quiet fox --sed 1")
    written = capsys.readouterr().out
    assert "quiet" not in written
    assert it.server.team.token not in written


async def test_a_word_that_lacks_something_opens_its_form(it: Office) -> None:
    form = await (await it.imagine("show")).form()
    assert "Id" in form.text


async def test_a_mention_alone_is_a_cry_for_help(it: Office) -> None:
    asked = await it.server.mention(it.ana, it.channel, "")
    await it.server.until(lambda: any("What you can ask" in each.text for each in it.channel.messages.values()))
    assert asked.failed is None
    assert it.server.by_bot(it.channel) == []


@pytest.mark.parametrize("name", ["photo.heic", "plan.pdf"])
async def test_a_file_that_is_no_picture_is_not_left_aside_and_paid_for(it: Office, name: str) -> None:
    files = {"a.png": png(Size(64, 64)), name: b"something else"}
    asked = await it.server.mention(it.ana, it.channel, "as a watercolour", files=files)
    assert name in await it.answered(asked, "nothing was drawn")
    assert it.house.backend.posts == 0
    assert it.server.by_bot(it.channel) == []
