"""A value that a person gave → what its option takes, or a kind refusal: the same on every platform."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bot.errors import BadRequest
from commands.spec import Kind, Option

if TYPE_CHECKING:
    from bot.easel import Easel

YES = {"true", "yes", "on", "1"}


def value(option: Option, given: Any, easel: Easel) -> str | int | float | bool:
    """A text, number or switch as the option takes it, from what a form, a flag or an API brought.

    Raises BadRequest, with the option as its field, for what is out of range or of the wrong kind. A PICTURE's value
    is an Attachment, which only its platform can make.
    """
    match option.kind:
        case Kind.BOOLEAN:
            return given if isinstance(given, bool) else str(given).strip().lower() in YES
        case Kind.INTEGER | Kind.NUMBER:
            return _number(option, given, easel)
        case _:
            return _text(option, str(given), easel)


def _text(option: Option, text: str, easel: Easel) -> str:
    if option.range is not None and len(text) not in (allowed := option.range(easel)):
        raise BadRequest(
            f"{option.name} has {len(text):,} characters; it goes from {allowed.low:g} to {allowed.high:g}.",
            field=option.name,
        )
    if option.choices and text not in {choice.value for choice in option.choices}:
        raise BadRequest(f"{option.name} can't be “{text[:40]}”.", field=option.name)
    return text


def _number(option: Option, given: Any, easel: Easel) -> int | float:
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadRequest(f"{option.name} is a number, not “{str(given)[:40]}”.", field=option.name)
    whole = option.kind is Kind.INTEGER
    if whole and not number.is_integer():
        raise BadRequest(f"{option.name} is a whole number, not {number:g}.", field=option.name)
    if option.range is not None and number not in (allowed := option.range(easel)):
        raise BadRequest(
            f"{option.name} is {number:g}; it goes from {allowed.low:g} to {allowed.high:g}.", field=option.name
        )
    return int(number) if whole else number
