"""`ImageRequest` ↔ the API's JSON, for v2 and v3. Pure.

Fields and ranges: the model's page (v2) and the v3 documentation; where live answers were seen to differ from both,
the reading is tolerant and the writing is strict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.wavespeed.settings import Version, WaveSpeedSettings
from bot.images import MAX_SEED, Capabilities, Flag, ImageRequest, Range
from bot.ports import Prepared, Sighting, Ticket

MODEL = "wavespeed-ai/flux-dev-lora"
TERMINAL = frozenset({"completed", "failed", "cancelled", "timeout", "deleted"})
RUNNING = frozenset({"created", "pending", "processing"})
SPILLED = "\x00picture:"
"""Stands in an answer for a picture that was put on disk while the answer was read; see `sieve`."""
ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Nonsense(ValueError):
    """An answer that is JSON but not what the API documents."""


def capabilities(version: Version, settings: WaveSpeedSettings) -> Capabilities:
    """What this version can do."""
    v2 = version == "v2"
    return Capabilities(
        model="flux-dev-lora",
        side=Range(512 if v2 else 256, 1536),
        steps=Range(1, 50),
        guidance=Range(0, 10 if v2 else 20),
        strength=Range(0, 1),
        lora_scale=Range(0, 4),
        # Sources disagree on v3: 3, 4 or 5.
        max_loras=settings.max_loras if settings.max_loras is not None else (5 if v2 else 4),
        max_count=4,
        max_seed=9_999_999_999 if v2 else MAX_SEED,
        # v3 doesn't document the safety checker for this model, so its flag may never come.
        flags_nsfw=v2,
    )


def submission(prepared: Prepared, version: Version, *, base64: bool) -> dict[str, Any]:
    """The body of a submit. Everything is said explicitly, since the versions' defaults differ."""
    request = prepared.request
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "strength": request.strength,
        "loras": [{"path": lora.path, "scale": lora.scale} for lora in request.loras],
        "size": f"{request.size.width}*{request.size.height}",
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "num_images": request.count,
        "seed": request.seed,
        "enable_base64_output": base64,
        # v3 drops what it doesn't know; it costs nothing to ask.
        "enable_safety_checker": request.safety,
    }
    if prepared.image:
        body["image"] = prepared.image
    if prepared.mask:
        body["mask_image"] = prepared.mask
    if version == "v3":
        body["output_format"] = "png"
        # The gateway of the synchronous mode answers 504 for tasks that complete.
        body["enable_sync_mode"] = False
    return body


@dataclass(frozen=True, slots=True)
class Remote:
    """A picture to be fetched."""

    url: str


@dataclass(frozen=True, slots=True)
class Inline:
    """A picture inside the answer: a data URI or bare base64."""

    text: str


@dataclass(frozen=True, slots=True)
class Spilled:
    """A picture inside the answer that is on disk already, the n-th of it."""

    number: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An output that is nothing we know."""


Output = Remote | Inline | Spilled | Unreadable


@dataclass(frozen=True, slots=True)
class Prediction:
    """A task as the API tells it. `seconds` is the inference time, 0 if it told none."""

    status: str
    outputs: tuple[Output, ...] = ()
    flags: tuple[Flag, ...] = ()
    code: int | None = None
    error: str = ""
    created_at: datetime | None = None
    seconds: float = 0.0

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL


def accepted(data: object) -> str:
    """The id that a submit's answer tells; nothing else is needed to follow it. Raises Nonsense."""
    found = data.get("id") if isinstance(data, Mapping) else None
    if not isinstance(found, str) or not ID.fullmatch(found):
        raise Nonsense("a prediction without an id")
    return found


def prediction(data: object) -> Prediction:
    """Read `data` of a result's answer. Raises Nonsense without a status."""
    if not isinstance(data, Mapping):
        raise Nonsense("no prediction")
    status = data.get("status")
    if not isinstance(status, str) or not status:
        raise Nonsense("a prediction without a status")
    raw = data.get("outputs")
    outputs = tuple(output(item) for item in raw) if isinstance(raw, list) else ()
    code, error = data.get("code"), data.get("error")
    return Prediction(
        status=status.lower()[:40],
        outputs=outputs,
        flags=flags(data.get("has_nsfw_contents"), len(outputs)),
        code=code if _is_int(code) else None,
        error=error if isinstance(error, str) else "",
        created_at=moment(data.get("created_at")),
        seconds=_seconds(data),
    )


def output(item: object) -> Output:
    """An address, a data URI, bare base64, or an object that holds one of them as `url`."""
    if isinstance(item, Mapping):
        item = item.get("url")
    if not isinstance(item, str) or not item:
        return Unreadable()
    if item.startswith(SPILLED):
        number = item.removeprefix(SPILLED)
        return Spilled(int(number)) if number.isdecimal() else Unreadable()
    if item[:8].lower().startswith(("http://", "https://")):
        return Remote(item)
    return Inline(item)


def flags(raw: object, count: int) -> tuple[Flag, ...]:
    """What the checker said of each of `count` outputs; whatever isn't a plain yes or no is unknown."""
    said = raw if isinstance(raw, list) else []
    names = {True: Flag.YES, False: Flag.NO}
    judged = [names[item] if isinstance(item, bool) else Flag.UNKNOWN for item in said[:count]]
    return tuple(judged + [Flag.UNKNOWN] * (count - len(judged)))


def moment(text: object) -> datetime | None:
    """An ISO time; up to nine fractional digits were seen."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; None where it makes no sense."""
    if not header:
        return None
    text = header.strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def listing(page: int, created_after: datetime) -> dict[str, Any]:
    """The body that asks for a page (from 1) of the account's predictions of this model."""
    after = created_after.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"page": page, "page_size": 100, "model": MODEL, "created_after": after}


def listed(data: object) -> list[Mapping[str, Any]]:
    """The items of a page. Raises Nonsense."""
    items = data.get("items") if isinstance(data, Mapping) else data
    if items is None:
        return []
    if not isinstance(items, list):
        raise Nonsense("no listing")
    return [item for item in items if isinstance(item, Mapping)]


def sighting(item: Mapping[str, Any], prepared: Prepared, since: datetime) -> Sighting | None:
    """One item of the listing as a possible trace of `prepared`; None for another model or an older one."""
    found, created = item.get("id"), moment(item.get("created_at"))
    if not isinstance(found, str) or not ID.fullmatch(found) or item.get("model", MODEL) != MODEL:
        return None
    if created is not None and created < since:
        return None
    inputs = next((item[name] for name in ("inputs", "input") if isinstance(item.get(name), Mapping)), None)
    return Sighting(Ticket(found, created or since), _matches(inputs, prepared.request) if inputs else None)


def _matches(inputs: Mapping[str, Any], request: ImageRequest) -> bool | None:
    """Whether these inputs are this request's. Prompt and seed must be told; the others count where they are."""
    ours = {
        "prompt": request.prompt,
        "seed": request.seed,
        "size": f"{request.size.width}*{request.size.height}",
        "num_images": request.count,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "loras": [{"path": lora.path, "scale": lora.scale} for lora in request.loras],
    }
    if inputs.get("prompt") is None or inputs.get("seed") is None:
        return None
    # People try one prompt and seed with several LoRAs, steps or pictures: none of these may be taken for another.
    told = all(inputs[name] == value for name, value in ours.items() if inputs.get(name) is not None)
    return told and ("image" not in inputs or bool(inputs["image"]) == bool(request.image))


def price(data: object) -> float:
    """US$ for a whole request, after any discount. Raises Nonsense."""
    full = _money(data, "price")
    discounted = data.get("discounted_price") if isinstance(data, Mapping) else None
    if isinstance(discounted, int | float) and not isinstance(discounted, bool) and 0 < discounted <= full:
        return float(discounted)
    return full


def unit_price(data: object) -> float:
    """US$ for one picture, as the older endpoint tells it. Raises Nonsense."""
    return _money(data, "unit_price")


def balance(data: object) -> float:
    """US$ in the account; may be below zero. Raises Nonsense."""
    value = data.get("balance") if isinstance(data, Mapping) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Nonsense("no balance")
    return float(value)


def uploaded(data: object) -> str:
    """The address of an upload. Raises Nonsense."""
    address = data.get("download_url") if isinstance(data, Mapping) else None
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        raise Nonsense("no address of the upload")
    return address


def _money(data: object, name: str) -> float:
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1000:
        raise Nonsense(f"no {name}")
    return float(value)


def _seconds(data: Mapping[str, Any]) -> float:
    timings = data.get("timings")
    told = timings.get("inference") if isinstance(timings, Mapping) else None
    for milliseconds in (told, data.get("executionTime")):
        if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and milliseconds > 0:
            return milliseconds / 1000
    return 0.0


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
