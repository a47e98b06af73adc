"""What is said → what the page reads: cards, messages, pictures and commands as JSON. Pure, and nothing in it is markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.web.people import Person
from bot import cards
from bot.cards import Card, Form, Shown
from bot.guard import Showing
from bot.images import Capabilities, Picture, Range, Size
from bot.jobs import Job
from bot.store import Record
from commands.asking import flags_of
from commands.grammar import FLAGS, render
from commands.spec import Choice, Command, Option, Where

if TYPE_CHECKING:
    from bot.easel import Easel

Json = dict[str, Any]
Sizes = Mapping[Path, Size]


def card_json(card: Card, sizes: Sizes | None = None) -> Json:
    """`sizes` are those of the pictures on it, where they are known."""
    return {
        "title": card.title,
        "tone": card.tone.value,
        "lines": [{"text": line.text, "style": line.style.value} for line in card.lines],
        "pictures": [_shown(shown, (sizes or {}).get(shown.path)) for shown in card.pictures],
        "actions": [
            {
                "verb": action.verb,
                "job": action.job,
                "label": action.label,
                "emoji": action.emoji,
                "argument": action.argument,
                "danger": action.danger,
            }
            for action in card.actions
        ],
    }


def sizes_of(pictures: Iterable[Picture]) -> Sizes:
    return {picture.path: picture.size for picture in pictures}


def jobs_on(card: Card) -> set[str]:
    """The jobs whose pictures are on a card."""
    return {_job_of(shown.path) for shown in card.pictures}


def _shown(shown: Shown, size: Size | None) -> Json:
    return {
        **_addresses(_job_of(shown.path), shown.index),
        "index": shown.index,
        "width": size.width if size else None,
        "height": size.height if size else None,
        "hidden": shown.hidden,
        "alt": shown.alt,
    }


def _job_of(path: Path) -> str:
    """The file of a picture is named by its job (`bot.pictures.Gallery.place`)."""
    return path.stem.rpartition("-")[0].upper()


def _addresses(job_id: str, index: int) -> Json:
    url = f"/pictures/{job_id}/{index}"
    return {"url": url, "download": f"{url}?download=1"}


def message_json(
    record: Record, card: Card, easel: Easel, *, mine: bool, open: bool, since: datetime | None = None
) -> Json:
    job = record.job
    return {
        "key": record.message_key,
        "job": job.id,
        "short": job.short,
        "who": {"id": job.requester.id, "name": job.requester.name},
        "mine": mine,
        "private": job.private,
        "asked": command_line(job, easel),
        "at": job.created_at.isoformat(),
        "open": open,
        "since": since.isoformat() if since else None,
        "card": card_json(card, sizes_of(record.pictures)),
    }


def command_line(job: Job, easel: Easel) -> str:
    """What would ask for the same again."""
    said = flags_of(easel, job.request)
    switches = {name: True for name in ("private", "spoiler") if getattr(job, name)}
    return f"/imagine {render(job.request.prompt, {**said, **switches})}"


def form_json(form: Form, *, picture: int = 0) -> Json:
    """`picture` fills in the field of this name: the one that the person pointed at."""
    return {
        "verb": form.verb,
        "job": form.job,
        "title": form.title,
        "fields": [
            {
                "name": field.name,
                "label": field.label,
                "value": str(picture) if picture and field.name == "picture" else field.value,
                "long": field.long,
                "required": field.required,
                "hint": field.hint,
                "most": field.most,
            }
            for field in form.fields
        ],
    }


def gallery_items(record: Record, easel: Easel, person: Person) -> list[Json]:
    """The pictures of a finished job, but those that were withheld or are swept."""
    job, answers = record.job, easel.answers
    withheld = answers.withheld(record)
    return [
        _item(record, picture, answers.showing(job, picture) is not Showing.OPEN, easel, person)
        for picture in record.pictures
        if picture.index not in withheld and easel.gallery.exists(picture)
    ]


def _item(record: Record, picture: Picture, hidden: bool, easel: Easel, person: Person) -> Json:
    job = record.job
    return {
        "job": job.id,
        "short": job.short,
        "index": picture.index,
        **_addresses(job.id, picture.index),
        "width": picture.size.width,
        "height": picture.size.height,
        "hidden": hidden,
        "alt": cards.alt_text(job, picture, hidden=hidden),
        "prompt": job.request.prompt,
        "line": command_line(job, easel),
        "who": {"id": job.requester.id, "name": job.requester.name},
        "at": job.created_at.isoformat(),
        "mine": job.requester.id == person.id,
        "key": record.message_key,
        "private": job.private,
    }


# ---- what can be asked ----


def capabilities_json(can: Capabilities) -> Json:
    spans = ("side", "steps", "guidance", "strength", "lora_scale")
    plain = ("max_loras", "max_count", "max_seed", "default_steps", "default_guidance", "default_strength")
    return {name: _span(getattr(can, name)) for name in spans} | {name: getattr(can, name) for name in plain}


def _span(span: Range) -> list[float]:
    return [span.low, span.high]


def commands_json(catalogue: Iterable[Command], easel: Easel) -> list[Json]:
    return [
        {
            "name": command.name,
            "description": command.description,
            "example": command.example,
            "where": command.where.value,
            "options": [_option(option, easel) for option in command.options],
        }
        for command in catalogue
        if command.where is Where.SLASH
    ]


def _option(option: Option, easel: Easel) -> Json:
    allowed = option.range(easel) if option.range else None
    return {
        "name": option.name,
        "description": option.description,
        "kind": option.kind.value,
        "required": option.required,
        "word": option.word,
        "low": allowed.low if allowed else None,
        "high": allowed.high if allowed else None,
        "choices": choices_json(option.choices),
        "suggests": option.suggest is not None,
    }


def choices_json(choices: Iterable[Choice]) -> list[Json]:
    return [{"label": choice.label, "value": choice.value} for choice in choices]


def on_message_json(catalogue: Iterable[Command]) -> list[Json]:
    return [
        {"name": command.name, "title": command.title or command.name}
        for command in catalogue
        if command.where is Where.MESSAGE
    ]


def flags_json() -> list[Json]:
    return [{"names": list(flag.names), "example": flag.example, "option": flag.option} for flag in FLAGS]
