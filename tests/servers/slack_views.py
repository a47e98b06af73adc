"""Views of the local Slack: modals opened by a trigger, stacked, updated and submitted, and each person's App Home."""

from __future__ import annotations

import secrets
from typing import Any

from tests.servers.slack_asked import Asked
from tests.servers.slack_blocks import read_json, view_problems
from tests.servers.slack_call import Call, Refused
from tests.servers.slack_elements import HOME, MODAL
from tests.servers.slack_forms import fields, state
from tests.servers.slack_seen import Payload
from tests.servers.slack_state import APP_ID, State, slack_files
from tests.servers.slack_world import Install, User, View

TRIGGER_LIFE = 3.0
DEPTH = 3
SHOWN = (
    "title",
    "submit",
    "close",
    "private_metadata",
    "callback_id",
    "external_id",
    "clear_on_close",
    "notify_on_close",
)


class Views:
    def __init__(self, state: State) -> None:
        self.state = state

    # ---- methods ----

    def open(self, call: Call) -> Payload:
        body = self._body(call, MODAL)
        asked, user = self._trigger(call)
        if user.modals:
            for each in user.modals:
                self._close(each)
            user.modals.clear()
        return self._answer(self._new(call.install, user, body, asked))

    def push(self, call: Call) -> Payload:
        body = self._body(call, MODAL)
        asked, user = self._trigger(call)
        if not user.modals:
            raise Refused("invalid_trigger_id", "only what is done in a modal may push")
        if len(user.modals) >= DEPTH:
            raise Refused("push_limit_reached", "a fourth view")
        return self._answer(self._new(call.install, user, body, asked))

    def update(self, call: Call) -> Payload:
        body = self._body(call, MODAL)
        view = self._known(call)
        if not view.open:
            raise Refused("not_found")
        if call.text("hash") and call.text("hash") != view.hash:
            raise Refused("hash_conflict")
        self._shows(call.install, view.user, body)
        self.change(view, body)
        return self._answer(view)

    def publish(self, call: Call) -> Payload:
        body = self._body(call, HOME)
        user = self.state.users.get(call.text("user_id"))
        if user is None or user.team not in call.install.teams:
            raise Refused("user_not_found", f"no user {call.text('user_id')!r}")
        self._shows(call.install, user, body)
        if user.home is None:
            user.home = self._made(call.install, user, "home", body)
        elif call.text("hash") and call.text("hash") != user.home.hash:
            raise Refused("hash_conflict")
        else:
            self.change(user.home, body)
        self.state.tell()
        return self._answer(user.home)

    def _body(self, call: Call, surface: str) -> Payload:
        try:
            body = read_json(call.arguments.get("view"))
        except ValueError:
            raise Refused("invalid_arguments", "view is no JSON") from None
        problems = view_problems(body, surface)
        if problems:
            raise Refused("invalid_arguments", *problems)
        return dict(body)

    def _shows(self, install: Install, viewer: User, body: Payload) -> None:
        """An image in a view shows only what its viewer may see; Slack's pages speak of the app alone, so this is the
        careful reading."""
        for name in slack_files(body["blocks"]):
            file = self.state.file_named(name)
            if file is None or file.deleted or not file.mimetype or file.kind not in ("png", "jpg", "gif"):
                raise Refused("invalid_arguments", f"no picture {name!r}")
            places = [share.channel for share in file.shares]
            if not any(not place.members or viewer in place.members for place in places):
                raise Refused("invalid_arguments", f"{viewer.name} has no access to {name!r}")

    def _trigger(self, call: Call) -> tuple[Asked, User]:
        trigger = self.state.triggers.get(call.text("trigger_id"))
        if trigger is None:
            raise Refused("invalid_trigger_id", f"no trigger {call.text('trigger_id')!r}")
        if trigger.used:
            raise Refused("exchanged_trigger_id", "a trigger is good for one view")
        age = self.state.clock() - trigger.born
        if age > TRIGGER_LIFE:
            raise Refused("expired_trigger_id", f"the trigger is {age:.1f} s old")
        trigger.used = True
        return trigger.asked, trigger.user

    def _known(self, call: Call) -> View:
        if call.text("view_id"):
            found = self.state.views.get(call.text("view_id"))
        else:
            wanted = call.text("external_id")
            found = next((v for v in self.state.views.values() if wanted and v.body.get("external_id") == wanted), None)
        if found is None:
            raise Refused("not_found", f"no view {call.text('view_id') or call.text('external_id')!r}")
        return found

    # ---- what is on the screen ----

    def _made(self, install: Install, user: User, kind: str, body: Payload) -> View:
        made = View(self.state.ids("V"), user, kind, {}, "", install)
        self.state.views[made.id] = made
        self.change(made, body)
        made.updates = 0
        return made

    def _new(self, install: Install, user: User, body: Payload, asked: Asked) -> View:
        self._shows(install, user, body)
        made = self._made(install, user, "modal", body)
        made.root = user.modals[0].id if user.modals else made.id
        made.previous = user.modals[-1].id if user.modals else None
        user.modals.append(made)
        asked.opened.append(made)
        asked.changes.tell()
        self.state.tell()
        return made

    def change(self, view: View, body: Payload) -> None:
        """What was typed stays in fields that keep their block id and action id."""
        view.body = {**body, "blocks": self.state.named(body["blocks"])}
        view.images = self.state.images(view.blocks)
        view.hash = f"{self.state.new_ts()}.{secrets.token_hex(4)}"
        view.updates += 1
        view.errors = {}
        kept = {(block["block_id"], element["action_id"]) for block, element in fields(view.blocks)}
        view.typed = {key: value for key, value in view.typed.items() if key in kept}
        view.changes.tell()
        self.state.tell()

    def _close(self, view: View) -> None:
        view.open = False
        view.changes.tell()

    def close(self, view: View, *, everything: bool = False) -> None:
        """Take a modal off the screen, or the whole stack."""
        for each in list(view.user.modals) if everything else [view]:
            self._close(each)
            if each in view.user.modals:
                view.user.modals.remove(each)
        self.state.tell()

    def submitted(self, asked: Asked, body: Any) -> None:
        """What the acknowledgement of a sent form does."""
        view = asked.view
        assert view is not None
        action = (body or {}).get("response_action")
        if action is None:
            if body:
                self.state.violate(asked.name, [f"not a response_action: {body}"])
            self.close(view)
        elif action == "clear":
            self.close(view, everything=True)
        elif action == "errors":
            self._errors(asked, view, body["errors"])
        elif action in ("update", "push"):
            self._replaced(asked, view, action, body["view"])
        else:
            self.state.violate(asked.name, [f"no such response_action: {action}"])

    def _errors(self, asked: Asked, view: View, errors: Payload) -> None:
        inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
        wrong = [f"no input block {name!r}" for name in errors if name not in inputs]
        wrong += [f"no sentence for {name!r}" for name, text in errors.items() if not isinstance(text, str) or not text]
        if wrong or not errors:
            self.state.violate(asked.name, wrong or ["errors without any"])
            return
        asked.errors, view.errors = dict(errors), dict(errors)
        view.changes.tell()

    def _replaced(self, asked: Asked, view: View, action: str, body: Payload) -> None:
        problems = view_problems(body, MODAL)
        if problems:
            self.state.violate(asked.name, problems)
        elif action == "update":
            self.change(view, body)
            asked.opened.append(view)
        elif len(view.user.modals) >= DEPTH:
            self.state.violate(asked.name, ["a fourth view"])
        else:
            self._new(view.install, view.user, body, asked)

    # ---- payloads ----

    def payload(self, view: View) -> Payload:
        """A view as answers and interactions carry it."""
        empty: Payload = {"title": None, "submit": None, "close": None, "private_metadata": "", "callback_id": ""}
        return {
            **empty,
            "external_id": "",
            "clear_on_close": False,
            "notify_on_close": False,
            **{name: view.body[name] for name in SHOWN if name in view.body},
            "id": view.id,
            "team_id": view.user.team.id,
            "type": view.kind,
            "blocks": view.blocks,
            "state": state(view.blocks, view.typed),
            "hash": view.hash,
            "previous_view_id": view.previous,
            "root_view_id": view.root or view.id,
            "app_id": APP_ID,
            "app_installed_team_id": view.user.team.id,
            "bot_id": view.install.bot_id,
        }

    def _answer(self, view: View) -> Payload:
        return {"view": self.payload(view)}
