"""/edit: a new picture from one that the person adds; and the Edit button, which opens a form with the old prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.cards import Field, Form
from bot.images import MAX_PROMPT, Range
from commands import access, delivering, imagine, lora_names
from commands.asking import ask
from commands.spec import Command, Kind, Option, Options, Turn, Where

if TYPE_CHECKING:
    from bot.easel import Easel


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    await delivering.draw(easel, turn, ask(easel, options))


async def open_form(easel: Easel, turn: Turn, options: Options) -> None:
    """The form is the first answer, so only the one row is read before it."""
    record = await access.seen(easel, turn, str(options["job"]))
    request = record.job.request
    loras = ", ".join(lora_names.written(lora, easel.library) for lora in request.loras)
    fields = (
        Field("prompt", "Prompt", request.prompt, long=True, required=True, most=MAX_PROMPT),
        Field("loras", "LoRAs", loras, hint="yarn:0.8, owner/name:0.6"),
        Field("seed", "Seed", hint=f"empty for a new one; it was {request.seed}", most=12),
    )
    await turn.ask(Form("edit", "Edit prompt", record.job.id, fields))


async def run_form(easel: Easel, turn: Turn, options: Options) -> None:
    """What the form doesn't ask stays as it was; an emptied list of LoRAs means none."""
    record = await access.seen(easel, turn, str(options["job"]))
    job = record.job
    asked = ask(easel, {name: value for name, value in options.items() if name != "job"}, base=job.request)
    asked = replace(asked, private=asked.private or job.private, spoiler=asked.spoiler or job.spoiler)
    await delivering.draw(easel, turn, asked)


EDIT = Command(
    "edit",
    "Draw a new picture from one of yours",
    run,
    (
        Option("image", "The picture to start from", Kind.PICTURE, required=True),
        imagine.PROMPT,
        imagine.STRENGTH,
        imagine.MASK,
        imagine.LORA1,
        imagine.LORA2,
        imagine.LORA3,
        imagine.LORAS,
        imagine.SIZE,
        imagine.WIDTH,
        imagine.HEIGHT,
        imagine.COUNT,
        imagine.SEED,
        imagine.STEPS,
        imagine.GUIDANCE,
        imagine.SPOILER,
        imagine.PRIVATE,
    ),
    example="image: (your photo) prompt: as a watercolour --strength 0.6",
)

EDIT_BUTTON = Command("edit", "Edit the prompt and draw again", open_form, where=Where.BUTTON)

EDIT_FORM = Command(
    "edit",
    "Draw with the edited prompt",
    run_form,
    (
        Option("prompt", "The new prompt", required=True, range=lambda easel: Range(1, MAX_PROMPT)),
        Option("loras", "LoRAs by commas"),
        imagine.SEED,
    ),
    where=Where.FORM,
)
