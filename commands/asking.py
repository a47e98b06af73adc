"""Options → what is asked of the model: pure, from memory, and with every refusal in plain words.

What is typed both as an option and as a flag in the prompt has to agree, else it is refused: guessing would cost money.
LoRAs add up.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.errors import BadRequest
from bot.images import MAX_SEED, ImageRequest, Lora, Size
from bot.pictures import MAX_SOURCE_BYTES
from commands import lora_names, sizes
from commands.grammar import number_text, parse
from commands.spec import Attachment, Options

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.pictures import Source

Dice = Callable[[], int]
"""Draws a seed."""

LORA_OPTIONS = ("lora1", "lora2", "lora3", "loras")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose attachments are not read yet: `request` is what it costs and counts, not yet what is drawn."""

    request: ImageRequest
    image: Attachment | None = None
    mask: Attachment | None = None
    private: bool = False
    spoiler: bool = False
    notes: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    size_given: bool = True
    """False when the picture's shape decides the size, or the side that was not given."""

    def drawn_from(self, image: Source | None, mask: Source | None, easel: Easel) -> ImageRequest:
        """The request as it goes to the model, now that its sources are kept. Raises BadRequest."""
        request = self.request
        if image is not None:
            size = request.size if self.size_given else _size_like(image.size, self.width, self.height, easel)
            request = replace(request, image=image.name, size=size, mask=mask.name if mask else None)
        easel.capabilities.check(request)
        return request


def draw_seed() -> int:
    return random.randint(0, MAX_SEED)


def ask(easel: Easel, options: Options, *, base: ImageRequest | None = None, dice: Dice = draw_seed) -> Asked:
    """What a person wants. With `base`, what they don't say stays as it was there, but for the seed and the LoRAs.

    Raises BadRequest. Reads no attachment and waits for nothing.
    """
    typed = parse(str(options.get("prompt", base.prompt if base else "")), easel.capabilities)
    said = _together(options, typed.options)
    image, mask = _attachment(said, "image"), _attachment(said, "mask")
    if mask and not image:
        raise BadRequest("A mask says which part of a picture to redraw: add the picture as `image`.", field="mask")
    loras = _loras(easel, said)
    prompt, notes = lora_names.with_triggers(typed.prompt.strip(), loras, easel.library)
    size, width, height = _size(said, base, easel)
    request = ImageRequest(
        prompt=prompt,
        size=size,
        seed=int(_number(said, "seed", dice())),
        loras=loras,
        image=base.image if base and not image else None,
        mask=base.mask if base and not image else None,
        strength=_number(said, "strength", base.strength if base else easel.capabilities.default_strength),
        steps=int(_number(said, "steps", base.steps if base else easel.capabilities.default_steps)),
        guidance=_number(said, "guidance", base.guidance if base else easel.capabilities.default_guidance),
        count=int(_number(said, "count", base.count if base else 1)),
        safety=easel.settings.safety_checker,
    )
    easel.capabilities.check(request)
    return Asked(
        request,
        image,
        mask,
        private=bool(said.get("private")),
        spoiler=bool(said.get("spoiler")),
        notes=notes,
        width=width,
        height=height,
        size_given="size" in said or bool(width and height) or bool(base),
    )


def once_more(easel: Easel, base: ImageRequest, *, dice: Dice = draw_seed) -> ImageRequest:
    """The same with a new seed. Raises BadRequest for what the operator has since taken away."""
    texts = [lora_names.written(lora, easel.library) for lora in base.loras]
    loras = lora_names.resolve(texts, easel.library, easel.settings.lora_paths, easel.capabilities)
    request = replace(base, loras=loras, seed=dice(), safety=easel.settings.safety_checker)
    easel.capabilities.check(request)
    return request


def flags_of(easel: Easel, request: ImageRequest) -> dict[str, object]:
    """The options that ask for this request again, for `grammar.render`."""
    said: dict[str, object] = {
        "size": f"{request.size.width}x{request.size.height}",
        "count": request.count,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
    }
    if request.image:
        said["strength"] = request.strength
    if request.loras:
        said["loras"] = ", ".join(lora_names.written(lora, easel.library) for lora in request.loras)
    return said


def _together(options: Options, flags: Mapping[str, object]) -> dict[str, object]:
    said = {name: value for name, value in options.items() if value is not None}
    for name, value in flags.items():
        if name == "loras":
            said[name] = ", ".join(str(text) for text in (said.get(name), value) if text)
        elif said.setdefault(name, value) != value:
            raise BadRequest(
                f"You say {name} twice: {_told(said[name])} as an option and {_told(value)} in the prompt. Keep one.",
                field=name,
            )
    return said


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number_text(value) if isinstance(value, int | float) else str(value)[:40]


def _loras(easel: Easel, said: Mapping[str, object]) -> tuple[Lora, ...]:
    texts = [text for name in LORA_OPTIONS for text in lora_names.split(str(said.get(name) or ""))]
    return lora_names.resolve(texts, easel.library, easel.settings.lora_paths, easel.capabilities)


def _size(said: Mapping[str, object], base: ImageRequest | None, easel: Easel) -> tuple[Size, int | None, int | None]:
    width, height = said.get("width"), said.get("height")
    if "size" in said and (width or height):
        raise BadRequest("Say the size once: either size, or width and height.", field="size")
    if "size" in said:
        return sizes.parse_size(str(said["size"])), None, None
    wide, high = int(str(width)) if width else None, int(str(height)) if height else None
    if base and not (wide or high):
        return base.size, None, None
    usual = base.size if base else sizes.USUAL
    return Size(wide or usual.width, high or usual.height), wide, high


def _size_like(source: Size, width: int | None, height: int | None, easel: Easel) -> Size:
    """The source's own shape; with one side given, the other one follows that shape."""
    side, ratio = easel.capabilities.side, source.width / source.height
    if width:
        return Size(width, sizes.other_side(width, 1 / ratio, side))
    if height:
        return Size(sizes.other_side(height, ratio, side), height)
    return sizes.like(source, side)


def _attachment(said: Mapping[str, object], name: str) -> Attachment | None:
    value = said.get(name)
    if not isinstance(value, Attachment):
        return None
    if value.bytes > MAX_SOURCE_BYTES:
        had, most = value.bytes / 1024 / 1024, MAX_SOURCE_BYTES // 1024 // 1024
        raise BadRequest(f"The {name} has {had:.0f} MB; {most} MB is the most.", field=name)
    return value


def _number(said: Mapping[str, object], name: str, usual: float) -> float:
    value = said.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{name} is a number.", field=name)
    return value
