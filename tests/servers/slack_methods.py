"""The small methods of the local Slack's Web API: who the app is, who people are, which conversations there are."""

from __future__ import annotations

import base64

from tests.servers.slack_call import Call, Refused
from tests.servers.slack_chat import Chat
from tests.servers.slack_seen import Payload
from tests.servers.slack_state import State
from tests.servers.slack_world import IM, PUBLIC, Channel


class Small:
    def __init__(self, state: State, chat: Chat) -> None:
        self.state = state
        self.chat = chat

    # ---- OAuth and identity ----

    def exchange(self, authorization: str, arguments: Payload) -> Payload:
        """oauth.v2.access: the client by Basic authorization or in the form; a code is good once."""
        given = (arguments.get("client_id"), arguments.get("client_secret"))
        if authorization.startswith("Basic "):
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            given = (name, secret)
        if given != (self.state.client_id, self.state.client_secret):
            self.state.violate("oauth.v2.access", ["not this app's client id and secret"])
            return {"ok": False, "error": "bad_client_secret"}
        install = self.state.codes.pop(str(arguments.get("code")), None)
        if install is None:
            return {"ok": False, "error": "invalid_code"}
        for team in install.teams:
            team.install = install
        return {
            "ok": True,
            "access_token": install.token,
            "token_type": "bot",
            "scope": ",".join(sorted(install.scopes)),
            "bot_user_id": install.bot.id,
            "app_id": "A0EASEL",
            "team": None if install.org_wide else {"id": install.team.id, "name": install.team.name},
            "enterprise": {"id": install.enterprise.id, "name": install.enterprise.name}
            if install.enterprise
            else None,
            "is_enterprise_install": install.org_wide,
            "authed_user": {"id": self.state.user("installer", team=install.team, admin=True).id},
        }

    def auth_test(self, call: Call) -> Payload:
        install = call.install
        return {
            "url": f"https://{install.team.name}.slack.com/",
            "team": install.team.name,
            "user": install.bot.name,
            "team_id": install.team.id,
            "user_id": install.bot.id,
            "bot_id": install.bot_id,
            "is_enterprise_install": install.org_wide,
        } | ({"enterprise_id": install.enterprise.id} if install.enterprise else {})

    def revoke(self, call: Call) -> Payload:
        if not call.flag("test"):
            call.install.revoked = True
        return {"revoked": not call.flag("test")}

    def bot(self, call: Call) -> Payload:
        for install in self.state.installs.values():
            if install.bot_id == call.text("bot"):
                bot = {"id": install.bot_id, "name": install.bot.name, "app_id": "A0EASEL", "user_id": install.bot.id}
                return {"bot": bot | {"deleted": False}}
        raise Refused("bot_not_found", f"no bot {call.text('bot')!r}")

    def team(self, call: Call) -> Payload:
        team = self.state.teams.get(call.text("team") or call.install.team.id)
        if team is None or team not in call.install.teams:
            raise Refused("team_not_found", f"no workspace {call.text('team')!r}")
        return {"team": {"id": team.id, "name": team.name, "domain": team.name, "email_domain": "", "icon": {}}}

    def user(self, call: Call) -> Payload:
        user = self.state.users.get(call.text("user"))
        if user is None or user.team not in call.install.teams:
            raise Refused("user_not_found", f"no user {call.text('user')!r}")
        return {"user": user.payload(include_locale=call.flag("include_locale"))}

    # ---- conversations ----

    def channel(self, call: Call) -> Payload:
        return {"channel": self.chat.place(call.install, call.text("channel")).payload()}

    def join(self, call: Call) -> Payload:
        channel = self.chat.place(call.install, call.text("channel"))
        if channel.archived:
            raise Refused("is_archived")
        if channel.kind != PUBLIC:
            raise Refused("method_not_supported_for_channel_type", "only public channels can be joined")
        channel.bot_inside = True
        return {"channel": channel.payload()}

    def members(self, call: Call) -> Payload:
        channel = self.chat.place(call.install, call.text("channel"))
        inside = [call.install.bot] if channel.bot_inside else []
        return {"members": [user.id for user in [*channel.members, *inside]], **_last_page()}

    def open(self, call: Call) -> Payload:
        """The direct messages with one person; opening them again gives the same channel."""
        if call.text("channel"):
            channel = self.chat.place(call.install, call.text("channel"))
        else:
            names = [name for name in call.text("users").split(",") if name]
            if len(names) != 1:
                raise Refused("users_list_not_supplied", "one person, please: groups are not modelled")
            user = self.state.users.get(names[0])
            if user is None or user.team not in call.install.teams:
                raise Refused("user_not_found", f"no user {names[0]!r}")
            if user.bot:
                raise Refused("cannot_dm_bot", "an app can't write to a bot")
            if user.deleted:
                raise Refused("user_disabled")
            channel = self.state.direct(user)
        return {"channel": channel.payload() if call.flag("return_im") else {"id": channel.id}}

    def conversations(self, call: Call) -> Payload:
        """The conversations of the app itself, or those of a person where the app is too."""
        types = [each.strip() for each in (call.text("types") or "public_channel").split(",")]
        for each in types:
            prefix = {"public_channel": "channels", "private_channel": "groups"}.get(each, each)
            if f"{prefix}:read" not in call.install.scopes:
                raise Refused("missing_scope", f"{each} needs {prefix}:read", needed=f"{prefix}:read")
        user = self.state.users.get(call.text("user"))
        shown = [channel for team in call.install.teams for channel in team.channels if _type(channel) in types]
        inside = [channel for channel in shown if channel.bot_inside and not channel.gone]
        if user is not None and user is not call.install.bot:
            inside = [channel for channel in inside if user in channel.members]
        if call.flag("exclude_archived"):
            inside = [channel for channel in inside if not channel.archived]
        return {"channels": [channel.payload() for channel in inside], **_last_page()}


def _type(channel: Channel) -> str:
    return {PUBLIC: "public_channel", IM: "im", "mpim": "mpim"}.get(channel.kind, "private_channel")


def _last_page() -> Payload:
    return {"response_metadata": {"next_cursor": ""}}
