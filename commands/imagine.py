"""/imagine: a picture from words, and from a picture if one is added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.images import MAX_PROMPT, Range
from commands import delivering
from commands.asking import ask
from commands.sizes import NAMED
from commands.spec import Choice, Command, Kind, Option, Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel

ROOM_FOR_FLAGS = 500
"""Characters beyond the prompt's own cap, so that its flags don't count against it."""


async def run(easel: Easel, turn: Turn, options: Options) -> None:
    await delivering.draw(easel, turn, ask(easel, options))


def suggest_lora(easel: Easel, text: str) -> list[Choice]:
    """From memory; keeps the weight that was typed (`yarn:0.8`)."""
    return [Choice(offer.label, offer.value) for offer in easel.library.search(text)]


def _prompt_range(easel: Easel) -> Range:
    return Range(1, MAX_PROMPT + ROOM_FOR_FLAGS)


PROMPT = Option(
    "prompt",
    "What the picture shows. Flags work too: a red fox --ar 16:9 --seed 7",
    required=True,
    range=_prompt_range,
)
LORA1 = Option("lora1", "A LoRA, e.g. yarn or yarn:0.8", suggest=suggest_lora)
LORA2 = Option("lora2", "A second LoRA", suggest=suggest_lora)
LORA3 = Option("lora3", "A third LoRA", suggest=suggest_lora)
LORAS = Option("loras", "LoRAs as text, by commas: yarn:0.8, owner/name:0.6")
SIZE = Option(
    "size",
    "The picture's shape; or give width and height",
    choices=tuple(Choice(f"{name.capitalize()} {size}", f"{size.width}x{size.height}") for name, size in NAMED.items()),
)
WIDTH = Option("width", "Pixels from left to right", Kind.INTEGER, range=lambda easel: easel.capabilities.side)
HEIGHT = Option("height", "Pixels from top to bottom", Kind.INTEGER, range=lambda easel: easel.capabilities.side)
COUNT = Option(
    "count",
    "How many pictures",
    Kind.INTEGER,
    range=lambda easel: Range(1, easel.capabilities.max_count),
)
SEED = Option(
    "seed",
    "A number; the same one gives the same picture again",
    Kind.INTEGER,
    range=lambda easel: Range(0, easel.capabilities.max_seed),
)
STEPS = Option(
    "steps",
    "More are finer and slower",
    Kind.INTEGER,
    range=lambda easel: easel.capabilities.steps,
)
GUIDANCE = Option(
    "guidance",
    "How closely the prompt is followed",
    Kind.NUMBER,
    range=lambda easel: easel.capabilities.guidance,
)
IMAGE = Option("image", "A picture to start from", Kind.PICTURE)
MASK = Option("mask", "With an image: white is redrawn, black is kept", Kind.PICTURE)
STRENGTH = Option(
    "strength",
    "With an image: how far it is left behind; 0 keeps it, 1 ignores it",
    Kind.NUMBER,
    range=lambda easel: easel.capabilities.strength,
)
SPOILER = Option("spoiler", "Cover the picture until someone clicks on it", Kind.BOOLEAN)
PRIVATE = Option("private", "Only you see the picture", Kind.BOOLEAN)

IMAGINE = Command(
    "imagine",
    "Draw a picture from your words",
    run,
    (
        PROMPT,
        LORA1,
        LORA2,
        LORA3,
        LORAS,
        SIZE,
        WIDTH,
        HEIGHT,
        COUNT,
        SEED,
        STEPS,
        GUIDANCE,
        IMAGE,
        MASK,
        STRENGTH,
        SPOILER,
        PRIVATE,
    ),
    example="a red fox in the snow --ar 16:9 --lora yarn:0.8",
)
