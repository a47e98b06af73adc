"""From what was asked to the command that answers it, and from whatever that raises to a kind word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from adapters.slack import home, modals
from adapters.slack.ack import Ack
from adapters.slack.api import Down, Refused
from adapters.slack.asked import Asked, Kind, pressed
from adapters.slack.names import COMMAND, DIRECT, OPEN, ORIGINAL, SHORTCUT_VERBS
from adapters.slack.offers import Offers
from adapters.slack.originals import send_original
from adapters.slack.turn import NotHere, SlackTurn
from adapters.slack.wires import Wires
from adapters.slack.workspaces import Unknown, Workspace
from bot import cards
from bot.apology import apology
from bot.cards import Card, shorten
from bot.easel import Easel
from bot.errors import BadRequest, EaselError
from commands import typed
from commands.spec import Command, Options, Where

log = structlog.get_logger(__name__)

MODERATED = {"cancel", "delete", "spoiler"}
"""Commands in which it counts who is an admin."""
OPEN_DIRECT_WITHIN = 1.5
LAST_WORD = 1.0
"""Seconds to tell somebody that we stop."""


@dataclass(frozen=True, slots=True)
class Found:
    """What to run. `direct`: for the direct messages of whoever asked, wherever they did. `asks`: first, for the rest."""

    command: Command
    options: Options
    direct: bool = False
    asks: bool = False


class Dispatch:
    """The catalogue by the names under which Slack knows it, and what this platform has beside it."""

    def __init__(self, catalogue: Sequence[Command], easel: Easel, wires: Wires) -> None:
        self._catalogue = catalogue
        self._easel = easel
        self._wires = wires
        self._commands = {(command.where, command.name): command for command in catalogue}
        self._offers = Offers(catalogue)

    async def run(self, asked: Asked, ack: Ack) -> None:
        """Never raises, except to be cancelled."""
        try:
            await self._take(asked, ack)
        except Exception as error:  # before there was a turn to tell it in, e.g. the database's
            apology(log, asked.kind, error)

    async def _take(self, asked: Asked, ack: Ack) -> None:
        try:
            workspace = await self._wires.workspaces.of(asked.team, asked.enterprise)
        except Unknown:
            log.info("asked in a workspace without a token")
            return
        if asked.kind is Kind.VIEW:
            asked = replace(asked, metadata=_place_of(asked.body["view"]))
        elif asked.kind is Kind.HOME:
            await self._publish(asked, workspace)
            return
        if await self._easel.store.delivered_as("slack", asked.delivery_key, 0) is not None:
            log.info("a command was delivered again")
            await ack()
            return
        await self._answer(asked, workspace, ack)
        if asked.from_home:
            await self._publish(asked, workspace)

    def suggest(self, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What to offer for what is typed into a field."""
        return modals.suggestions(payload, self._catalogue, self._easel)

    # ---- one answer ----

    async def _answer(self, asked: Asked, workspace: Workspace, ack: Ack) -> None:
        turn = await self._turn(asked, workspace, ack, direct=not asked.channel)
        name, found = "", None
        try:
            verb, job, argument = (
                pressed(asked.actions[0]) if asked.kind is Kind.BUTTON and asked.actions else ("", "", 0)
            )
            if verb == ORIGINAL:
                name = verb
                await send_original(self._easel, turn, job, argument)
                return
            found = await self._find(asked, verb, job, argument)
            name = found.command.name
            if found.direct:
                turn = await self._turn(asked, workspace, ack, direct=True)
            await self._run(found, turn)
        except EaselError as error:
            await self._give_up(asked, turn, error, found)
        except Exception as error:
            await self._give_up(asked, turn, apology(log, name, error), None)
        except asyncio.CancelledError:  # we stop: a message that says it is being worked on would say so for good
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORD):
                    await turn.give_up(cards.notice("I'm restarting. Please try again in a moment."))
            raise

    async def _run(self, found: Found, turn: SlackTurn) -> None:
        if found.asks:
            view = modals.command_modal(found.command, found.options, self._easel, metadata=turn.where)
            await turn.ask_view(view)
            return
        if found.command.name in MODERATED:
            await turn.look_up()
        await found.command.run(self._easel, turn, found.options)
        await turn.withdraw_unkept()

    async def _turn(self, asked: Asked, workspace: Workspace, ack: Ack, *, direct: bool) -> SlackTurn:
        name = asked.name or (await self._wires.people.person(workspace, asked.user)).name
        channel = await self._direct(asked, workspace) if direct else asked.channel
        return SlackTurn(
            self._wires,
            asked,
            workspace,
            self._easel,
            requester=asked.requester(name),
            place=asked.place(channel),
            ack=ack,
        )

    async def _direct(self, asked: Asked, workspace: Workspace) -> str:
        """Else the person's own id: Slack opens their direct messages for a message to it."""
        with contextlib.suppress(Refused, Down):
            return await self._wires.people.direct(workspace, asked.user, patience=OPEN_DIRECT_WITHIN)
        return asked.user

    # ---- finding ----

    async def _find(self, asked: Asked, verb: str, job: str, argument: int) -> Found:
        """Raises BadRequest or FieldErrors for what makes no sense, and for what an older version of Easel made."""
        match asked.kind:
            case Kind.COMMAND | Kind.MENTION:
                return self._typed(asked)
            case Kind.BUTTON if verb == DIRECT:
                return Found(*self._offers.taken(_value(asked)), direct=True)
            case Kind.BUTTON if verb == OPEN:
                return Found(self._known(Where.SLASH, typed.DRAWING), {}, asks=True)
            case Kind.BUTTON:
                return Found(self._known(Where.BUTTON, verb), {"job": job, "argument": argument})
            case Kind.SHORTCUT:
                return Found(self._known(Where.SLASH, typed.DRAWING), {}, asks=True)
            case Kind.ON_MESSAGE:
                return self._on_message(asked)
            case Kind.VIEW:
                return Found(*modals.submitted(asked.body["view"], self._catalogue, self._easel))
            case _:
                raise _outdated()

    def _typed(self, asked: Asked) -> Found:
        if asked.kind is Kind.MENTION and not asked.text and not asked.pictures:
            return Found(self._known(Where.SLASH, "help"), {})
        if asked.unreadable:  # to draw from the words alone is nothing that was asked for, and is paid for
            raise BadRequest(
                f"I can't read “{shorten(asked.unreadable, 60)}”, so nothing was drawn. Please add a PNG, JPEG or WebP."
            )
        line = typed.read(asked.text, self._easel, self._catalogue, asked.pictures)
        if not line.lacks:
            return Found(line.command, line.options)
        if not asked.trigger:
            raise BadRequest(_lacking(line.command.name, line.lacks[0]), field=line.lacks[0])
        return Found(line.command, line.options, asks=True)

    def _on_message(self, asked: Asked) -> Found:
        command = self._known(Where.MESSAGE, SHORTCUT_VERBS.get(str(asked.body.get("callback_id")), ""))
        options: dict[str, object] = {"message": asked.message_key, "job": asked.job_of_message}
        if asked.pictures:
            options["picture"] = asked.pictures[0]
        return Found(command, options)

    def _known(self, where: Where, name: str) -> Command:
        command = self._commands.get((where, name))
        if command is None:
            raise _outdated()
        return command

    # ---- when it fails ----

    async def _give_up(self, asked: Asked, turn: SlackTurn, error: EaselError, found: Found | None) -> None:
        if asked.kind is Kind.VIEW and not turn.answered:
            await turn.correct(modals.field_errors(error, asked.body["view"]))
            return
        await turn.give_up(self._refused(error, found))

    def _refused(self, error: EaselError, found: Found | None) -> Card:
        card = cards.refused(error)
        if isinstance(error, NotHere) and found is not None and not found.direct:
            return replace(card, actions=(*card.actions, self._offers.button(found.command, found.options)))
        return card

    # ---- App Home ----

    async def show_home(self, asked: Asked) -> None:
        """Once more what this opened."""
        with contextlib.suppress(Unknown):  # Easel was removed from there
            await self._publish(asked, await self._wires.workspaces.of(asked.team, asked.enterprise))

    async def _publish(self, asked: Asked, workspace: Workspace) -> None:
        try:
            self._wires.homes.opened(asked)
            view = await home.view(self._easel, asked.requester())
            await self._wires.api.call("views.publish", workspace.token, user_id=asked.user, view=view)
        except (Refused, Down) as error:
            log.info("the home was not shown", reason=str(error))
        except Exception as error:
            apology(log, "home", error)


def _place_of(view: Mapping[str, Any]) -> dict[str, Any]:
    """Where a modal's answer goes: where it says, else where it was opened."""
    where = modals.metadata(view)
    return {**where, "channel": modals.channel(view) or ""} if modals.asks_channel(view) else where


def _value(asked: Asked) -> str:
    """The offer on the button, without the argument behind it."""
    return str(asked.actions[0].get("value") or "").rpartition(":")[0]


def _lacking(command: str, option: str) -> str:
    if command == typed.DRAWING:
        return "Tell me what to draw, e.g.: a red fox in the snow --ar 16:9"
    return f"{COMMAND} {command} needs {option}. {COMMAND} help shows how."


def _outdated() -> BadRequest:
    return BadRequest(f"I no longer know that one. {COMMAND} help shows what I can do.")
