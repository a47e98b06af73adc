"""The names under which Slack and Easel know each other: they stand in the app's manifest and in its handlers alike."""

from __future__ import annotations

COMMAND = "/imagine"
"""The one slash command; all else is a word behind it."""

CREATE = "easel_create"
"""Global shortcut: the form for a picture."""
USE_AS_SOURCE = "easel_source"
"""Message shortcut: a new picture from this one."""
DETAILS = "easel_details"
"""Message shortcut: the prompt and every parameter."""
SPOILER = "easel_spoiler"
"""Message shortcut: cover the pictures of this message."""

SHORTCUT_VERBS = {USE_AS_SOURCE: "source", DETAILS: "details", SPOILER: "spoiler"}
"""Message shortcut → the MESSAGE command of the catalogue that it runs."""

BUTTON = "easel:"
"""How the action id of every button begins: `easel:<verb>:<n>`."""
INPUT = "easel_in:"
"""How the action id of every input of a modal begins: `easel_in:<option>`."""
COMMAND_VIEW = "easel_command"
"""Callback id of the modal that asks for a command's options."""
FORM_VIEW = "easel_form"
"""Callback id of the modal that asks for a form of a button's."""

ORIGINAL = "original"
"""Verb of this platform's own: send the uncovered picture to whoever presses."""
DIRECT = "direct"
"""Verb of this platform's own: draw it after all, for the direct messages."""
OPEN = "open"
"""Verb of this platform's own: open the form for a picture (App Home)."""

SCOPES = (
    "app_mentions:read",  # @easel in channels and threads
    "chat:write",
    "commands",
    "files:read",  # pictures to start from; whether an upload was shared
    "files:write",
    "im:history",  # what people write to the bot in its direct messages
    "im:write",
    "users:read",  # who is an admin, and may cancel and delete what others asked for
)
"""Of the bot's token, the least that does everything."""

EVENTS = ("app_home_opened", "app_mention", "app_uninstalled", "message.im", "tokens_revoked")

EVENTS_PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
