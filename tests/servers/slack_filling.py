"""What people do with forms on the local Slack: fill, send and close them, and search in their menus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.servers import slack_forms
from tests.servers.slack_asked import INTERACTIVE, Asked, NotOffered, Suggested
from tests.servers.slack_people import People
from tests.servers.slack_world import Message, User, View


class Filling(People):
    def fill(self, user: User, view: View, values: Mapping[str, Any]) -> None:
        """A person fills fields, named by block id, action id or label, without sending the form. A select takes a value
        or a text that is offered, a file input `(name, bytes)` or a list of them. Raises NotOffered."""
        self._sees(user, view)
        for name, given in values.items():
            slack_forms.enter(view, name, given, self._given(user))

    async def change(self, user: User, view: View, name: str, given: Any, *, wait: bool = True) -> Asked:
        """A person changes a field that tells the app at once (`dispatch_action`)."""
        self._sees(user, view)
        block, element = slack_forms.enter(view, name, given, self._given(user))
        if block["type"] == "input" and not block.get("dispatch_action"):
            raise NotOffered(f"{name!r} does not dispatch")
        return await self._acted(user, view, block, element, None, wait=wait)

    async def submit(
        self, user: User, view: View, values: Mapping[str, Any] | None = None, *, wait: bool = True
    ) -> Asked:
        """A person sends a form; what they don't fill stays as it is. Raises NotOffered where Slack's client keeps the
        form back: a required field is empty, a number out of range."""
        self.fill(user, view, values or {})
        if "submit" not in view.body or view is not user.modals[-1]:
            raise NotOffered(f"{view!r} can't be sent")
        lacking = slack_forms.lacking(view)
        if lacking:
            raise NotOffered(f"required: {lacking}")
        asked = self._asked(INTERACTIVE, f"submission {view.callback_id}", user, None)
        asked.view = view
        more = {"view": self.view_methods.payload(view), "response_urls": []}
        asked.payload = self.payloads.interaction(
            asked, "view_submission", trigger_id=self.payloads.trigger(asked), **more
        )
        return await self._sent(asked, wait=wait)

    async def close_view(self, user: User, view: View, *, everything: bool = False, wait: bool = True) -> Asked | None:
        """A person closes a form; the app is told only if it wanted to be (`notify_on_close`)."""
        self._sees(user, view)
        self.view_methods.close(view, everything=everything)
        if not view.body.get("notify_on_close"):
            return None
        asked = self._asked(INTERACTIVE, f"closed {view.callback_id}", user, None)
        more = {"view": self.view_methods.payload(view), "is_cleared": everything}
        asked.payload = self.payloads.interaction(asked, "view_closed", **more)
        return await self._sent(asked, wait=wait)

    async def suggest(self, user: User, where: Message | View, action_id: str, text: str) -> Suggested:
        """What the app offers for the text typed into an external select so far. Raises TimeoutError."""
        block, element = self._element(user, where, action_id)
        if "external" not in element["type"]:
            raise NotOffered(f"{action_id!r} asks the app for nothing")
        if len(text) < element.get("min_query_length", 3):
            raise NotOffered(f"Slack asks from {element.get('min_query_length', 3)} characters on")
        asked = self._asked(INTERACTIVE, f"suggestion {action_id}", user, None)
        more = self.payloads.place(where) | {"action_id": action_id, "block_id": block["block_id"], "value": text}
        asked.payload = self.payloads.interaction(asked, "block_suggestion", **more)
        await self._sent(asked, wait=True)
        if asked.acked is None:
            raise TimeoutError(f"no suggestions: {asked.failed}")
        body = asked.ack_body or {}
        found = [
            *(body.get("options") or ()),
            *(o for group in body.get("option_groups") or () for o in group["options"]),
        ]
        if isinstance(where, View):
            where.offered.setdefault(action_id, []).extend(found)
        return Suggested(tuple((each["text"]["text"], each["value"]) for each in found), asked.acked)
