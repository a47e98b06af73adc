"""A local Slack: Web API, Socket Mode and signed HTTP, for the real slack-bolt in a real process, and people to ask it
things.

    async with SlackServer() as server:
        channel, ana = server.channel("pictures"), server.user("ana")
        …start the bot with base_url=server.api, token=server.team.token, app token=server.app_token…
        await server.online(2)                                  # two Socket Mode connections
        asked = await server.type(ana, channel, "/imagine a red fox")
        await server.until(lambda: len(server.visible(channel)) == 1 and server.visible(channel)[0].pictures)
        assert server.violations == []

Whatever breaks one of Slack's rules is answered as Slack would, and kept in `violations`, as (method or what a person
did, problems). Nothing here sleeps: `server.until`, `asked.until`, `asked.told` (something private was said) and
`asked.form` (a modal was opened) wait for what changes, and say what there is when it never does.

How a scenario is written
- The world: `user`, `channel` (`private=True`, `bot_inside=False`, its members), `direct` (a person's messages with the
  bot), `between` (people without it), `workspace`, `enterprise`, `install`. Tests may change fields at any time:
  `channel.bot_inside`, `archived`, `gone`, `user.admin`, `install.scopes`. With `server.register(manifest)` only the
  manifest's commands, shortcuts, events and scopes are there; without, all are.
- What people do: `type` (a slash command), `mention`, `direct_message`, `say`, `upload`, `press`, `choose`, `shortcut`,
  `message_shortcut`, `fill`, `change`, `submit`, `close_view`, `suggest`, `open_home`, `edit`, `remove`, `uninstall`,
  `approve` (the install page). What Slack's own client would not let them do (a command in a thread, an empty required
  field, an option that was never offered, another's private message) raises NotOffered. Each returns an Asked: `acked`
  (seconds), `ack_body`, `failed`, `errors` (by block id), `opened`, `modal`, `answers`, `private`.
- What they see: `visible(channel)`, `visible_to(user, channel)`, `by_bot(channel)`, `thread(message)`, `user.home`,
  `user.modals`; of a message `text` (what is read), `fallback` (the `text` argument), `buttons`, `pictures` (name, bytes,
  alt), `pings`, `history` of edits; of a view `text`, `buttons`, `errors`, `value(view, field)`.
- What goes wrong: `fail(method, …)` (see Fault), `refusing`, `cut_sockets(n)`, `refresh_sockets()`, `redeliver(asked)`,
  `share_delay` and `scan_delay` (seconds until an upload is there), `lost_shares`, `alt_text_loses_shares`, `limits`
  (`on`, `strict()`, `rates`, `refused`), `skip(seconds)`, `delivery.retries`.
- By HTTP: set `server.request_url` to the bot's address; the signing secret is `server.signing_secret`. `post_raw`,
  `forged`, `aged`, `replay`, `verify_url` ask what people can't.
- Installing: `server.approve(url, place)` follows a link of the install page and gives back the address to which
  Slack would send the browser.
"""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from tests.servers import slack_forms
from tests.servers.slack_asked import EVENT, Asked
from tests.servers.slack_chat import Chat
from tests.servers.slack_delivery import Delivery
from tests.servers.slack_filling import Filling
from tests.servers.slack_http import Answer
from tests.servers.slack_payloads import Payloads
from tests.servers.slack_uploads import Uploads
from tests.servers.slack_views import Views
from tests.servers.slack_web import Web
from tests.servers.slack_world import Enterprise, Team, View

DELAY = 0.05


class SlackServer(Filling):
    """One workspace, `server.team`, has the app from the start. `share_delay` and `scan_delay` in seconds."""

    def __init__(self, *, port: int = 0, share_delay: float = DELAY, scan_delay: float = DELAY) -> None:
        super().__init__(share_delay=share_delay, scan_delay=scan_delay)
        self._port = port
        self.chat = Chat(self)
        self.uploads = Uploads(self, self.chat)
        self.view_methods = Views(self)
        self.payloads = Payloads(self, self.view_methods)
        self.delivery = Delivery(self, self.view_methods)
        self.socket = self.delivery.socket
        self.web = Web(self, self.chat, self.uploads, self.view_methods, self.socket)
        self.events = self.echoed
        self._runner: web.AppRunner | None = None
        self.workspace()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 28)
        app.add_routes(self.web.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.delivery.http.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.timers.cancel()
        await self.delivery.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api(self) -> str:
        """What the SDK takes as `base_url`."""
        return f"{self.url}/api/"

    # ---- Socket Mode ----

    async def online(self, connections: int = 1, timeout: float = 15.0) -> None:
        """Until the app has so many Socket Mode connections."""
        await self.until(lambda: len(self.socket.live) >= connections, timeout)

    def cut_sockets(self, how_many: int | None = None) -> int:
        """Reset so many connections without a goodbye, or all. Returns how many it were."""
        return self.socket.cut(how_many)

    async def refresh_sockets(self) -> None:
        """Ask the app to reconnect everything, as Slack does every few hours."""
        await self.socket.refresh()

    # ---- HTTP ----

    @property
    def request_url(self) -> str:
        return self.delivery.http.request_url

    @request_url.setter
    def request_url(self, url: str) -> None:
        self.delivery.http.request_url = url

    async def post_raw(self, body: str, content_type: str = "application/json", **how: Any) -> Answer:
        """POST this to the app, signed; `age` in seconds, `secret`, `signature` and `headers` change how."""
        return await self.delivery.http.request(body, content_type, **how)

    async def verify_url(self, challenge: str = "a challenge") -> Answer:
        """What Slack asks when the request address is entered."""
        body = f'{{"token": "{self.verification_token}", "type": "url_verification", "challenge": "{challenge}"}}'
        return await self.post_raw(body)

    async def forged(self, asked: Asked) -> Answer:
        """The same request under another secret."""
        return await self.post_raw(*self.delivery.http.written(asked), secret="not the signing secret")

    async def aged(self, asked: Asked, seconds: float = 400.0) -> Answer:
        """The same request, properly signed so long ago."""
        return await self.post_raw(*self.delivery.http.written(asked), age=seconds)

    async def replay(self, asked: Asked) -> Answer:
        """The very same request once more, as a retry if it is an event."""
        headers = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"} if asked.kind == EVENT else {}
        return await self.post_raw(*self.delivery.http.written(asked), headers=headers)

    def redeliver(self, asked: Asked) -> None:
        """Send an event once more by the usual way, though it was acknowledged."""
        self.delivery.again(asked)

    # ---- installing ----

    def approve(self, url: str, place: Team | Enterprise) -> str:
        """A person allows what a link to Slack's install page asks for; the address that the browser is sent to.
        Raises ValueError for another app's link."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        if asked.get("client_id") != self.client_id:
            raise ValueError(f"not this app: {url}")
        install = self.prepare(place, [scope for scope in asked["scope"].split(",") if scope])
        code = f"code-{install.token[-8:]}"
        self.codes[code] = install
        back = asked.get("redirect_uri", "")
        return f"{back}?{urlencode({'code': code, 'state': asked.get('state', '')})}"

    # ---- seeing ----

    @staticmethod
    def value(view: View, name: str) -> Any:
        """What stands in a field of a form: a text, an option's value, a list of values or of file names."""
        return slack_forms.read(view, name)
