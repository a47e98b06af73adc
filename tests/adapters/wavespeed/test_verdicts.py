from __future__ import annotations

from itertools import product

import pytest

from adapters.wavespeed.verdicts import Call, Trouble, classify
from bot import errors
from bot.errors import BadRequest, EaselError, RateLimited

CREDITS = "Insufficient credits. Please top up your account to continue."
SUBMIT, RESULT, READ, UPLOAD = Call.SUBMIT, Call.RESULT, Call.READ, Call.UPLOAD

WIRE = [
    # what was said                                    on a submit, a result, another read, an upload
    ({"status": 429}, "RateLimited RateLimited RateLimited RateLimited"),
    ({"unopened": True}, "Unreachable Unreachable Unreachable Unreachable"),
    ({"status": 400, "text": CREDITS}, "CreditsExhausted CreditsExhausted CreditsExhausted CreditsExhausted"),
    ({"status": 402}, "CreditsExhausted CreditsExhausted CreditsExhausted CreditsExhausted"),
    ({"status": 403, "text": "insufficient balance"}, "CreditsExhausted " * 4),
    ({"status": 200, "code": 402}, "CreditsExhausted " * 4),
    ({"status": 401}, "KeyRefused KeyRefused KeyRefused KeyRefused"),
    ({"status": 403}, "KeyRefused KeyRefused KeyRefused KeyRefused"),
    ({"status": 200, "code": 401}, "KeyRefused KeyRefused KeyRefused KeyRefused"),
    ({"status": 404}, "BadSettings Expired Unreachable Unreachable"),
    ({"status": 400}, "BadRequest Unreachable Unreachable BadRequest"),
    ({"status": 422}, "BadRequest Unreachable Unreachable BadRequest"),
    ({"status": 413}, "BadRequest Unreachable Unreachable BadRequest"),
    ({"status": 418}, "BadRequest Unreachable Unreachable BadRequest"),
    ({"status": 200, "code": 400}, "BadRequest Unreachable Unreachable BadRequest"),
    ({"status": 500}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 500, "text": CREDITS}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 502}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 503}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 504}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 302}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 200}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({"status": 200, "code": 500}, "Ambiguous Unreachable Unreachable Unreachable"),
    ({}, "Ambiguous Unreachable Unreachable Unreachable"),
]


@pytest.mark.parametrize(("said", "kinds"), WIRE, ids=[str(said) for said, _ in WIRE])
def test_what_the_wire_says(said: dict[str, object], kinds: str) -> None:
    found = [type(classify(Trouble(call, **said))).__name__ for call in (SUBMIT, RESULT, READ, UPLOAD)]  # type: ignore[arg-type]
    assert found == kinds.split()


TASKS = [
    ({"code": 1200}, errors.Moderated),
    ({"text": "Content flagged as potentially sensitive."}, errors.Moderated),
    ({"code": 1400}, errors.BadRequest),
    ({"code": 1401}, errors.BadRequest),
    ({"code": 1402}, errors.MediaUnreachable),
    ({"code": 1403, "text": "Failed to download LoRA weights"}, errors.MediaUnreachable),
    ({"code": 1405, "text": "lora not found"}, errors.MediaUnreachable),
    ({"text": "Failed to download image from the provided URL."}, errors.MediaUnreachable),
    ({"code": 1403}, errors.GenerationFailed),
    ({"code": 1405, "text": "out of memory"}, errors.GenerationFailed),
    ({"code": 5000}, errors.GenerationFailed),
    ({"code": 5003}, errors.GenerationFailed),
    ({"code": 5004}, errors.GenerationFailed),
    ({"code": 402, "text": CREDITS}, errors.CreditsExhausted),
    ({"text": CREDITS}, errors.CreditsExhausted),
    ({}, errors.GenerationFailed),
    ({"state": "cancelled"}, errors.GenerationFailed),
    ({"state": "timeout"}, errors.GenerationFailed),
    ({"state": "deleted"}, errors.Expired),
    ({"state": "completed"}, errors.BadOutput),
]


@pytest.mark.parametrize(("said", "kind"), TASKS, ids=[str(said) for said, _ in TASKS])
def test_how_a_task_ended(said: dict[str, object], kind: type[EaselError]) -> None:
    assert type(classify(Trouble(Call.TASK, **{"state": "failed", **said}))) is kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("size must be from 512 to 1536", "size"),
        ("num_images must be an integer", "count"),
        ("loras must be an array of at most 4 items", "loras"),
        ("guidance_scale is out of range", "guidance"),
        ("mask_image needs image.", "mask"),
        ("the given image can't be read", "image"),
        ("something else", None),
    ],
)
def test_a_bad_request_names_the_option(text: str, field: str | None) -> None:
    error = classify(Trouble(SUBMIT, 400, text=text))
    assert isinstance(error, BadRequest)
    assert error.field == field


def test_a_pause_that_was_told_is_kept() -> None:
    error = classify(Trouble(SUBMIT, 429, retry_after=12.0))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 12.0


@pytest.mark.parametrize(
    ("call", "status", "code"), [*product(Call, [None, 400, 401, 404, 429, 500], [None, 1200, 1402])]
)
def test_nothing_of_the_answer_reaches_people_or_the_log(call: Call, status: int | None, code: int | None) -> None:
    secret = "upstream lora size secret https://internal/path sk-12345"
    error = classify(Trouble(call, status, code, secret, state="failed"))
    said = f"{error} {error.detail}"
    assert str(error)
    assert not any(word in said for word in ("upstream", "secret", "internal/", "sk-12345"))
