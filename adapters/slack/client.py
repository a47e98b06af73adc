"""The connection to Slack: logs in, receives what people ask by Socket Mode or HTTP, reopens messages."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from adapters.slack import homes, names, pages, sockets
from adapters.slack.ack import Ack
from adapters.slack.address import Address
from adapters.slack.api import Api
from adapters.slack.aside import Aside, ResponseUrl
from adapters.slack.asked import Asked, Kind, is_for_us
from adapters.slack.dispatch import Dispatch
from adapters.slack.installations import VaultInstallations, VaultStates
from adapters.slack.pace import Lateness, Rush, Seen, part_of
from adapters.slack.people import People
from adapters.slack.quiet import bolt_logger, quiet_libraries
from adapters.slack.reply import SlackReply
from adapters.slack.settings import SlackSettings
from adapters.slack.sockets import Sockets
from adapters.slack.wires import Wires
from adapters.slack.workspaces import Unknown, Workspaces
from bot.cards import notice
from bot.easel import Easel
from bot.errors import BadSettings
from bot.ports import Route
from bot.standing import any_there
from bot.tasks import cancelled, ended
from bot.vault import Vault
from commands.spec import Command

if TYPE_CHECKING:
    from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow

log = structlog.get_logger(__name__)

TOO_LATE = 4.0
"""Seconds after which a command is not worth the work: the person has read that it failed. Slack counts in whole ones."""
TOLD_TWICE = 600.0
"""Seconds in which the same thing may be delivered again."""
STAND_BACK = 0.5
"""Seconds that work waits at the most for the acknowledgements of others."""
MOST_CONNECTIONS = 10
"""Of one app, over all processes (docs.slack.dev/apis/events-api/using-socket-mode)."""
TAKEN_IN = 1.0
"""Seconds in which what was heard before a stop is still taken in."""
LAST_WORDS = 1.5
"""Seconds that commands have to end when the platform closes."""


class Slack:
    """A Platform (bot.ports)."""

    name = "slack"

    def __init__(
        self, settings: SlackSettings, catalogue: Sequence[Command] | None = None, *, processes: int = 1
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        quiet_libraries()
        api = Api(settings.api, own=settings.api_base)
        workspaces = Workspaces(api, settings.bot_token.get_secret_value())
        self._wires = Wires(api, workspaces, People(api), part_of(settings.progress_per_minute, processes))
        self._open = AsyncExitStack()
        self._logged_in = False
        self._app: AsyncApp | None = None
        self._states: VaultStates | None = None
        self._sockets: Sockets | None = None
        self._events, self._installing = pages.Events(), pages.Installing()
        self._dispatch: Dispatch | None = None
        self._lateness, self._seen, self._rush = Lateness(), Seen(TOLD_TWICE), Rush()
        self._turns: set[asyncio.Task[None]] = set()
        self._taking = True
        self._peers: set[int] = set()
        """Slots that receive, too."""
        self._present: Callable[[], Collection[int]] = tuple
        self._closed = asyncio.Event()

    # ---- Platform ----

    def routes(self) -> Sequence[Route]:
        found = []
        if self._settings.mode == "http":
            found.append(Route("POST", names.EVENTS_PATH, self._events.handle, guarded=False))
        if self._settings.many:
            found.append(Route("GET", names.INSTALL_PATH, self._installing.install))
            found.append(Route("GET", names.REDIRECT_PATH, self._installing.redirect, guarded=False))
        return found

    async def login(self, vault: Vault) -> None:
        if self._settings.many and vault.locked:
            raise BadSettings("EASEL_SECRET_KEY is missing: tokens of workspaces are only kept encrypted.")
        if not self._logged_in:  # else an earlier try found Slack down
            await self._open.enter_async_context(self._wires.api)
            self._logged_in = True
        installed = VaultInstallations(vault, self._settings.client_id) if self._settings.many else None
        await self._wires.workspaces.login(installed)
        if self._settings.mode == "socket":
            await sockets.try_token(self._wires.api, self._settings.app_token.get_secret_value())
        if self._app is None:
            self._build(installed, vault)

    def _build(self, installed: VaultInstallations | None, vault: Vault) -> None:
        """The app with its handlers. (bolt reads SLACK_* itself where it is told nothing: it is told everything.)"""
        flow: AsyncOAuthFlow | None = None
        if installed is not None:
            self._states = VaultStates(vault, self._settings.client_id)
            flow = pages.flow(self._settings, self._wires.api, installed, self._states, self._wires.workspaces.forget)
        self._app = AsyncApp(
            name="easel",
            logger=bolt_logger(),
            signing_secret=self._settings.signing_secret.get_secret_value(),
            client=self._wires.api.client(retrying=False),
            authorize=self._wires.workspaces,  # type: ignore[arg-type]  # it may find none, as bolt's own may
            oauth_flow=flow,
        )
        self._installing.flow = flow
        self._listen(self._app)
        self._events.attach(self._app)

    async def move_in(self, easel: Easel) -> None:
        """Let Homes follow jobs that run in other processes, and theirs those that run here."""
        if easel.bell.shared:
            self._wires.homes.ring = functools.partial(easel.bell.ring, homes.KIND)
            easel.bell.on(homes.KIND, self._wires.homes.heard)

    async def serve(self, easel: Easel) -> None:
        assert self._app is not None, "login comes first"
        catalogue = self._catalogue if self._catalogue is not None else _catalogue()
        if self._installing.flow is not None and easel.settings.public_url:
            self._installing.flow.settings.redirect_uri = f"{easel.settings.public_url}{names.REDIRECT_PATH}"
            self._installing.flow.settings.authorize_url_generator.redirect_uri = (
                self._installing.flow.settings.redirect_uri
            )
        self._dispatch = Dispatch(catalogue, easel, self._wires)
        self._peers = set(range(easel.settings.receivers)) - {easel.settings.slot}
        self._present = easel.present
        self._wires.homes.show = self._dispatch.show_home
        if self._settings.mode == "http":
            await self._closed.wait()
            return
        token = self._settings.app_token.get_secret_value()
        most = part_of(MOST_CONNECTIONS, easel.settings.receivers)
        self._sockets = Sockets(self._app, self._wires.api, token, min(self._settings.connections, most))
        serving = asyncio.create_task(self._sockets.serve())
        closing = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait({serving, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled([serving, closing])

    def reopen(self, address: str) -> SlackReply:
        """Raises ValueError for a text that is no address of ours."""
        return SlackReply(self._wires, Address.parse(address))

    async def sweep(self) -> int:
        """Forget who set out to add Easel and never came back."""
        return await self._states.sweep() if self._states else 0

    @property
    def ready(self) -> bool:
        if self._closed.is_set() or self._dispatch is None:
            return False
        return self._settings.mode == "http" or (self._sockets is not None and self._sockets.ready)

    async def stop_taking(self) -> None:
        if self._sockets is not None and self._peers and await any_there(self._peers, self._present):
            await self._sockets.leave()
        self._taking = False
        if self._turns:  # what was heard by now is still taken in
            await asyncio.wait(self._turns, timeout=TAKEN_IN)

    async def close(self) -> None:
        self._taking = False
        self._closed.set()
        await ended(self._turns, LAST_WORDS)
        await ended(self._wires.edits, LAST_WORDS)
        await self._wires.homes.close()
        await ended(set(self._wires.completing.values()), LAST_WORDS)
        if self._sockets is not None:
            await self._sockets.close()
        await self._open.aclose()

    # ---- what bolt hands over ----

    def _listen(self, app: AsyncApp) -> None:
        app.command(names.COMMAND)(self._on_command)
        app.event("app_mention")(self._on_message)
        app.event("message")(self._on_message)
        app.event("app_home_opened")(self._on_home)
        app.event("app_uninstalled")(self._on_removed)
        app.event("tokens_revoked")(self._on_revoked)
        app.shortcut(names.CREATE)(self._on_shortcut)
        for callback_id in names.SHORTCUT_VERBS:
            app.shortcut(callback_id)(self._on_message_shortcut)
        app.action(re.compile(f"^{names.BUTTON}"))(self._on_button)
        app.action(re.compile(f"^{names.INPUT}"))(self._on_input)
        app.options(re.compile(f"^{names.INPUT}"))(self._on_suggestion)
        app.view(names.COMMAND_VIEW)(self._on_view)
        app.view(names.FORM_VIEW)(self._on_view)

    async def _on_command(self, ack: Any, req: AsyncBoltRequest) -> None:
        await self._take(Kind.COMMAND, ack, req)

    async def _on_message(self, ack: Any, req: AsyncBoltRequest) -> None:
        event = req.body.get("event") or {}
        mine = event.get("type") == "app_mention" or event.get("channel_type") == "im"
        if mine and is_for_us(event):
            await self._take(Kind.MENTION, ack, req)

    async def _on_home(self, ack: Any, req: AsyncBoltRequest) -> None:
        if (req.body.get("event") or {}).get("tab") == "home":
            await self._take(Kind.HOME, ack, req)

    async def _on_shortcut(self, ack: Any, req: AsyncBoltRequest) -> None:
        await self._take(Kind.SHORTCUT, ack, req)

    async def _on_message_shortcut(self, ack: Any, req: AsyncBoltRequest) -> None:
        await self._take(Kind.ON_MESSAGE, ack, req)

    async def _on_button(self, ack: Any, req: AsyncBoltRequest) -> None:
        await self._take(Kind.BUTTON, ack, req)

    async def _on_input(self, ack: Any) -> None:
        """What is chosen in a modal counts when it comes back."""
        await ack()

    async def _on_view(self, ack: Any, req: AsyncBoltRequest) -> None:
        await self._take(Kind.VIEW, ack, req)

    async def _on_suggestion(self, ack: Any, payload: dict[str, Any]) -> None:
        offered = self._dispatch.suggest(payload) if self._dispatch and self._taking else []
        await ack(options=offered)

    async def _on_removed(self, req: AsyncBoltRequest) -> None:
        place = req.context
        team = "" if place.is_enterprise_install else place.team_id
        await self._cared_for(self._wires.workspaces.removed(team or "", place.enterprise_id or ""))

    async def _on_revoked(self, req: AsyncBoltRequest) -> None:
        if ((req.body.get("event") or {}).get("tokens") or {}).get("bot"):  # else it was a person's
            await self._on_removed(req)

    # ---- taking it ----

    async def _take(self, kind: Kind, say: Any, req: AsyncBoltRequest) -> None:
        """Acknowledge before anything that waits; a modal is acknowledged by its first answer."""
        if self._closed.is_set():  # the sockets close last; what nobody acknowledges is sent again, or seen to fail
            return
        self._rush.note(time.monotonic())
        asked = Asked(kind, req.body, req.headers)
        ack = Ack(say, view=kind is Kind.VIEW)
        if kind is not Kind.VIEW:
            await ack()
        if self._seen.again(f"{kind}:{asked.delivery_key}", time.monotonic()):
            log.info("told twice", kind=str(kind))
            await ack()
            return
        if self._is_late(asked):
            return
        running = self._cared_for(self._run(asked, ack))
        if kind is Kind.VIEW:
            await ack.in_time(running)

    def _cared_for(self, what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """In a task of ours, that `close` waits for."""
        running = asyncio.create_task(what)
        self._turns.add(running)
        running.add_done_callback(self._turns.discard)
        return running

    def _is_late(self, asked: Asked) -> bool:
        if asked.born is None:
            return False
        late = self._lateness.of(asked.born, time.time())
        if late > TOO_LATE:
            log.info("a command came too late", late=round(late, 1))
        return late > TOO_LATE

    async def _run(self, asked: Asked, ack: Ack) -> None:
        if ack.done:
            await self._stand_back()
        if self._taking and self._dispatch is not None:
            await self._dispatch.run(asked, ack)
        elif asked.kind is not Kind.HOME:
            await self._restarting(asked, ack)

    async def _stand_back(self) -> None:
        until = time.monotonic() + STAND_BACK
        while (pause := self._rush.wait(time.monotonic())) > 0 and time.monotonic() < until:  # noqa: ASYNC110 - a clock decides
            await asyncio.sleep(pause)

    async def _restarting(self, asked: Asked, ack: Ack) -> None:
        await ack()
        try:
            workspace = await self._wires.workspaces.of(asked.team, asked.enterprise)
        except Unknown:
            return
        response = ResponseUrl(asked.response_url, time.monotonic())
        aside = Aside(self._wires, workspace, asked.user, asked.channel, asked.thread, response)
        await aside.say(notice("I'm restarting. Please try again in a moment."))


def _catalogue() -> Sequence[Command]:
    from commands import CATALOGUE

    return CATALOGUE
