"""What the local Slack sends out: the bodies of commands, interactions and events, in Slack's shapes."""

from __future__ import annotations

import secrets
from html import escape
from typing import Any

from tests.servers.slack_asked import Asked
from tests.servers.slack_forms import STATED, state
from tests.servers.slack_seen import Payload
from tests.servers.slack_state import APP_ID, ResponseUrl, State, Trigger
from tests.servers.slack_views import Views
from tests.servers.slack_world import Channel, Install, Message, Team, User, View


class Payloads:
    def __init__(self, state: State, views: Views) -> None:
        self.state = state
        self.views = views

    # ---- one-way tickets ----

    def trigger(self, asked: Asked) -> str:
        """Good for one view, for 3 s."""
        made = f"{len(self.state.triggers) + 1}.{int(self.state.clock())}.{secrets.token_hex(16)}"
        self.state.triggers[made] = Trigger(self.state.clock(), asked.user, asked)
        asked.trigger_id = made
        return made

    def response_url(self, asked: Asked) -> str:
        made = secrets.token_urlsafe(16)
        self.state.response_urls[made] = ResponseUrl(self.state.clock(), asked, message=asked.source)
        asked.response_url = f"{self.state.url}/commands/{made}"
        return asked.response_url

    # ---- commands ----

    def command(self, asked: Asked, command: str, text: str) -> Payload:
        """All strings, as the form carries them; `&`, `<` and `>` come escaped."""
        team, install = asked.team, asked.team.install
        assert asked.channel is not None
        fields = {
            "token": self.state.verification_token,
            "team_id": team.id,
            "team_domain": team.name,
            "channel_id": asked.channel.id,
            "channel_name": asked.channel.shown_name,
            "user_id": asked.user.id,
            "user_name": asked.user.name,
            "command": command,
            "text": escape(text, quote=False),
            "api_app_id": APP_ID,
            "is_enterprise_install": "true" if install and install.org_wide else "false",
            "response_url": self.response_url(asked),
            "trigger_id": self.trigger(asked),
        }
        if team.enterprise is not None:
            fields |= {"enterprise_id": team.enterprise.id, "enterprise_name": team.enterprise.name}
        return fields

    # ---- interactions ----

    def interaction(self, asked: Asked, kind: str, **more: Any) -> Payload:
        """What all interactions share. In an organisation-wide installation there is no `team`."""
        team, install = asked.team, asked.team.install
        org_wide = bool(install and install.org_wide)
        enterprise = {"id": team.enterprise.id, "name": team.enterprise.name} if team.enterprise else None
        return {
            "type": kind,
            "token": self.state.verification_token,
            "api_app_id": APP_ID,
            "user": asked.user.brief(),
            "team": None if org_wide else team.brief(),
            "enterprise": enterprise,
            "is_enterprise_install": org_wide,
            **more,
        }

    def place(self, where: Message | View) -> Payload:
        """Where something was pressed or typed."""
        if isinstance(where, View):
            return {"container": {"type": "view", "view_id": where.id}, "view": self.views.payload(where)}
        channel = where.channel
        container: Payload = {
            "type": "message",
            "message_ts": where.ts,
            "channel_id": channel.id,
            "is_ephemeral": where.ephemeral,
        }
        if where.thread_ts:
            container["thread_ts"] = where.thread_ts
        shown: Payload = {"container": container, "channel": {"id": channel.id, "name": channel.shown_name}}
        return shown if where.ephemeral else shown | {"message": where.payload()}

    def action(self, block: Payload, element: Payload, view: View | None, chosen: Payload | None) -> Payload:
        """One entry of `actions`."""
        made: Payload = {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": self.state.new_ts(),
        }
        if element["type"] == "button":
            return made | {name: element[name] for name in ("text", "value", "url", "style") if name in element}
        if element["type"] in STATED and view is not None:
            stated: Payload = state(view.blocks, view.typed)["values"][block["block_id"]][element["action_id"]]
            return made | stated
        return made | {"selected_option": chosen}

    # ---- events ----

    def event(self, team: Team, install: Install, event: Payload) -> Payload:
        enterprise = team.enterprise.id if team.enterprise else None
        return {
            "token": self.state.verification_token,
            "team_id": team.id,
            **({"enterprise_id": enterprise} if enterprise else {}),
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": self.state.ids("Ev"),
            "event_time": int(self.state.clock()),
            "authorizations": [
                {
                    "enterprise_id": enterprise,
                    "team_id": None if install.org_wide else team.id,
                    "user_id": install.bot.id,
                    "is_bot": True,
                    "is_enterprise_install": install.org_wide,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": secrets.token_hex(8),
        }

    @staticmethod
    def message_event(kind: str, message: Message) -> Payload:
        """`app_mention`, or `message` in direct messages."""
        channel: Channel = message.channel
        made = {**message.payload(), "type": kind, "channel": channel.id, "event_ts": message.ts}
        made["text"] = message.fallback
        if kind == "message":
            made["channel_type"] = "im"
            if message.files:
                made["subtype"] = "file_share"
        return made


def escaped(text: str, bot: User) -> str:
    """As messages carry what people type: `&`, `<` and `>` escaped, and the bot's mention by its id."""
    plain = escape(text, quote=False)
    for spelled in (f"@{bot.name}", escape(f"<@{bot.id}>", quote=False), escape("<@BOT>", quote=False)):
        plain = plain.replace(spelled, f"<@{bot.id}>")
    return plain
