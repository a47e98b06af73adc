"""Delete: message and files go; what was paid stays in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot import cards
from bot.errors import BadRequest, NotAllowed
from commands import access
from commands.delivering import closed_on_error, posted
from commands.spec import Command, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    reply = await turn.open(private=True, brief=True)
    async with closed_on_error(reply):
        record = await access.own_or_moderated(easel, turn, str(options["job"]), what="delete it")
        job = record.job
        if record.outcome is None:  # a message that shows the end may be pressed before we hear that it is out
            raise BadRequest(f"{job.short} is still under way. Stop it first, with Cancel.")
        job = (await posted(easel, record)).job
        # The files first: whatever becomes of the message, nothing can show the picture again.
        await easel.gallery.discard(job.id)
        await easel.store.mark_deleted(job.id)
        try:
            await turn.remove(job.address)
        except NotAllowed as error:
            await reply.close(cards.notice("The files are deleted", f"The message could not be removed: {error}"))
            return
        await reply.close(cards.notice("Deleted", f"{job.short} is gone, message and files."))


DELETE = Command("delete", "Delete the message and its pictures", run, where=Where.BUTTON)
