"""Which requests the simulated API takes, per version: a table of fields, and one reader that fills in defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Inputs = dict[str, Any]


class Refused(Exception):
    """A request that is refused: an HTTP status, and the message that the body carries."""

    def __init__(self, status: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.more = more


@dataclass(frozen=True, slots=True)
class Rules:
    """What one version takes; see the tables of the API's documentation. `None` where the field does not exist."""

    side: tuple[int, int] = (256, 1536)
    guidance: float = 20.0
    loras: int = 4
    seed: int = 2_147_483_647
    base64: bool = False
    safety: bool | None = None
    formats: tuple[str, ...] = ()
    sync: bool | None = None


V2 = Rules(side=(512, 1536), guidance=10.0, loras=5, seed=9_999_999_999, base64=True, safety=True)
V3 = Rules(formats=("jpeg", "png", "webp"), sync=False)
RULES = {2: V2, 3: V3}

Reader = Callable[[str, Any], Any]


def read(body: object, rules: Rules) -> Inputs:
    """The inputs with every default filled in. Undeclared fields are dropped silently. Raises Refused (400)."""
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be a JSON object.")
    fields = _fields(rules)
    inputs = {name: reader(name, body.get(name, default)) for name, (default, reader) in fields.items()}
    if inputs["mask_image"] and not inputs["image"]:
        raise Refused(400, "mask_image needs image.")
    return inputs


def _fields(rules: Rules) -> dict[str, tuple[Any, Reader]]:
    fields: dict[str, tuple[Any, Reader]] = {
        "prompt": (None, _prompt),
        "image": ("", _text),
        "mask_image": ("", _text),
        "strength": (0.8, _number(0, 1)),
        "loras": ([], _loras(rules.loras)),
        "size": ("1024*1024", _size(rules.side)),
        "num_inference_steps": (28, _integer(1, 50)),
        "guidance_scale": (3.5, _number(0, rules.guidance)),
        "num_images": (1, _integer(1, 4)),
        "seed": (-1, _integer(-1, rules.seed)),
        "enable_base64_output": (rules.base64, _boolean),
    }
    if rules.safety is not None:
        fields["enable_safety_checker"] = (rules.safety, _boolean)
    if rules.formats:
        fields["output_format"] = (rules.formats[0], _choice(rules.formats))
    if rules.sync is not None:
        fields["enable_sync_mode"] = (rules.sync, _boolean)
    return fields


def _prompt(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, f"{name} is required.")
    return value


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(400, f"{name} must be a string.")
    return value


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused(400, f"{name} must be a boolean.")
    return value


def _number(low: float, high: float) -> Reader:
    def reader(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Refused(400, f"{name} must be a number from {low:g} to {high:g}.")
        return value

    return reader


def _integer(low: int, high: int) -> Reader:
    def reader(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Refused(400, f"{name} must be an integer from {low} to {high}.")
        return value

    return reader


def _choice(choices: tuple[str, ...]) -> Reader:
    def reader(name: str, value: Any) -> str:
        if value not in choices:
            raise Refused(400, f"{name} must be one of {', '.join(choices)}.")
        return str(value)

    return reader


def _size(side: tuple[int, int]) -> Reader:
    def reader(name: str, value: Any) -> str:
        match = re.fullmatch(r"(\d{1,5})\*(\d{1,5})", value) if isinstance(value, str) else None
        if match is None:
            raise Refused(400, f'{name} must look like "1024*1024".')
        if not all(side[0] <= int(pixels) <= side[1] for pixels in match.groups()):
            raise Refused(400, f"{name} must be from {side[0]} to {side[1]} per dimension.")
        return match[0]

    return reader


def _loras(most: int) -> Reader:
    scale = _number(0, 4)

    def reader(name: str, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or len(value) > most:
            raise Refused(400, f"{name} must be an array of at most {most} items.")
        return [_lora(f"{name}[{place}]", item) for place, item in enumerate(value)]

    def _lora(name: str, item: Any) -> dict[str, Any]:
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str) or not path:
            raise Refused(400, f"{name}.path is required.")
        return {"path": path, "scale": scale(f"{name}.scale", item.get("scale"))}

    return reader


def schema(rules: Rules) -> dict[str, Any]:
    """The request schema of the catalogue: every field with its default."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    properties = {
        name: {"type": kinds.get(type(default), "string"), **({} if default is None else {"default": default})}
        for name, (default, _) in _fields(rules).items()
    }
    return {"type": "object", "properties": properties, "required": ["prompt"]}


def dimensions(inputs: Inputs) -> tuple[int, int]:
    width, _, height = inputs["size"].partition("*")
    return int(width), int(height)
