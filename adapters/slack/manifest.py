"""The app's manifest: what an operator pastes at api.slack.com/apps, made from the catalogue and the handlers' own names.

Its form is Slack's manifest schema 2.0.0 (docs.slack.dev/reference/app-manifest).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from adapters.slack import names
from bot.errors import BadSettings

if TYPE_CHECKING:
    from commands.spec import Command

Mode = Literal["socket", "http"]

LONG = (
    "Easel draws pictures from your words with FLUX.1 [dev] and LoRAs. Ask with /imagine, mention it in a thread, or write "
    "to it directly. It answers with one message that grows: first how far it is, then the pictures with their parameters "
    "and buttons to re-roll, edit, vary and delete them. Pictures are made by artificial intelligence and can be wrong or "
    "odd; those that the safety check flags come covered. Easel is run by your own people: pictures, prompts and limits "
    "are theirs to keep."
)


def manifest(mode: Mode, url: str | None = None, *, org_wide: bool = False) -> dict[str, Any]:
    """The manifest for Socket Mode or HTTP.

    `url` is the public address of Easel's HTTP port, with nothing behind the host. HTTP needs it; with it, workspaces
    can also add Easel by themselves. `org_wide` lets an organisation add it to all of its workspaces. Raises BadSettings
    for an address that Slack would refuse.
    """
    if url is not None:
        url = _checked(url)
    elif mode == "http":
        raise BadSettings("For HTTP, Slack has to know the address: --url https://easel.example.org")
    from commands import CATALOGUE  # every start of the command line passes here, and few of them print this

    typed = [it for it in CATALOGUE if it.where == "slash"]
    on_messages = {it.name: it for it in CATALOGUE if it.where == "message"}
    events = f"{url}{names.EVENTS_PATH}" if mode == "http" else None
    return {
        "display_information": {
            "name": "Easel",
            "description": "Draws pictures from your words",
            "long_description": LONG,
            "background_color": "#2b2440",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "easel", "always_online": True},
            "shortcuts": _shortcuts(typed[0], on_messages),
            "slash_commands": [_slash_command(typed, events)],
        },
        "oauth_config": _oauth(url),
        "settings": {
            "event_subscriptions": _with_url({"bot_events": list(names.EVENTS)}, "request_url", events),
            "interactivity": _interactivity(events),
            "org_deploy_enabled": org_wide,
            "socket_mode_enabled": mode == "socket",
            "token_rotation_enabled": False,
        },
    }


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise BadSettings("The address is https and ends with the host, such as https://easel.example.org")
    return f"https://{parts.netloc}"


def _shortcuts(drawing: Command, on_messages: Mapping[str, Command]) -> list[dict[str, Any]]:
    create = {
        "name": "Create an image",
        "type": "global",
        "callback_id": names.CREATE,
        "description": drawing.description,
    }
    return [
        create,
        *(
            {"name": it.title, "type": "message", "callback_id": callback, "description": it.description}
            for callback, verb in names.SHORTCUT_VERBS.items()
            for it in (on_messages[verb],)
        ),
    ]


def _slash_command(typed: Sequence[Command], events: str | None) -> dict[str, Any]:
    """The first command needs no name: what is typed is its prompt."""
    drawing, *others = typed
    made = {
        "command": names.COMMAND,
        "description": drawing.description,
        "usage_hint": " | ".join([drawing.example, *(it.name for it in others)]),
        "should_escape": False,
    }
    return _with_url(made, "url", events)


def _oauth(url: str | None) -> dict[str, Any]:
    scopes = {"scopes": {"bot": list(names.SCOPES)}}
    return {"redirect_urls": [f"{url}{names.REDIRECT_PATH}"], **scopes} if url else scopes


def _interactivity(events: str | None) -> dict[str, Any]:
    """`message_menu_options_url` feeds the search for LoRAs."""
    made = _with_url({"is_enabled": True}, "request_url", events)
    return _with_url(made, "message_menu_options_url", events)


def _with_url(made: dict[str, Any], name: str, url: str | None) -> dict[str, Any]:
    return {**made, name: url} if url else made


# ---- as text ----


def yaml(value: dict[str, Any]) -> str:
    """As YAML: each text and number in JSON's spelling, which is YAML too."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    """Each key or dash on a line of its own; what holds more follows, two spaces deeper."""
    pairs = (
        [(f"{key}:", held) for key, held in value.items()] if isinstance(value, dict) else [("-", it) for it in value]
    )
    for start, held in pairs:
        if not isinstance(held, dict | list) or not held:
            yield f"{start} {json.dumps(held, ensure_ascii=False)}"
        elif start == "-":
            first, *more = _lines(held)
            yield f"- {first}"
            yield from (f"  {line}" for line in more)
        else:
            yield start
            yield from (f"  {line}" for line in _lines(held))


# ---- the command line ----


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`python -m bot manifest`."""
    parser = commands.add_parser("manifest", help="print the manifest that makes the Slack app")
    parser.add_argument("--format", choices=("yaml", "json"), default="yaml", help="yaml if not given")
    parser.add_argument("--mode", choices=("socket", "http"), help="how Slack reaches Easel; SLACK_MODE, else socket")
    parser.add_argument("--url", help="https address of Easel's HTTP port; EASEL_PUBLIC_URL if not given")
    parser.add_argument("--org-wide", action="store_true", help="for an organisation with many workspaces")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Raises BadSettings for an address that Slack would refuse, or that HTTP lacks."""
    from bot.settings import raw

    mode: Mode = "http" if (arguments.mode or raw("SLACK_MODE")) == "http" else "socket"
    made = manifest(mode, arguments.url or raw("EASEL_PUBLIC_URL") or None, org_wide=arguments.org_wide)
    text = yaml(made) if arguments.format == "yaml" else json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)
    return 0
