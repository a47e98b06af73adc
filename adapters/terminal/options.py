"""The options of /imagine as arguments of a command line, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.errors import BadRequest
from commands import command
from commands.spec import Attachment, Kind, Option, Options, Where

TYPES = {Kind.INTEGER: int, Kind.NUMBER: float}
METAVARS = {Kind.INTEGER: "N", Kind.NUMBER: "X", Kind.PICTURE: "FILE", Kind.TEXT: "TEXT"}
POINTLESS = {"lora1", "lora2", "lora3", "loras", "spoiler", "private"}
"""Said by `--lora`, or meant for those who look over one's shoulder in a chat."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for option in command("imagine", Where.SLASH).options:
        if option.required:
            parser.add_argument(option.name, help=_help(option))
        elif option.name not in POINTLESS:
            kind = TYPES.get(option.kind, str)
            metavar = "WxH" if option.name == "size" else METAVARS[option.kind]
            parser.add_argument(f"--{option.name}", type=kind, metavar=metavar, help=_help(option))
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="NAME:WEIGHT",
        help="A LoRA, e.g. yarn or yarn:0.8; may be given several times",
    )


def asked(given: argparse.Namespace) -> Options:
    """The command's options. Raises BadRequest for a file that isn't there."""
    found: dict[str, object] = {}
    for option in command("imagine", Where.SLASH).options:
        value = getattr(given, option.name, None)
        if value is not None:
            found[option.name] = _attachment(value) if option.kind is Kind.PICTURE else value
    if loras := getattr(given, "lora", None):
        found["loras"] = ", ".join(loras)
    return found


def _attachment(path: str) -> Attachment:
    file = Path(path)
    if not file.is_file():
        raise BadRequest(f"There is no file {path}.")
    return Attachment(path, file.name, file.stat().st_size)


def _help(option: Option) -> str:
    return option.description.replace("%", "%%")
