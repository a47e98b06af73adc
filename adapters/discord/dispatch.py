"""From an interaction to the command that answers it, and from whatever that raises to a kind word."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from adapters.discord import options
from adapters.discord.asked import AUTOCOMPLETE, COMMAND, COMPONENT, FORM, MESSAGE_COMMAND, Asked
from adapters.discord.turn import DiscordTurn, Lost
from bot import cards
from bot.apology import apology
from bot.easel import Easel
from bot.errors import BadRequest, EaselError
from commands.spec import Command, Options, Where

log = structlog.get_logger(__name__)


class Dispatch:
    """The catalogue by the names under which Discord sends it."""

    def __init__(self, catalogue: Sequence[Command], easel: Easel) -> None:
        self._easel = easel
        self._commands = {(command.where, command.name): command for command in catalogue}
        self._titles = {
            command.title or command.name: command for command in catalogue if command.where is Where.MESSAGE
        }

    async def run(self, asked: Asked, turn: DiscordTurn) -> None:
        """Never raises, except to be cancelled."""
        name = ""
        try:
            command, given = self._find(asked)
            name = command.name
            await command.run(self._easel, turn, given)
        except Lost:
            return
        except EaselError as error:
            await _give_up(turn, error)
        except Exception as error:
            await _give_up(turn, apology(log, name, error))

    def suggest(self, asked: Asked) -> list[options.Json]:
        """What to offer for the option that is being typed; nothing rather than an error."""
        name, given = options.typed_name(asked.data)
        command = self._commands.get((Where.SLASH, name))
        wanted, text = options.focused(given)
        for option in command.options if command else ():
            if option.name == wanted and option.suggest is not None:
                return options.suggestions(option.suggest(self._easel, text))
        return []

    def _find(self, asked: Asked) -> tuple[Command, Options]:
        """Raises BadRequest for a bad value, and for a button that an older version of Easel made."""
        match asked.type:
            case int(kind) if kind == COMMAND and asked.data.get("type") == MESSAGE_COMMAND:
                return self._known(self._titles.get(asked.data["name"])), options.on_message(asked.data, asked.channel)
            case int(kind) if kind == COMMAND:
                return self._typed(asked)
            case int(kind) if kind == COMPONENT:
                verb, given = options.pressed(asked.data["custom_id"]) or ("", {})
                return self._known(self._commands.get((Where.BUTTON, verb))), given
            case int(kind) if kind == FORM:
                return self._form(asked)
            case _:
                return self._known(None), {}

    def _typed(self, asked: Asked) -> tuple[Command, Options]:
        name, given = options.typed_name(asked.data)
        command = self._known(self._commands.get((Where.SLASH, name)))
        return command, options.checked(command, given, asked.data.get("resolved") or {}, self._easel)

    def _form(self, asked: Asked) -> tuple[Command, Options]:
        verb, job = options.form_name(asked.data["custom_id"]) or ("", "")
        command = self._known(self._commands.get((Where.FORM, verb)))
        return command, options.filled(command, job, asked.data.get("components") or (), self._easel)

    def _known(self, command: Command | None) -> Command:
        if command is None:
            raise BadRequest("I no longer know that one. Type / to see what I can do.")
        return command


def is_suggestion(asked: Asked) -> bool:
    return asked.type == AUTOCOMPLETE


async def _give_up(turn: DiscordTurn, error: EaselError) -> None:
    try:
        await turn.give_up(cards.refused(error))
    except Lost:
        return
