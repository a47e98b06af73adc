"""What Slack's platform does beyond the contract, way by way, when a message can't be reached or an answer is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from adapters.slack import reply as slack_reply
from adapters.slack import wires
from adapters.slack.api import Holds
from bot.cards import Action, Card, Line, Shown, Style, Tone
from bot.errors import KeyRefused, Unreachable
from bot.ports import DeliveryFailed
from tests.contracts.slack_stage import SlackStage, logged_in, slack_stage
from tests.servers.slack import SlackServer

JOB = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
WORKING = Card("Generating…", tone=Tone.WORKING, actions=(Action("cancel", JOB, "Cancel"),))
END = Card("Done", (Line("a red fox"),), Tone.GOOD)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only as long as a local server needs."""
    monkeypatch.setattr(slack_reply, "SETTLED", 1.0)
    monkeypatch.setattr(wires, "PATIENCE", 0.5)
    monkeypatch.setattr(slack_reply, "PATIENCE", 0.5)


@pytest.fixture
async def stage() -> AsyncIterator[SlackStage]:
    async with slack_stage() as made:
        yield made


def fox(tmp_path: Path, *, count: int = 1, hidden: bool = False) -> Card:
    shown = []
    for index in range(1, count + 1):
        path = tmp_path / f"{JOB}-{index}.png"
        Image.new("RGB", (64, 64), "red").save(path)
        shown.append(Shown(path, index, hidden, "a red fox"))
    return Card("Done", (Line("a red fox", Style.QUOTE),), Tone.GOOD, tuple(shown), (Action("again", JOB, "Re-roll"),))


class Row:
    """The job's row, as far as the address goes."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def keep(self, address: str) -> None:
        self.kept.append(address)


# ---- one message ----


async def test_pictures_take_the_place_of_the_progress(stage: SlackStage, tmp_path: Path) -> None:
    reply = await stage.open()
    await reply.show(WORKING)
    address = await reply.close(fox(tmp_path, count=4))
    (message,) = stage.messages()
    assert len(message.pictures) == 4
    assert message.buttons == ["Re-roll"]
    assert reply.key == f"slack:{stage.channel.id}:{message.ts}"
    assert await stage.platform.reopen(address).close(fox(tmp_path, count=4)) == address
    assert len(stage.messages()) == 1


async def test_in_a_thread_all_of_it_stays_in_the_thread(stage: SlackStage, tmp_path: Path) -> None:
    root = stage.server.say(stage.ana, stage.channel, "look")
    reply = await stage.open(thread=root)
    (progress,) = stage.messages()
    assert progress.thread_ts == root.ts
    await reply.close(fox(tmp_path))
    (message,) = stage.messages()
    assert message.thread_ts == root.ts
    assert message.pictures


async def test_a_private_one_grows_in_direct_messages(stage: SlackStage, tmp_path: Path) -> None:
    reply = await stage.open(private=True)
    assert not reply.public
    await reply.close(fox(tmp_path))
    assert stage.messages(stage.channel) == []
    (message,) = stage.messages(stage.server.direct(stage.ana))
    assert message.pictures


async def test_a_covered_picture_is_a_blur_with_a_button(stage: SlackStage, tmp_path: Path) -> None:
    reply = await stage.open()
    await reply.close(fox(tmp_path, hidden=True))
    (message,) = stage.messages()
    assert message.pictures[0].data.startswith(b"\xff\xd8\xff")
    assert message.buttons == ["Re-roll", "👁️ Send me the original"]


async def test_webp_comes_as_png(stage: SlackStage, tmp_path: Path) -> None:
    path = tmp_path / f"{JOB}-1.webp"
    Image.new("RGB", (64, 64), "red").save(path)
    reply = await stage.open()
    await reply.close(Card("Done", pictures=(Shown(path, 1, False, "a fox"),)))
    (message,) = stage.messages()
    assert message.pictures[0].data.startswith(b"\x89PNG")


# ---- progress ----


async def test_seconds_alone_are_no_edit(stage: SlackStage) -> None:
    reply = await stage.open()
    for second in range(5):
        await reply.show(Card(f"Generating… {second} s (usually 8 s)"))
    (message,) = stage.messages()
    assert message.edits == 1


async def test_one_edit_is_in_flight_and_the_newest_wins(stage: SlackStage) -> None:
    reply = await stage.open()
    stage.server.fail("chat.update", delay=0.2, times=1)
    showing = []
    for number in range(1, 6):
        showing.append(asyncio.create_task(reply.show(Card(f"Step {number}"))))
        await asyncio.sleep(0)
    await reply.close(END)
    await asyncio.gather(*showing)
    (message,) = stage.messages()
    assert [edit.text.split("\n")[0] for edit in message.history] == ["Step 1", "Done"]


async def test_the_end_is_admitted_when_progress_is_not(stage: SlackStage) -> None:
    replies = [await stage.open(channel=stage.server.channel(f"c{number}", stage.ana)) for number in range(40)]
    for reply in replies:
        await reply.show(WORKING)
    assert stage.server.requests["chat.update"] == 30
    await replies[-1].close(END)
    assert stage.messages()[-1].text.startswith("Done")
    assert not stage.server.limits.refused["chat.update"]


async def test_a_rate_limit_of_the_end_is_told_with_its_seconds(stage: SlackStage) -> None:
    reply = await stage.open()
    stage.server.fail("chat.update", status=429, retry_after=30)
    with pytest.raises(DeliveryFailed) as failed:
        await reply.close(END)
    assert failed.value.retry_after == 30
    with pytest.raises(DeliveryFailed) as again:  # Slack isn't even asked before the time is over
        await reply.close(END)
    assert 25 < (again.value.retry_after or 0) <= 30
    assert stage.server.requests["chat.update"] == 1
    stage.platform._wires.api._holds = Holds()
    await reply.close(END)
    assert stage.seen() == ["Done"]


# ---- when the place is closed ----


async def test_a_deleted_message_comes_anew(stage: SlackStage) -> None:
    reply = await stage.open()
    stage.server.remove(stage.messages()[0])
    address = await reply.close(END)
    assert stage.seen() == ["Done"]
    await stage.platform.reopen(address).close(END)
    assert stage.seen() == ["Done"]


@pytest.mark.parametrize(("way", "pictures"), [("gone", 0), ("archived", 0), ("gone", 1), ("archived", 1), ("left", 1)])
async def test_it_ends_in_direct_messages(stage: SlackStage, tmp_path: Path, way: str, pictures: int) -> None:
    reply = await stage.open()
    match way:
        case "gone":
            stage.channel.gone = True
        case "archived":
            stage.channel.archived = True
        case _:
            stage.channel.bot_inside = False
    await reply.close(fox(tmp_path) if pictures else END)
    (message,) = stage.messages(stage.server.direct(stage.ana))
    assert len(message.pictures) == pictures
    assert not reply.public


async def test_a_revoked_token_is_the_end(stage: SlackStage) -> None:
    reply = await stage.open()
    assert stage.server.team.install
    stage.server.team.install.revoked = True
    with pytest.raises(DeliveryFailed) as failed:
        await reply.close(END)
    assert failed.value.gone


# ---- when an answer is lost, or the process ----


async def test_a_lost_answer_to_the_completion_is_no_second_message(stage: SlackStage, tmp_path: Path) -> None:
    reply = await stage.open()
    stage.server.fail("files.completeUploadExternal", status=500, after=True)
    await reply.close(fox(tmp_path))
    (message,) = stage.messages()
    assert message.pictures
    assert stage.server.requests["files.completeUploadExternal"] == 1


async def test_pictures_that_were_shown_nowhere_are_uploaded_anew(stage: SlackStage, tmp_path: Path) -> None:
    stage.server.lost_shares = 1
    reply = await stage.open()
    await reply.close(fox(tmp_path))
    (message,) = stage.messages()
    assert len(message.pictures) == 1
    assert [file.deleted for file in stage.server.files.values()] == [True, False]


async def test_a_slow_slack_is_waited_for_ever_longer(stage: SlackStage, tmp_path: Path) -> None:
    stage.server.share_delay = 2.0
    reply = await stage.open()
    await reply.close(fox(tmp_path))
    assert len([message for message in stage.messages() if message.pictures]) == 1
    assert stage.server.requests["files.completeUploadExternal"] == 2


async def test_pictures_that_slack_never_shows_end_in_words(
    stage: SlackStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_reply, "MOST_UPLOADS", 2)
    monkeypatch.setattr(slack_reply, "MOST_SETTLED", 1.0)
    stage.server.lost_shares = 100
    row = Row()
    reply = await stage.open()
    with pytest.raises(DeliveryFailed) as failed:
        await reply.close(fox(tmp_path), row.keep)
    assert not failed.value.gone
    again = (await stage.restart()).reopen(row.kept[-1])
    await again.close(fox(tmp_path), row.keep)
    (message,) = stage.messages()
    assert "/imagine show" in message.text
    assert stage.server.requests["files.completeUploadExternal"] == 2


async def test_no_alternative_text_goes_along(stage: SlackStage, tmp_path: Path) -> None:
    stage.server.alt_text_loses_shares = True
    reply = await stage.open()
    await reply.close(fox(tmp_path))
    assert stage.server.requests["files.completeUploadExternal"] == 1
    assert [file.title for file in stage.server.files.values()] == ["a red fox"]


async def test_a_crash_before_the_completion(stage: SlackStage, tmp_path: Path) -> None:
    row = Row()
    reply = await stage.open()
    stage.server.fail("files.completeUploadExternal", status=429, retry_after=30)
    with pytest.raises(DeliveryFailed):
        await reply.close(fox(tmp_path), row.keep)
    again = (await stage.restart()).reopen(row.kept[0])  # as it was kept before the completion was asked for
    await again.close(fox(tmp_path), row.keep)
    (message,) = stage.messages()
    assert message.pictures
    assert stage.server.requests["files.completeUploadExternal"] == 2


async def test_a_crash_after_the_completion(stage: SlackStage, tmp_path: Path) -> None:
    row = Row()
    stage.server.share_delay = 0.3
    reply = await stage.open()
    closing = asyncio.create_task(reply.close(fox(tmp_path), row.keep))
    await stage.server.until(lambda: stage.server.requests["files.completeUploadExternal"])
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    again = (await stage.restart()).reopen(row.kept[-1])
    await again.close(fox(tmp_path), row.keep)
    (message,) = stage.messages()
    assert again.key == f"slack:{stage.channel.id}:{message.ts}"
    assert stage.server.requests["files.completeUploadExternal"] == 1


async def test_a_delivery_that_is_given_up_leaves_the_completion_on_the_wire(stage: SlackStage, tmp_path: Path) -> None:
    row = Row()
    reply = await stage.open()
    stage.server.fail("files.completeUploadExternal", delay=0.4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reply.close(fox(tmp_path), row.keep)
    await stage.platform.reopen(row.kept[-1]).close(fox(tmp_path), row.keep)
    assert len(stage.messages()) == 1
    assert stage.server.requests["files.completeUploadExternal"] == 1


async def test_the_address_has_no_token(stage: SlackStage, tmp_path: Path) -> None:
    row = Row()
    reply = await stage.open()
    row.kept.append(reply.address)
    row.kept.append(await reply.close(fox(tmp_path), row.keep))
    assert not [address for address in row.kept if stage.server.team.token in address]


# ---- logging in ----


async def test_refused_tokens_and_a_slack_that_is_down() -> None:
    async with SlackServer() as server:
        for name in ("bot_token", "app_token"):
            with pytest.raises(KeyRefused, match=f"SLACK_{name.upper()}"):
                await logged_in(server, **{name: SecretStr("xoxb-wrong")})
        server.refusing = True
        with pytest.raises(Unreachable):
            await logged_in(server)


async def test_an_answer_without_progress_is_still_one_message(stage: SlackStage) -> None:
    """In a busy channel there is no message that grows; two ends of the same job from an old row must not be two."""
    stage.platform._wires.lanes[stage.channel.id].pause(time.monotonic(), 60.0)
    reply = await stage.open()
    assert stage.seen() == []
    assert stage.whispers() == ["Queued"]
    stage.platform._wires.lanes[stage.channel.id]._next = 0.0
    address = reply.address
    await reply.close(END)
    await stage.platform.reopen(address).close(Card("Cancelled"))
    assert stage.seen() == ["Cancelled"]
