"""What is said to people, not how it looks: every word of Easel's own stands here.

A card is plain text in parts. Nothing in it is markup: a platform's `render.py` escapes every text, so a prompt can
neither format, link nor mention. Words are looked up by locale; English is the only language so far.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.images import Flag, ImageRequest, Lora, Picture
from bot.jobs import Cancelled, Checking, Failed, Finished, Generating, Job, Outcome, Progress, Uncertain, Waiting


class Tone(enum.StrEnum):
    NEUTRAL = "neutral"
    WORKING = "working"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Style(enum.StrEnum):
    PLAIN = "plain"
    QUOTE = "quote"
    """What a person wrote, e.g. the prompt."""
    SMALL = "small"
    """Parameters, costs, ids."""
    HEADING = "heading"
    CODE = "code"
    """To be copied as it stands."""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture to attach. `hidden` is the decision; how it is hidden is the platform's manner."""

    path: Path
    index: int
    hidden: bool
    alt: str
    private: bool = False
    """Never carries its parameters."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something to press. `verb` is a command of the catalogue, `argument` its number, e.g. which picture to vary."""

    verb: str
    job: str
    label: str
    emoji: str = ""
    argument: int = 0
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    lines: tuple[Line, ...] = ()
    tone: Tone = Tone.NEUTRAL
    pictures: tuple[Shown, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form. `kind` is text, long or number; `value` is filled in."""

    name: str
    label: str
    value: str = ""
    long: bool = False
    required: bool = False
    hint: str = ""
    most: int = 4000


@dataclass(frozen=True, slots=True)
class Form:
    """Asked in a modal. What comes back is command `verb` with the fields' names as options, and `job`."""

    verb: str
    title: str
    job: str
    fields: tuple[Field, ...] = field(default=())


# ---- the life of a job ----


def progress(job: Job, now: Progress) -> Card:
    """What the growing message shows while the job is under way."""
    cancel = Action("cancel", job.id, "Cancel", "❌")
    lines = (_prompt(job), *_notes(job))
    match now:
        case Waiting(place=place, usual_wait=wait):
            about = f", about {seconds(wait)}" if wait else ""
            return Card(f"Queued · about #{place} in line{about}", lines, Tone.WORKING, actions=(cancel,))
        case Generating(elapsed=elapsed, usual=usual):
            since = f" {seconds(elapsed)}" if elapsed >= 1 else ""
            usually = f" (usually {seconds(usual)})" if usual else ""
            return Card(f"Generating…{since}{usually}", lines, Tone.WORKING, actions=(cancel,))
        case Checking():
            return Card(
                "Checking…",
                (Line("The connection broke while this was sent. Looking whether it arrived."), *lines),
                Tone.WARNING,
                actions=(cancel,),
            )


def outcome(
    job: Job, end: Outcome, *, model: str, shown: Sequence[Shown] = (), withheld: Sequence[Picture] = ()
) -> Card:
    """The one visible answer. `shown` are the pictures to post, `withheld` those that stay out."""
    match end:
        case Finished():
            return _finished(job, end, model, shown, withheld)
        case Failed(message=message):
            return Card(
                "No picture this time",
                (Line(message), _prompt(job), *_reference(job)),
                Tone.BAD,
                actions=(Action("again", job.id, "Try again", "🔄"), Action("edit", job.id, "Edit prompt", "✏️")),
            )
        case Cancelled(paid=paid):
            kept = "It was already being drawn, so it is still paid for: you find it in /history." if paid else ""
            lines = (Line(kept),) if kept else ()
            return Card("Cancelled", (*lines, _prompt(job), *_reference(job)), actions=_afterwards(job))
        case Uncertain():
            return Card(
                "This one got lost on the way",
                (
                    Line("The connection broke while it was sent, and we can't tell whether it was drawn."),
                    Line("It doesn't count against your limit. Press Retry to draw it again."),
                    _prompt(job),
                    *_reference(job),
                ),
                Tone.WARNING,
                actions=(Action("retry", job.id, "Retry", "🔄"),),
            )


def _finished(job: Job, end: Finished, model: str, shown: Sequence[Shown], withheld: Sequence[Picture]) -> Card:
    lines = [_prompt(job), *_notes(job)]
    if any(picture.hidden for picture in shown) and not job.spoiler:
        lines.append(Line(_why_hidden(end, shown)))
    if withheld:
        lines.append(Line(f"{_pictures(len(withheld))} not shown here because of this community's rules."))
    lines += [Line(f"Picture {part.index} is missing: {part.reason}") for part in end.missing]
    lines.append(Line(parameters(job, end, model), Style.SMALL))
    vary = tuple(
        Action("vary", job.id, str(picture.index), "🎨", picture.index) for picture in shown if len(end.pictures) > 1
    )
    title = "Done" if shown or not withheld else "Drawn, but not shown here"
    return Card(title, tuple(lines), Tone.GOOD, tuple(shown), (*_afterwards(job), *vary))


def _why_hidden(end: Finished, shown: Sequence[Shown]) -> str:
    hidden = {picture.index for picture in shown if picture.hidden}
    flagged = any(picture.flag is Flag.YES for picture in end.pictures if picture.index in hidden)
    if flagged:
        return "Covered, because the safety check flagged it."
    return "Covered, because the safety check gave no answer."


def _afterwards(job: Job) -> tuple[Action, ...]:
    return (
        Action("again", job.id, "Re-roll", "🔄"),
        Action("edit", job.id, "Edit prompt", "✏️"),
        Action("delete", job.id, "Delete", "🗑️", danger=True),
        Action("details", job.id, "Details", "ℹ️"),
    )


def parameters(job: Job, end: Finished, model: str) -> str:
    """`flux-dev-lora · 1216×832 · seed 123 · 28 steps · yarn:1 · 7.4 s · $0.015 · id k3f9ab`."""
    request = job.request
    parts = [model, str(request.size), f"seed {request.seed}", f"{request.steps} steps"]
    parts += [str(lora) for lora in request.loras]
    if request.image:
        parts.append(f"from a picture, strength {request.strength:g}")
    if end.seconds:
        parts.append(f"{end.seconds:.1f} s")
    return " · ".join([*parts, dollars(end.cost), f"id {job.short}"])


def late(job: Job) -> Card:
    """Said while it still can be: this message can't be changed any more when the picture comes."""
    return Card(
        "Still drawing",
        (Line(f"This message can't be changed for much longer. You will find the picture with /show {job.short}."),),
        Tone.WORKING,
    )


def withheld_word(job: Job) -> Card:
    """Told to the requester alone."""
    return Card(
        "Not shown here",
        (
            Line("The safety check flagged your picture, and this community doesn't show such pictures here."),
            Line(f"It is kept in your /history as withheld, id {job.short}."),
        ),
        Tone.WARNING,
    )


def refused(error: Exception) -> Card:
    """An error in the words it brought."""
    return Card("That didn't work", tuple(Line(line) for line in str(error).splitlines()), Tone.BAD)


def notice(title: str, *lines: str, tone: Tone = Tone.NEUTRAL) -> Card:
    return Card(title, tuple(Line(line) for line in lines), tone)


def alt_text(job: Job, picture: Picture, *, hidden: bool) -> str:
    """What a screen reader says. A covered or private picture's prompt is not repeated."""
    if hidden or job.private:
        return f"Picture {picture.index}, {picture.size}"
    return shorten(f"Picture {picture.index} of “{job.request.prompt}”", 1000)


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def seconds(value: float) -> str:
    return f"{value:.0f} s" if value < 100 else f"{value / 60:.0f} min"


def dollars(value: float) -> str:
    return f"${value:.3f}".rstrip("0") if value and value < 0.1 else f"${value:.2f}"


def _pictures(count: int) -> str:
    return "1 picture is" if count == 1 else f"{count} pictures are"


def _prompt(job: Job) -> Line:
    return Line(job.request.prompt, Style.QUOTE)


def _notes(job: Job) -> tuple[Line, ...]:
    return tuple(Line(note, Style.SMALL) for note in job.notes)


def _reference(job: Job) -> tuple[Line, ...]:
    return (Line(f"id {job.short}", Style.SMALL),)


def infotext(request: ImageRequest, model: str) -> str:
    """The `parameters` text that image tools read: prompt, then comma-separated names and values."""
    parts = [
        f"Steps: {request.steps}",
        f"CFG scale: {request.guidance:g}",
        f"Seed: {request.seed}",
        f"Size: {request.size.width}x{request.size.height}",
        f"Model: {model}",
    ]
    if request.image:
        parts.append(f"Denoising strength: {request.strength:g}")
    weights = " ".join(f"<lora:{_plain(lora)}:{lora.scale:g}>" for lora in request.loras)
    return f"{request.prompt}{' ' + weights if weights else ''}\n{', '.join(parts)}"


def _plain(lora: Lora) -> str:
    return (lora.name or lora.path).replace(":", "_").replace("<", "").replace(">", "")
