"""The App Home: what a person has running, their last pictures, the LoRAs there are, and a short help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from adapters.slack import render
from adapters.slack.names import COMMAND, OPEN
from adapters.slack.render import Block
from bot.cards import Action, shorten
from commands import history, queue

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.intake import QueueView
    from bot.jobs import Requester
    from bot.library import Entry
    from bot.store import Record

RUNNING = 10
PICTURES = 8
LORAS = 40
LORAS_IN_A_SECTION = 20
MOST_BLOCKS = 100
"""Of a view (docs.slack.dev/reference/views)."""
MOST_SECTION = 3000
MOST_PROMPT = 150
MOST_ABOUT = 120


async def view(easel: Easel, requester: Requester) -> dict[str, Any]:
    """One person's own page, for views.publish. It reads the database once."""
    records = await easel.store.history(requester, limit=PICTURES + RUNNING)
    over = [record for record in records if record.outcome is not None][:PICTURES]
    blocks = [
        *_start(easel),
        *_running(await easel.intake.queue(requester)),
        *_pictures(over),
        *_loras(easel.library.entries),
        *_help(easel),
    ]
    return {"type": "home", "blocks": blocks[:MOST_BLOCKS]}


def _start(easel: Easel) -> Iterator[Block]:
    yield _header("Easel")
    yield _section(f"Say what you want to see, and {easel.capabilities.model} draws it.")
    create = render.button(Action(OPEN, "", "Create an image", "🎨")) | {"style": "primary"}
    yield {"type": "actions", "elements": [create]}


def _running(found: QueueView) -> Iterator[Block]:
    yield _header("Under way")
    for number, (job, now) in enumerate(found.mine[:RUNNING]):
        cancel = render.button(Action("cancel", job.id, "Cancel", "❌"), number)
        yield _section(f"{queue.doing(now).capitalize()}\n{_line(job.request.prompt)}", cancel)
    if not found.mine:
        yield _section("Nothing of yours is waiting or running.")
    if len(found.mine) > RUNNING:
        yield _small(f"and {len(found.mine) - RUNNING} more; {COMMAND} queue shows them")


def _pictures(records: Sequence[Record]) -> Iterator[Block]:
    yield _header("Your last pictures")
    for record in records:
        job = record.job
        yield _section(
            f"{job.short} · {job.created_at:%d %b %H:%M} UTC · {history.state(record)}\n{_line(job.request.prompt)}"
        )
        actions = (Action("again", job.id, "Re-roll", "🔄"), Action("details", job.id, "Details", "ℹ️"))
        yield {"type": "actions", "elements": [render.button(it, number) for number, it in enumerate(actions)]}
    if records:
        yield _small(f"{COMMAND} show and an id shows a picture again; {COMMAND} history lists all.")
    else:
        yield _section("There are none yet.")


def _loras(entries: Sequence[Entry]) -> Iterator[Block]:
    if not entries:
        return
    yield _header("LoRAs")
    for start in range(0, min(len(entries), LORAS), LORAS_IN_A_SECTION):
        listed = entries[start : min(start + LORAS_IN_A_SECTION, LORAS)]
        yield _section("\n".join(_about(entry) for entry in listed))
    more = f"and {len(entries) - LORAS} more; " if len(entries) > LORAS else ""
    yield _small(f"{more}{COMMAND} lora list searches them. In a prompt: a red fox --lora {entries[0].name}:0.8")


def _about(entry: Entry) -> str:
    told = " · ".join(part for part in (", ".join(entry.triggers), entry.description) if part)
    return shorten(f"{entry.name} — {told}" if told else entry.name, MOST_ABOUT)


def _help(easel: Easel) -> Iterator[Block]:
    settings, model = easel.settings, easel.capabilities
    yield _header("How to ask")
    yield _section(
        f"{COMMAND} a red fox in the snow --ar 16:9 --n 2\n"
        f"{COMMAND} alone opens the form; {COMMAND} help lists everything.\n"
        "In a thread, mention me with what you want to see; here under Messages, just write it.\n"
        "On any picture: More actions → Use as source image."
    )
    yield _small(
        f"Each person: {settings.limit_per_person} at once, {settings.limit_per_day} pictures in 24 hours. "
        f"{model.side.low:g} to {model.side.high:g} pixels a side, up to {model.max_count} pictures and "
        f"{model.max_loras} LoRAs. Pictures are kept for {settings.pictures_days} days."
    )


def _line(prompt: str) -> str:
    return shorten(" ".join(prompt.split()), MOST_PROMPT)


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain(text)}


def _section(text: str, accessory: Block | None = None) -> Block:
    made: Block = {"type": "section", "text": _plain(text)}
    return made | {"accessory": accessory} if accessory else made


def _small(text: str) -> Block:
    return {"type": "context", "elements": [_plain(text)]}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": shorten(text, MOST_SECTION), "emoji": False}
