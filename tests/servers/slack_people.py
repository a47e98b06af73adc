"""What people do on the local Slack: type, mention, press, fill forms, and what Slack's own client would not let them do."""

from __future__ import annotations

from collections.abc import Mapping

from tests.servers import slack_forms
from tests.servers.slack_asked import COMMAND, EVENT, INTERACTIVE, Asked, NotOffered
from tests.servers.slack_delivery import Delivery
from tests.servers.slack_payloads import Payloads, escaped
from tests.servers.slack_seen import Payload, elements
from tests.servers.slack_state import State
from tests.servers.slack_views import Views
from tests.servers.slack_world import IM, PUBLIC, Channel, File, Install, Message, Team, User, View

EVENT_SCOPES = {"app_mention": "app_mentions:read", "message.im": "im:history"}


class People(State):
    """Each of these waits for the app's acknowledgement (or its failure) unless `wait=False`."""

    delivery: Delivery
    payloads: Payloads
    view_methods: Views
    registered: Payload | None = None
    """The app's manifest; None: every command, shortcut and event is there."""

    # ---- commands and messages ----

    async def type(
        self, user: User, channel: Channel, line: str, *, thread: Message | None = None, wait: bool = True
    ) -> Asked:
        """A person sends a slash command, such as `/imagine a red fox`. Raises NotOffered, in a thread too."""
        command, _, text = line.partition(" ")
        if thread is not None:
            raise NotOffered(f"{command} is not supported in threads")
        if not command.startswith("/") or not self._has("slash_commands", "command", command):
            raise NotOffered(f"{command} is not a valid command")
        self._inside(user, channel)
        asked = self._asked(COMMAND, command, user, channel)
        asked.payload = self.payloads.command(asked, command, text.strip())
        return await self._sent(asked, wait=wait)

    def say(
        self,
        user: User,
        channel: Channel,
        text: str = "",
        *,
        thread: Message | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Message:
        """A person's own message. The app hears of it only through `mention` and `direct`."""
        self._inside(user, channel)
        kept = [self.keep(user, name, data) for name, data in (files or {}).items()]
        install = channel.team.install
        shown = escaped(text, install.bot) if install else text
        message = self.post(
            channel, user, shown, files=kept, thread_ts=thread.thread_ts or thread.ts if thread else None
        )
        self.shared(message)
        return message

    async def mention(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread: Message | None = None,
        files: Mapping[str, bytes] | None = None,
        wait: bool = True,
    ) -> Asked:
        """A person writes to the bot in a channel or a thread: `@easel a red fox`. Raises NotOffered where the bot is
        not: Slack then asks the person to invite it, and the app hears nothing."""
        if not channel.bot_inside:
            raise NotOffered(f"the app is not in {channel.name}: nothing is sent")
        bot = channel.team.bot
        named = text if f"@{bot.name}" in text or f"<@{bot.id}>" in text or "<@BOT>" in text else f"@{bot.name} {text}"
        message = self.say(user, channel, named, thread=thread, files=files)
        return await self._event(user, channel, "app_mention", message, wait=wait)

    async def direct_message(
        self,
        user: User,
        text: str,
        *,
        thread: Message | None = None,
        files: Mapping[str, bytes] | None = None,
        wait: bool = True,
    ) -> Asked:
        """A person writes to the bot in their direct messages."""
        channel = self.direct(user)
        message = self.say(user, channel, text, thread=thread, files=files)
        return await self._event(user, channel, "message.im", message, wait=wait)

    def upload(self, user: User, channel: Channel, name: str, data: bytes) -> Message:
        """A person posts a file."""
        return self.say(user, channel, files={name: data})

    async def edit(self, user: User, message: Message, text: str) -> None:
        """A person changes their own message; in direct messages the app is told (`message_changed`)."""
        message.fallback = text
        self.edited(message)
        if message.channel.kind == IM and message.channel.bot_inside:
            event = {"type": "message", "subtype": "message_changed", "message": message.payload(), "ts": self.new_ts()}
            event |= {"channel": message.channel.id, "channel_type": "im", "event_ts": event["ts"]}
            await self._sent(self._event_of(user, message.channel, "message.im", event), wait=True)

    # ---- buttons and shortcuts ----

    async def press(self, user: User, where: Message | View, button: str, *, wait: bool = True) -> Asked:
        """A person presses a button, named by its label, the label's end, or its action id. Raises NotOffered."""
        self._sees(user, where)
        for block, element in elements(where.blocks):
            label = element["text"]["text"] if element["type"] == "button" else ""
            if element["type"] == "button" and (button in (label, element.get("action_id")) or label.endswith(button)):
                return await self._acted(user, where, block, element, None, wait=wait)
        raise NotOffered(f"no button {button!r}: {where.buttons}")

    async def choose(
        self, user: User, where: Message | View, action_id: str, value: str, *, wait: bool = True
    ) -> Asked:
        """A person chooses from a menu, by value or text; its value is kept in a view's state."""
        block, element = self._element(user, where, action_id)
        if isinstance(where, View):
            slack_forms.enter(where, action_id, value, self._given(user))
            return await self._acted(user, where, block, element, None, wait=wait)
        for option in element.get("options") or ():
            if value in (option["value"], option["text"]["text"]):
                return await self._acted(user, where, block, element, option, wait=wait)
        raise NotOffered(f"{value!r} is not offered in {action_id!r}")

    def _element(self, user: User, where: Message | View, action_id: str) -> tuple[Payload, Payload]:
        self._sees(user, where)
        for block, element in elements(where.blocks):
            if element.get("action_id") == action_id:
                return block, element
        raise NotOffered(f"no {action_id!r} in {where!r}")

    async def _acted(
        self,
        user: User,
        where: Message | View,
        block: Payload,
        element: Payload,
        chosen: Payload | None,
        *,
        wait: bool,
    ) -> Asked:
        view = where if isinstance(where, View) else None
        message = where if isinstance(where, Message) else None
        name = f"{element['type']} {element['action_id']}"
        asked = self._asked(INTERACTIVE, name, user, message.channel if message else None)
        asked.source, asked.view = message, view
        more = self.payloads.place(where) | {"actions": [self.payloads.action(block, element, view, chosen)]}
        if view is None:
            more |= {"response_url": self.payloads.response_url(asked), "state": {"values": {}}}
        asked.payload = self.payloads.interaction(
            asked, "block_actions", trigger_id=self.payloads.trigger(asked), **more
        )
        return await self._sent(asked, wait=wait)

    async def shortcut(self, user: User, callback_id: str, *, wait: bool = True) -> Asked:
        """A person chooses a global shortcut."""
        if not self._has("shortcuts", "callback_id", callback_id, kind="global"):
            raise NotOffered(f"no shortcut {callback_id!r}")
        asked = self._asked(INTERACTIVE, f"shortcut {callback_id}", user, None)
        more = {"callback_id": callback_id, "trigger_id": self.payloads.trigger(asked), "action_ts": self.new_ts()}
        asked.payload = self.payloads.interaction(asked, "shortcut", **more)
        return await self._sent(asked, wait=wait)

    async def message_shortcut(self, user: User, message: Message, callback_id: str, *, wait: bool = True) -> Asked:
        """A person chooses a shortcut on a message."""
        self._sees(user, message)
        if message.ephemeral or not self._has("shortcuts", "callback_id", callback_id, kind="message"):
            raise NotOffered(f"no shortcut {callback_id!r} on {message!r}")
        asked = self._asked(INTERACTIVE, f"message shortcut {callback_id}", user, message.channel)
        asked.source = message
        asked.payload = self.payloads.interaction(
            asked,
            "message_action",
            callback_id=callback_id,
            trigger_id=self.payloads.trigger(asked),
            action_ts=self.new_ts(),
            message_ts=message.ts,
            channel={"id": message.channel.id, "name": message.channel.shown_name},
            message=message.payload(),
            response_url=self.payloads.response_url(asked),
        )
        return await self._sent(asked, wait=wait)

    # ---- the App Home, and leaving ----

    async def open_home(self, user: User, *, wait: bool = True) -> Asked:
        """A person opens the app's Home tab; what it publishes stands in `user.home`."""
        channel = self.direct(user)
        event: Payload = {"type": "app_home_opened", "user": user.id, "channel": channel.id, "tab": "home"}
        if user.home is not None:
            event["view"] = self.view_methods.payload(user.home)
        event["event_ts"] = self.new_ts()
        return await self._sent(self._event_of(user, channel, "app_home_opened", event), wait=wait)

    async def uninstall(self, team: Team, *, wait: bool = True) -> list[Asked]:
        """The app is taken out of a workspace: its token is dead before it hears of it."""
        install = team.install
        assert install is not None, f"the app is not installed in {team.name}"
        install.revoked = True
        someone = next(user for user in self.users.values() if user.team is team)
        events: list[Payload] = [
            {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [install.bot.id]}},
            {"type": "app_uninstalled"},
        ]
        heard = [each for each in events if self._subscribed(each["type"])]
        told = [self._event_of(someone, None, each["type"], each | {"event_ts": self.new_ts()}) for each in heard]
        for each in told:
            await self._sent(each, wait=wait)
        team.install = None
        return told

    # ---- how it goes out ----

    def _asked(self, kind: str, name: str, user: User, channel: Channel | None) -> Asked:
        made = Asked(kind, name, user, channel.team if channel else user.team, channel, {}, self.clock())
        if made.team.install is None:
            raise NotOffered(f"the app is not installed in {made.team.name}")
        self.asked.append(made)
        return made

    async def _sent(self, asked: Asked, *, wait: bool) -> Asked:
        self.delivery.deliver(asked)
        if wait:
            await asked.until(lambda asked: asked.over, 30.0)
        return asked

    async def _event(self, user: User, channel: Channel, name: str, message: Message, *, wait: bool) -> Asked:
        event = self.payloads.message_event("app_mention" if name == "app_mention" else "message", message)
        asked = self._event_of(user, channel, name, event)
        asked.source = message
        return await self._sent(asked, wait=wait)

    def _event_of(self, user: User, channel: Channel | None, name: str, event: Payload) -> Asked:
        asked = self._asked(EVENT, f"event {name}", user, channel)
        install = asked.team.install
        assert install is not None
        wanted = EVENT_SCOPES.get(name)
        if wanted and wanted not in install.scopes:
            raise NotOffered(f"{name} needs {wanted}")
        if not self._subscribed(name):
            raise NotOffered(f"the app does not listen to {name}")
        asked.payload = self.payloads.event(asked.team, install, event)
        return asked

    def echoed(self, install: Install, event: Payload) -> None:
        """The app hears about its own direct messages too; nobody waits for the acknowledgement."""
        if not self._subscribed("message.im") or install.revoked:
            return
        channel = self.channels[event["channel"]]
        asked = self._event_of(channel.members[0], channel, "message.im", event)
        asked.name = "event message.im (its own)"
        self.asked.remove(asked)
        self.delivery.deliver(asked)

    # ---- what Slack's client knows ----

    def register(self, manifest: Payload) -> None:
        """Take the app's manifest: only its commands, shortcuts and events are there from now on, and its scopes are
        what the first workspace grants."""
        self.registered = manifest
        scopes = frozenset(manifest["oauth_config"]["scopes"]["bot"])
        for install in self.installs.values():
            install.scopes = scopes

    def _has(self, feature: str, name: str, value: str, *, kind: str | None = None) -> bool:
        if self.registered is None:
            return True
        known = self.registered["features"].get(feature) or ()
        return any(each[name] == value and kind in (None, each.get("type")) for each in known)

    def _subscribed(self, event: str) -> bool:
        if self.registered is None:
            return True
        settings = self.registered.get("settings") or {}
        return event in (settings.get("event_subscriptions") or {}).get("bot_events", ())

    def _inside(self, user: User, channel: Channel) -> None:
        """People write in public channels as they like, elsewhere only as members."""
        if channel.archived or channel.gone:
            raise NotOffered(f"{channel.name} is closed")
        if channel.kind != PUBLIC and channel.members and user not in channel.members:
            raise NotOffered(f"{user.name} is not in {channel.name}")

    def _sees(self, user: User, where: Message | View) -> None:
        if isinstance(where, View):
            if where.user is not user or not where.open:
                raise NotOffered(f"{user.name} does not see {where!r}")
        elif where.deleted or where.only_for not in (None, user):
            raise NotOffered(f"{user.name} does not see {where!r}")

    def _given(self, user: User) -> slack_forms.Keep:
        def keep(name: str, data: bytes) -> File:
            file = self.keep(user, name, data)
            file.seen_by |= {install.bot.id for install in self.installs.values() if user.team in install.teams}
            return file

        return keep
