"""Mark as spoiler: cover the pictures of a message, for whoever asked for them and for moderators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.errors import BadRequest
from commands import access
from commands.delivering import closed_on_error, posted
from commands.spec import Command, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        record = await access.of_message(easel, options)
        if record is None or not access.within_reach(record, turn):
            raise BadRequest("I can only cover my own pictures, and that isn't one of them.")
        access.check_may_remove(record, turn, what="cover it")
        # Marked first: what comes, or is shown again, is covered whatever becomes of the message.
        await easel.store.mark_spoiler(record.job.id)
        record = await easel.store.get(record.job.id)
        if record.outcome is None:
            await reply.close(cards.notice("Marked", "The pictures come behind a spoiler."))
            return
        await turn.hide((await posted(easel, record)).message_key or str(options["message"]))
        await reply.close(cards.notice("Covered", "The pictures are behind a spoiler now."))


SPOILER = Command(
    "spoiler",
    "Cover the pictures of this message",
    run,
    where=Where.MESSAGE,
    title="Mark as spoiler",
)
