"""What went wrong at the API, and who can act: the one place where its errors become ours.

    said by                                   submit               reading
    429                                       RateLimited          RateLimited
    a connection that was never opened        Unreachable          Unreachable
    credits in the text of 400/402/403, 402   CreditsExhausted     CreditsExhausted
    401, 403                                  KeyRefused           KeyRefused
    404                                       BadSettings          Expired for a result, else Unreachable
    413, 400, 422, other 4xx                  BadRequest           BadRequest for an upload, else Unreachable
    5xx, reset, timeout, nonsense, 3xx        Ambiguous            Unreachable

An envelope whose own code is a 4xx counts like that status. A failed task is judged by its code, then its text.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from bot.errors import (
    Ambiguous,
    BadOutput,
    BadRequest,
    BadSettings,
    CreditsExhausted,
    EaselError,
    Expired,
    GenerationFailed,
    KeyRefused,
    MediaUnreachable,
    Moderated,
    RateLimited,
    Unreachable,
)


class Call(enum.StrEnum):
    """What we were doing."""

    SUBMIT = "submit"
    RESULT = "result"
    READ = "read"
    PRICE = "price"
    BALANCE = "balance"
    LISTING = "listing"
    UPLOAD = "upload"
    TASK = "task"
    """Nothing failed on the wire: the API tells the end of a task."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The facts that decide. `status` is HTTP's, None where no whole answer came; `text` is never shown to anyone."""

    call: Call
    status: int | None = None
    code: int | None = None
    text: str = ""
    retry_after: float | None = None
    unopened: bool = False
    state: str = ""
    """A task's status: failed, cancelled, timeout, deleted or completed (without outputs)."""


CREDITS = re.compile(r"insufficient\s+(credit|balance|fund)|top[\s-]?up", re.IGNORECASE)
MEDIA = re.compile(r"lora|safetensors|download|fetch|weights|huggingface|unreachable|\burl\b", re.IGNORECASE)
SENSITIVE = re.compile(r"sensitive|nsfw|moderat|content policy|flagged|safety", re.IGNORECASE)
OPTIONS = (
    (re.compile(r"num_images", re.IGNORECASE), "count"),
    (re.compile(r"mask", re.IGNORECASE), "mask"),
    (re.compile(r"lora", re.IGNORECASE), "loras"),
    (re.compile(r"\bsize|width|height", re.IGNORECASE), "size"),
    (re.compile(r"steps", re.IGNORECASE), "steps"),
    (re.compile(r"guidance", re.IGNORECASE), "guidance"),
    (re.compile(r"strength", re.IGNORECASE), "strength"),
    (re.compile(r"seed", re.IGNORECASE), "seed"),
    (re.compile(r"prompt", re.IGNORECASE), "prompt"),
    (re.compile(r"image", re.IGNORECASE), "image"),
)


def classify(trouble: Trouble) -> EaselError:
    """Say who can act. The text of the answer is words for people; `detail` names codes alone."""
    if trouble.call is Call.TASK:
        return _ended_badly(trouble)
    detail = _detail(trouble)
    if trouble.unopened:
        return Unreachable("The image service can't be reached right now. Please try again in a moment.", detail=detail)
    refusal = _client_error(trouble)
    if refusal is not None:
        verdict = _refused(trouble, refusal, detail)
        if verdict is not None:
            return verdict
    if trouble.call is Call.SUBMIT:
        return Ambiguous(
            "The image service's answer was lost. Easel is checking whether it took the job.", detail=detail
        )
    return Unreachable("The image service doesn't answer properly right now. Please try again later.", detail=detail)


def _client_error(trouble: Trouble) -> int | None:
    """The 4xx that was said, by HTTP or, under a 2xx, by the envelope."""
    if trouble.status is None:
        return None
    said = trouble.code if 200 <= trouble.status < 300 else trouble.status
    return said if said is not None and 400 <= said < 500 else None


def _refused(trouble: Trouble, said: int, detail: str) -> EaselError | None:
    if said == 429:
        return RateLimited(
            "The image service asks for a pause. Please try again in a moment.",
            retry_after=trouble.retry_after,
            detail=detail,
        )
    if said == 402 or (said in (400, 403) and CREDITS.search(trouble.text)):
        return _no_credit(detail)
    if said in (401, 403):
        return KeyRefused("The image service refuses Easel's key. The operator has to look at it.", detail=detail)
    if said == 404:
        return _unknown(trouble.call, detail)
    if trouble.call not in (Call.SUBMIT, Call.UPLOAD):
        return None
    if said == 413:
        return BadRequest("That picture is too large for the image service. Use a smaller one.", field="image")
    return _bad_request(trouble.text, detail)


def _no_credit(detail: str) -> CreditsExhausted:
    return CreditsExhausted(
        "Easel's account has run out of credit. The operator has to top it up; please try again later.", detail=detail
    )


def _unknown(call: Call, detail: str) -> EaselError | None:
    if call is Call.RESULT:
        return Expired("The image service no longer knows this job: it forgets them after 7 days.", detail=detail)
    if call is Call.SUBMIT:
        return BadSettings(
            "The image service doesn't know the model. The operator has to check WAVESPEED_BASE_URL and"
            " WAVESPEED_API_VERSION.",
            detail=detail,
        )
    return None


def _bad_request(text: str, detail: str) -> BadRequest:
    for pattern, option in OPTIONS:
        if pattern.search(text):
            return BadRequest(
                f"The image service doesn't accept this `{option}`. Change it and try again.",
                field=option,
                detail=detail,
            )
    return BadRequest("The image service doesn't accept this request. Change it a little and try again.", detail=detail)


def _ended_badly(trouble: Trouble) -> EaselError:
    """A task that ended without pictures. Codes: https://wavespeed.ai/docs (error codes), handbook A6."""
    detail, text, code = _detail(trouble), trouble.text, trouble.code
    if trouble.state == "completed":
        return BadOutput("The image service says it is done but sent no picture. Please try again.", detail=detail)
    if trouble.state == "deleted":
        return Expired("This job was deleted at the image service.", detail=detail)
    if trouble.state == "cancelled":
        return GenerationFailed("This job was cancelled at the image service. Please try again.", detail=detail)
    if trouble.state == "timeout":
        return GenerationFailed("The image service took too long and gave up. Please try again.", detail=detail)
    if code == 1200 or (code is None and SENSITIVE.search(text)):
        return Moderated("The safety filter refused this. Try other words, or another picture.", detail=detail)
    if code == 402 or CREDITS.search(text):
        return _no_credit(detail)
    if code in (1400, 1401):
        return _bad_request(text, detail)
    if code == 1402 or (code in (None, 1403, 1405) and MEDIA.search(text)):
        return _unfetched(text, detail)
    if code in (5000, 5003, 5004):
        return GenerationFailed("The image service had a hiccup. Please try again.", detail=detail)
    return GenerationFailed("The image service could not draw this one. Please try again.", detail=detail)


def _unfetched(text: str, detail: str) -> MediaUnreachable:
    what = "a LoRA" if re.search(r"lora|safetensors|weights", text, re.IGNORECASE) else "a LoRA or a picture"
    return MediaUnreachable(
        f"The image service could not fetch {what}. It has to be public; check its name or choose another.",
        detail=detail,
    )


def _detail(trouble: Trouble) -> str:
    facts = [f"call={trouble.call.value}"]
    facts += [f"http={trouble.status}"] if trouble.status is not None else []
    facts += [f"code={trouble.code}"] if trouble.code is not None else []
    facts += [f"state={trouble.state}"] if trouble.state else []
    facts += ["unopened"] if trouble.unopened else []
    return " ".join(facts)
