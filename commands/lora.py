"""/lora list and /lora info: the library, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.cards import Card, Line, Style
from bot.library import Entry, shortened
from commands.grammar import number_text
from commands.imagine import suggest_lora
from commands.lora_names import unknown
from commands.spec import Command, Kind, Option, Options, Turn

if TYPE_CHECKING:
    from bot.easel import Easel

PAGE = 15

_OTHERS = {
    "library": "Only these can be used here.",
    "huggingface": "Any public FLUX.1 [dev] LoRA on Hugging Face works too: owner/name.",
    "any": "Any public FLUX.1 [dev] LoRA works too: owner/name on Hugging Face, or an https address.",
}


async def run_list(easel: Easel, turn: Turn, options: Options) -> None:
    await turn.tell(list_card(easel, str(options.get("search") or ""), int(str(options.get("page") or 1))))


async def run_info(easel: Easel, turn: Turn, options: Options) -> None:
    name = str(options["name"]).partition(":")[0]
    entry = easel.library.find(name)
    if entry is None:
        raise unknown(name, easel.library)
    await turn.tell(info_card(entry))


def list_card(easel: Easel, text: str, page: int) -> Card:
    """A page beyond the last is the last."""
    entries = easel.library.matching(text)
    others = Line(_OTHERS[easel.settings.lora_paths], Style.SMALL)
    if not entries:
        told = f"None has “{text[:60]}” in its name, trigger words or description." if text else "The list is empty."
        return Card("LoRAs", (Line(told), others))
    pages = -(-len(entries) // PAGE)
    page = min(max(page, 1), pages)
    lines = [Line(_line(entry)) for entry in entries[(page - 1) * PAGE : page * PAGE]]
    if page < pages:
        lines.append(Line(f"Page {page} of {pages}; go on with page: {page + 1}", Style.SMALL))
    lines.append(Line("Use one with lora1, or in the prompt: --lora yarn:0.8. The number is its weight.", Style.SMALL))
    return Card("LoRAs", (*lines, others))


def _line(entry: Entry) -> str:
    return shortened(f"{entry.name} — {entry.description}" if entry.description else entry.name, 120)


def info_card(entry: Entry) -> Card:
    facts = (
        f"Trigger words: {', '.join(entry.triggers)} (added when you leave them out)" if entry.triggers else "",
        f"Weight when you give none: {number_text(entry.scale)}",
        f"Path: {entry.path}",
        f"Licence: {entry.licence}" if entry.licence else "",
        entry.link,
    )
    described = (Line(entry.description),) if entry.description else ()
    example = Line(f"/imagine a red fox --lora {entry.name}:{number_text(entry.scale)}", Style.CODE)
    return Card(entry.name, (*described, *(Line(fact) for fact in facts if fact), example))


LORA_LIST = Command(
    "lora list",
    "The LoRAs that can be used by name",
    run_list,
    (
        Option("search", "Words in name, trigger words or description"),
        Option("page", "Which page", Kind.INTEGER),
    ),
)
LORA_INFO = Command(
    "lora info",
    "What one LoRA does, and its trigger words",
    run_info,
    (Option("name", "Its name, e.g. yarn", required=True, suggest=suggest_lora, word=True),),
    example="yarn",
)
