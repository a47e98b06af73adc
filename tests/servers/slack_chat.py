"""Messages of the local Slack: chat.*, ephemerals and response addresses."""

from __future__ import annotations

from typing import Any

from tests.servers.slack_blocks import TEXT_LIMIT, block_problems
from tests.servers.slack_call import Call, Refused
from tests.servers.slack_elements import MESSAGE
from tests.servers.slack_seen import Payload
from tests.servers.slack_state import ResponseUrl, State, slack_files
from tests.servers.slack_world import IM, PUBLIC, Channel, Install, Message

RESPONSE_LIFE = 30 * 60.0
RESPONSE_USES = 5


class Chat:
    def __init__(self, state: State) -> None:
        self.state = state

    # ---- where ----

    def place(self, install: Install, name: str, *, people: bool = False) -> Channel:
        """A channel that this installation may see. `people` takes a person's id for their direct messages."""
        channel = self.state.channels.get(name)
        if channel is None and people and name in self.state.users:
            user = self.state.users[name]
            if user.team in install.teams and not user.deleted:
                return self.state.direct(user)
        if channel is None:
            raise Refused("channel_not_found", f"there never was a channel {name!r}")
        if channel.gone or channel.team not in install.teams or (channel.kind != PUBLIC and not channel.bot_inside):
            raise Refused("channel_not_found")
        return channel

    def room(self, install: Install, name: str, *, people: bool = False) -> Channel:
        """A channel that this installation may write in."""
        channel = self.place(install, name, people=people)
        if channel.archived:
            raise Refused("is_archived")
        if not channel.bot_inside:
            raise Refused("not_in_channel")
        return channel

    def parent(self, channel: Channel, call: Call) -> str | None:
        """The thread to answer in."""
        ts = call.text("thread_ts")
        if not ts:
            return None
        message = channel.messages.get(ts)
        if message is None:
            raise Refused("thread_not_found", f"there never was a message {ts!r} in {channel.name}")
        if message.thread_ts not in (None, ts):
            raise Refused("cannot_reply_to_message", "thread_ts is a reply's, not its parent's")
        if message.ephemeral:
            raise Refused("cannot_reply_to_message", "thread_ts is an ephemeral message's")
        if message.deleted and not self.state.thread(message):
            raise Refused("thread_not_found")
        return ts

    # ---- what ----

    def content(self, install: Install, call: Call, *, shared: bool) -> tuple[str, list[Payload]]:
        """Text and blocks as they may stand in a message."""
        text, blocks = call.text("text"), call.parsed("blocks") or []
        problems = self.problems(install, text, blocks, shared=shared)
        if problems:
            raise Refused("invalid_blocks" if blocks else "msg_too_long", *problems, messages=problems)
        if not text and not blocks:
            raise Refused("no_text", "neither text nor blocks")
        if not text:
            self.state.violate(call.method, ["text is missing beside blocks"])
        return text, blocks

    def problems(self, install: Install, text: str, blocks: Any, *, shared: bool) -> list[str]:
        if len(text) > TEXT_LIMIT:
            return [f"[ERROR] text has {len(text)} characters"]
        found = block_problems(blocks, MESSAGE)
        return found or [problem for name in slack_files(blocks) for problem in self._file(install, name, shared)]

    def _file(self, install: Install, name: str, shared: bool) -> list[str]:
        """Slack's own answer to a file too early, foreign or of another kind is the same `invalid_blocks`."""
        file = self.state.file_named(name)
        if file is None or file.deleted or file.data is None:
            return [f"[ERROR] invalid slack file: there is no {name!r}"]
        if not file.mimetype:
            return [f"[ERROR] invalid slack file: {name!r} was not looked over yet"]
        if file.kind not in ("png", "jpg", "gif"):
            return [f"[ERROR] invalid slack file: {name!r} is {file.mimetype}"]
        inside = any(share.channel.bot_inside for share in file.shares)
        if not inside and (file.owner is not install.bot or shared):
            return [f"[ERROR] invalid slack file: {name!r} is shared nowhere that the app sees"]
        return []

    # ---- methods ----

    def post(self, call: Call) -> Payload:
        channel = self.room(call.install, call.text("channel"), people=True)
        thread = self.parent(channel, call)
        text, blocks = self.content(call.install, call, shared=False)
        made = self.state.post(
            channel,
            call.install.bot,
            text,
            blocks=blocks,
            thread_ts=thread,
            bot_id=call.install.bot_id,
            metadata=call.parsed("metadata"),
        )
        return {"channel": channel.id, "ts": made.ts, "message": made.payload()}

    def update(self, call: Call) -> Payload:
        channel = self.place(call.install, call.text("channel"))
        message = self._own(call, channel, "cant_update_message")
        text, blocks = self.content(call.install, call, shared=True)
        if call.arguments.get("file_ids"):
            self.state.violate(call.method, ["what file_ids does is documented nowhere"])
        message.fallback, message.blocks = text, self.state.named(blocks)
        self.state.edited(message)
        return {"channel": channel.id, "ts": message.ts, "text": text, "message": message.payload()}

    def delete(self, call: Call) -> Payload:
        channel = self.place(call.install, call.text("channel"))
        message = self._own(call, channel, "cant_delete_message")
        self.state.remove(message)
        return {"channel": channel.id, "ts": message.ts}

    def _own(self, call: Call, channel: Channel, error: str) -> Message:
        if channel.archived:
            raise Refused("is_archived")
        message = channel.messages.get(call.text("ts"))
        if message is None:
            raise Refused("message_not_found", f"there never was a message {call.text('ts')!r} in {channel.name}")
        if message.ephemeral:
            raise Refused("message_not_found", "an ephemeral message can't be changed by its ts")
        if message.author is not call.install.bot:
            raise Refused(error, "not the app's own message")
        if message.deleted:
            raise Refused("message_not_found")
        return message

    def ephemeral(self, call: Call) -> Payload:
        """Seen by one person, who must be in the channel; gone when they reload."""
        channel = self.room(call.install, call.text("channel"))
        user = self.state.users.get(call.text("user"))
        if user is None:
            raise Refused("user_not_in_channel", f"there is no user {call.text('user')!r}")
        if channel.members and user not in channel.members:
            raise Refused("user_not_in_channel")
        thread = self.parent(channel, call)
        text, blocks = self.content(call.install, call, shared=False)
        made = self.state.post(
            channel,
            call.install.bot,
            text,
            blocks=blocks,
            thread_ts=thread,
            only_for=user,
            bot_id=call.install.bot_id,
        )
        for asked in reversed(self.state.asked):
            if asked.user is user and asked.channel in (channel, None):
                asked.answers.append(made)
                asked.changes.tell()
                break
        return {"message_ts": made.ts}

    # ---- response addresses ----

    def respond(self, token: str, body: Any) -> tuple[int, str]:
        """POST to a response_url: a status and a text, as Slack answers there. Five uses within 30 minutes."""
        address = self.state.response_urls.get(token)
        problem = self._respond(address, body)
        if problem is None:
            return 200, "ok"
        self.state.violate("response_url", [problem])
        return (404 if problem in ("expired_url", "used_url") else 400), problem

    def _respond(self, address: ResponseUrl | None, body: Any) -> str | None:
        if address is None:
            return "no such address"
        if self.state.clock() - address.born > RESPONSE_LIFE:
            return "expired_url"
        if address.uses >= RESPONSE_USES:
            return "used_url"
        asked, install = address.asked, address.asked.team.install
        assert install is not None
        assert asked.channel is not None
        address.uses += 1
        source = address.message
        if body.get("delete_original"):
            if source is None:
                return "nothing to delete"
            self.state.remove(source)
            return None
        text, blocks = body.get("text") or "", body.get("blocks") or []
        problems = self.problems(install, text, blocks, shared=True)
        if problems or not (text or blocks):
            return problems[0] if problems else "no_text"
        if not text:
            return "text is missing beside blocks"
        if body.get("replace_original") and source is not None:
            source.fallback, source.blocks = text, self.state.named(blocks)
            self.state.edited(source)
            return None
        only_for = None if body.get("response_type") == "in_channel" else asked.user
        thread = body.get("thread_ts") or None
        made = self.state.post(
            asked.channel,
            install.bot,
            text,
            blocks=blocks,
            thread_ts=thread,
            only_for=only_for,
            bot_id=install.bot_id,
        )
        address.message = address.message or made
        asked.answers.append(made)
        asked.changes.tell()
        return None

    # ---- looking back ----

    def history(self, call: Call) -> Payload:
        channel = self.room(call.install, call.text("channel"))
        shown = [message for message in self.state.visible(channel) if message.thread_ts in (None, message.ts)]
        return self._page(call, list(reversed(shown)))

    def replies(self, call: Call) -> Payload:
        channel = self.room(call.install, call.text("channel"))
        parent = channel.messages.get(call.text("ts"))
        if parent is None:
            raise Refused("thread_not_found", f"there never was a message {call.text('ts')!r} in {channel.name}")
        return self._page(call, [*([] if parent.deleted else [parent]), *self.state.thread(parent)])

    def _page(self, call: Call, shown: list[Message]) -> Payload:
        oldest, latest = float(call.text("oldest") or 0), float(call.text("latest") or "inf")
        inside = [
            message
            for message in shown
            if oldest < float(message.ts) < latest or (call.flag("inclusive") and float(message.ts) in (oldest, latest))
        ]
        most = int(call.text("limit") or 100)
        return {"messages": [message.payload() for message in inside[:most]], "has_more": len(inside) > most}


def scope_prefix(channel: Channel) -> str:
    """The beginning of the scopes that read a channel of this kind."""
    return {PUBLIC: "channels", IM: "im", "mpim": "mpim"}.get(channel.kind, "groups")
