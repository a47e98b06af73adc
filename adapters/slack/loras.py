"""The LoRAs of a modal: one input to search in, one to write in, and both together as one text again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adapters.slack import inputs
from adapters.slack.inputs import Block
from commands import lora_names
from commands.asking import LORA_OPTIONS
from commands.spec import Choice, Command, Option, Options

if TYPE_CHECKING:
    from bot.easel import Easel

SELECT = "lora1"
"""All LoRAs that are chosen by searching stand in one input, named like the first of their options."""
TEXT = "loras"


def searches(command: Command) -> bool:
    """Whether the command's LoRAs are asked in these two inputs."""
    return any(option.name == SELECT and option.suggest for option in command.options)


def select(chosen: Sequence[Choice], easel: Easel) -> Block:
    most = easel.capabilities.max_loras
    element: dict[str, Any] = {
        "type": "multi_external_select",
        "placeholder": inputs.plain("Search by name or style", inputs.MOST_PLACEHOLDER),
        "min_query_length": 0,
        "max_selected_items": most,
    }
    if initial := inputs.choices(chosen):
        element["initial_options"] = initial
    return inputs.block(SELECT, "LoRAs", element, hint=f"Up to {most}. Type a weight behind the name: yarn:0.8")


def text(option: Option, written: str) -> Block:
    element = inputs.text(written, most=inputs.MOST_TYPED, long=False)
    return inputs.block(TEXT, "Other LoRAs, or weights", element, hint=option.description)


def sorted_out(options: Options, easel: Easel) -> tuple[list[Choice], str]:
    """What was typed so far: those of the library to choose from, all else as text."""
    texts = [text for name in LORA_OPTIONS for text in lora_names.split(str(options.get(name) or ""))]
    chosen: dict[str, Choice] = {}
    for text in texts:
        offer = _offered(text, easel)
        if offer and len(chosen) < easel.capabilities.max_loras:
            chosen[text] = offer
    return list(chosen.values()), ", ".join(text for text in texts if text not in chosen)


def together(chosen: Sequence[str], written: Sequence[str], easel: Easel) -> list[str]:
    """What was written about a chosen LoRA is its weight, and counts. Raises BadRequest for what makes no sense."""
    weighed = {_identity(text, easel) for text in written}
    texts = [*(text for text in chosen if _identity(text, easel) not in weighed), *written]
    lora_names.resolve(texts, easel.library, easel.settings.lora_paths, easel.capabilities)
    return texts


def _offered(text: str, easel: Easel) -> Choice | None:
    """The library's own offer for this very text."""
    if easel.library.find(_name(text)) is None:
        return None
    offers = easel.library.search(text)
    return next((Choice(it.label, it.value) for it in offers if it.value.casefold() == text.casefold()), None)


def _identity(text: str, easel: Easel) -> str:
    entry = easel.library.find(_name(text))
    return (entry.path if entry else _name(text)).casefold()


def _name(text: str) -> str:
    """A LoRA as written, without its weight."""
    name, colon, weight = text.rpartition(":")
    return name if colon and not weight.startswith("//") else text
