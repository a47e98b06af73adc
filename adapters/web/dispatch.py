"""From what the page asks to the command that answers it, and from whatever that raises to a kind word."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from adapters.web.board import Board
from adapters.web.people import Person
from adapters.web.turn import Question, WebTurn
from adapters.web.uploads import Uploads
from adapters.web.views import Json
from adapters.web.wire import Refusal, refused
from bot.apology import apology
from bot.easel import Easel
from bot.errors import BadRequest, EaselError, TryAgain
from bot.tasks import ended
from commands import typed, values
from commands.spec import Attachment, Choice, Command, Kind, Options, Where

log = structlog.get_logger(__name__)

MOST_RECENT = 2000
SOURCES = ("image", "mask")
_NAMED = re.compile(r"/(?P<name>[A-Za-z]+)(?=\s|$)")

Found = tuple[Command, Options]


class Dispatch:
    """The catalogue by name, and the answers of late: what the page sends again is answered the same again."""

    def __init__(
        self, catalogue: Sequence[Command], easel: Easel, board: Board, uploads: Uploads, *, moderates: bool
    ) -> None:
        self._catalogue = catalogue
        self._easel = easel
        self._board = board
        self._uploads = uploads
        self._moderates = moderates
        self._commands = {(command.where, command.name): command for command in catalogue}
        self._recent: OrderedDict[str, asyncio.Future[Json]] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()

    async def answer(self, question: Question, find: Callable[[], Found]) -> Json:
        """Run the command that `find` names, once for each request. Its first answer; the command may still go on.

        Raises Refusal for misuse of the wire.
        """
        key = f"{question.person.id}:{question.request}"
        if key not in self._recent:
            try:
                command, options = find()
            except EaselError as error:
                return refused(error)
            turn = WebTurn(question, self._board, self._uploads, moderates=self._moderates)
            self._remember(key, turn.answer)
            task = asyncio.create_task(self._run(turn, command, options))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await asyncio.shield(self._recent[key])

    def _remember(self, key: str, answer: asyncio.Future[Json]) -> None:
        self._recent[key] = answer
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)

    async def ended(self, seconds: float) -> None:
        """Let what runs end by itself for so long, then end it."""
        await ended(self._running, seconds)

    async def _run(self, turn: WebTurn, command: Command, options: Options) -> None:
        try:
            await command.run(self._easel, turn, options)
            await turn.finish()
        except EaselError as error:
            await turn.give_up(error)
        except Exception as error:
            await turn.give_up(apology(log, command.name, error, of="page"))
        except asyncio.CancelledError:
            await turn.give_up(TryAgain("Easel is restarting. Please ask again in a moment."))
            raise

    # ---- what was asked ----

    def say(self, person: Person, text: str, sources: Mapping[str, str]) -> Found:
        """A typed line. Raises BadRequest; also for `/imagin`, which would draw a picture of a slip of the finger."""
        self._check_name(text.strip())
        added = self._sources(person, sources)
        pictures = [added[name] for name in SOURCES if name in added]
        line = typed.read(text, self._easel, self._catalogue, pictures)
        self._check_meant(text.strip(), line.command)
        if line.lacks:
            raise _lacking(line.command, line.lacks[0])
        return line.command, line.options

    def fill(self, person: Person, name: str, given: Mapping[str, Any], sources: Mapping[str, str]) -> Found:
        """A command with its options, from the form view. Raises BadRequest."""
        command = self._known(Where.SLASH, name.lower())
        taken = {option.name for option in command.options if option.kind is Kind.PICTURE}
        added = {name: upload for name, upload in self._sources(person, sources).items() if name in taken}
        options = self._checked(command, given) | added
        lacks = [option.name for option in command.options if option.required and option.name not in options]
        if lacks:
            raise _lacking(command, lacks[0])
        return command, options

    def press(self, verb: str, job: str, argument: int) -> Found:
        return self._known(Where.BUTTON, verb), {"job": job, "argument": argument}

    def submit(self, verb: str, job: str, fields: Mapping[str, Any]) -> Found:
        """A form that came back; an empty field is absent."""
        command = self._known(Where.FORM, verb)
        return command, {**self._checked(command, fields), "job": job}

    def use(self, name: str, message: str) -> Found:
        return self._known(Where.MESSAGE, name), {"message": message}

    def suggest(self, name: str, option: str, text: str) -> list[Choice]:
        """What to offer for the option that is being typed; nothing rather than an error."""
        command = self._commands.get((Where.SLASH, name))
        for one in command.options if command else ():
            if one.name == option and one.suggest is not None:
                return one.suggest(self._easel, text)
        return []

    def _check_name(self, text: str) -> None:
        match = _NAMED.match(text)
        names = {command.name.split()[0] for command in self._catalogue if command.where is Where.SLASH}
        if match is None or match["name"].lower() in names:
            return
        near = difflib.get_close_matches(match["name"].lower(), names, n=1)
        way_out = f"Did you mean /{near[0]}?" if near else "Type / to see what I can do."
        raise BadRequest(f"There is no /{match['name'][:40]}. {way_out}")

    def _check_meant(self, text: str, command: Command) -> None:
        """Raise BadRequest where a command after a slash would be drawn as a prompt: that costs money."""
        match = _NAMED.match(text)
        if match is None or command.name.split()[0] == (name := match["name"].lower()):
            return
        meant = next(it for it in self._catalogue if it.where is Where.SLASH and it.name.split()[0] == name)
        picture = next((it.name for it in meant.options if it.required and it.kind is Kind.PICTURE), None)
        if picture is not None:
            raise _lacking(meant, picture)
        raise BadRequest(f"/{name} doesn't take that: {meant.description}. To draw it, leave out the slash.")

    def _known(self, where: Where, name: str) -> Command:
        """Raises BadRequest for what an older page still offers."""
        command = self._commands.get((where, name))
        if command is None:
            raise BadRequest("I no longer know that one. Type / to see what I can do.")
        return command

    def _checked(self, command: Command, given: Mapping[str, Any]) -> dict[str, object]:
        known = {option.name: option for option in command.options}
        return {
            name: values.value(known[name], _plain(name, value), self._easel)
            for name, value in given.items()
            if name in known and known[name].kind is not Kind.PICTURE and not _is_empty(value)
        }

    def _sources(self, person: Person, given: Mapping[str, str]) -> dict[str, Attachment]:
        return {name: self._uploads.attachment(given[name], person.id, name) for name in SOURCES if given.get(name)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(name: str, value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise Refusal(400, f"“{name}” is no text, number or switch.")
    return value


def _lacking(command: Command, name: str) -> BadRequest:
    option = next(it for it in command.options if it.name == name)
    example = f" For example: /{command.name} {command.example}" if command.example else ""
    told = option.description[:1].lower() + option.description[1:]
    return BadRequest(f"/{command.name} needs {name}: {told}.{example}", field=name)
