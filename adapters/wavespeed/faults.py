"""What can go wrong at the API, as values that a test hands to the simulator."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Door = Literal["submit", "result", "output", "upload", "listing", "balance", "price"]
"""Where a fault can be planned: each is one kind of request."""

Shape = Literal["url", "data_uri", "base64", "object"]
"""How an output is written in a result: an address, a data URI, bare base64, or `{"url": address}`."""


class Wire(enum.Enum):
    """What happens to the connection instead of, or during, the answer."""

    WHOLE = "whole"
    DROP = "drop"
    """Closed without a byte of an answer."""
    CUT = "cut"
    """Half of the announced body arrives, then the connection closes."""
    TRUNCATE = "truncate"
    """Half of the body arrives as if it were all of it: valid HTTP, broken JSON or picture."""
    SLOW = "slow"
    """The headers arrive at once, the body after `seconds`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One bad answer. Without `status` it is the true answer, spoilt on the wire.

    `accepts` matters at the submit door only: the prediction exists and is charged although the answer is bad.
    A fault of the wire alone (no `status`) has a true answer to spoil, so there `accepts` must be true.
    `seconds` is how long the answer is held back.
    """

    status: int | None = None
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    accepts: bool = False
    wire: Wire = Wire.WHOLE
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """How one accepted prediction goes, where it differs from the usual.

    `statuses` are shown one a look, the last one for good, instead of following the clock. `end` is the terminal
    status where the clock decides. `nsfw` is sent as it is; `omit` names fields of the prediction that are left out.
    `shape` overrides what the request asked. `picture` (raw bytes) stands in for every painted one.
    """

    seconds: float | None = None
    statuses: tuple[str, ...] = ()
    end: str = "completed"
    code: int | None = None
    error: str = ""
    shape: Shape | None = None
    outputs: int | None = None
    nsfw: object = ...
    omit: frozenset[str] = frozenset()
    nanoseconds: bool = False
    picture: bytes | None = None
    sync_overrun: bool = False


def envelope(code: int, message: str, **more: object) -> bytes:
    """The body that every JSON answer has."""
    return json.dumps({"code": code, "message": message, **more}).encode()


def refusal(status: int, message: str, *, retry_after: str | None = None, error_code: str | None = None) -> Fault:
    """An answer that surely accepted nothing: 400, 401, 402, 403, 404, 413 or 429 with the usual body."""
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    more: dict[str, Any] = {"error_code": error_code} if error_code else {}
    return Fault(status, envelope(status, message, **more), headers=headers)


def too_many(retry_after: str | None = None) -> Fault:
    """429, by default without Retry-After, as the live API does it. `retry_after`: seconds or an HTTP date."""
    return refusal(429, "Rate limit exceeded: too many requests. Please try again later.", retry_after=retry_after)


def no_credit(status: int = 400) -> Fault:
    return refusal(status, "Insufficient credits. Please top up your account to continue.")


def server_error(status: int = 500, *, accepts: bool = False, seconds: float = 0.0) -> Fault:
    """A 5xx; 502 and 504 come as the gateway's HTML page, 500 and 503 as JSON."""
    if status in (500, 503):
        return Fault(status, envelope(status, "Internal error"), accepts=accepts, seconds=seconds)
    page = f"<html><head><title>{status}</title></head><body><h1>{status} Gateway Error</h1></body></html>".encode()
    return Fault(status, page, "text/html", accepts=accepts, seconds=seconds)


def dropped(*, accepts: bool) -> Fault:
    """The connection closes without an answer, before (`accepts=False`) or after the prediction was made."""
    return Fault(accepts=accepts, wire=Wire.DROP)


def truncated() -> Fault:
    """The true answer, cut in half but announced as whole."""
    return Fault(accepts=True, wire=Wire.TRUNCATE)


def cut() -> Fault:
    """The connection closes in the middle of the true answer's body."""
    return Fault(accepts=True, wire=Wire.CUT)


def slow(seconds: float) -> Fault:
    """The true answer's headers come at once, its body after so many seconds."""
    return Fault(accepts=True, wire=Wire.SLOW, seconds=seconds)


def late(seconds: float) -> Fault:
    """Nothing comes for so many seconds, then the true answer."""
    return Fault(accepts=True, seconds=seconds)


def hollow(code: int = 500, message: str = "internal error", *, data: Literal["null", "absent"] = "null") -> Fault:
    """HTTP 200 around an envelope whose `code` is not 200 and whose `data` is null or absent."""
    return Fault(200, envelope(code, message, **({"data": None} if data == "null" else {})))


def nonsense(body: bytes = b"true", media_type: str = "application/json", *, accepts: bool = False) -> Fault:
    """HTTP 200 with a body that is nothing that was asked for, e.g. a page where a picture should be."""
    return Fault(200, body, media_type, accepts=accepts)


def redirect(url: str, status: int = 302) -> Fault:
    return Fault(status, headers={"Location": url})


def oversize(size: int, media_type: str = "image/jpeg") -> Fault:
    """A body of so many bytes that begins like a JPEG."""
    return Fault(200, b"\xff\xd8\xff\xe0".ljust(size, b"\0"), media_type)


SUSPENDED = refusal(403, "Your account has been suspended.", error_code="account_suspended")
ROLE_REFUSED = refusal(403, "This API key is not allowed to do this.", error_code="permission_denied")
BAD_KEY = refusal(401, "Invalid authentication: the API key is missing or unknown.")
GONE = refusal(404, "Not found.")

MODERATED = Script(
    end="failed",
    code=1200,
    error="Content flagged as potentially sensitive. Please try different prompts or images.",
)
MEDIA_UNREACHABLE = Script(end="failed", code=1402, error="Failed to download image from the provided URL.")
LORA_UNREACHABLE = Script(end="failed", code=1403, error="Failed to download LoRA weights: file not found.")
FAILED = Script(end="failed", code=1403, error="The model could not complete the task.")
FAILED_TRANSIENT = Script(end="failed", code=5000, error="Internal model error.")
BAD_INPUT = Script(end="failed", code=1400, error="Invalid input parameters.")
FAILED_SILENTLY = Script(end="failed")
CANCELLED = Script(end="cancelled", error="Task was cancelled.")
TIMED_OUT = Script(end="timeout", error="Task timed out.")
EMPTY = Script(outputs=0)
"""Completed without a single output: an error of the provider, not a success."""
