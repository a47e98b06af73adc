"""Re-roll and Retry: the same once more, with a new seed, for whoever presses.

Retry draws a new seed too: a job that got lost is looked for at the API by its seed and prompt, and the new one must
never be taken for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands import access, delivering
from commands.asking import Asked, once_more
from commands.spec import Command, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    record = await access.seen(easel, turn, str(options["job"]))
    job = record.job
    asked = Asked(once_more(easel, job.request), private=job.private, spoiler=job.spoiler)
    await delivering.draw(easel, turn, asked)


AGAIN = Command("again", "Draw the same with a new seed", run, where=Where.BUTTON)
RETRY = Command("retry", "Try a lost job again", run, where=Where.BUTTON)
