"""How the local Discord takes a bot's answers to what people asked: the first one, edits and follow-ups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiohttp import web

from tests.servers import discord_rules as rules
from tests.servers.discord_asked import ANSWERS, CHOICES, DEFER, DEFER_UPDATE, MESSAGE, MODAL, UPDATE, Ack, Asked, Modal
from tests.servers.discord_posting import ApiError, Body, json_answer, read, unknown
from tests.servers.discord_world import EPHEMERAL, LOADING, Message, Payload

if TYPE_CHECKING:
    from tests.servers.discord import DiscordServer


class Answers:
    """The callback of an interaction, and the webhook that its token opens."""

    def __init__(self, server: DiscordServer) -> None:
        self._server = server

    async def callback(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        asked = self._server.asked_by_id.get(int(request.match_info["interaction_id"]))
        lost = asked is None or asked.token != request.match_info["interaction_token"] or asked.failed or asked.expired
        if asked is None or lost:
            raise unknown("interaction")
        if asked.ack is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        kind, data = body.json["type"], body.json.get("data") or {}
        if kind not in ANSWERS[asked.kind]:
            problems = [f"type {kind} can't answer an interaction of type {asked.kind}"]
            self._server.violate(request.method, request.path, problems)
            raise ApiError(400, 50035, "Invalid Form Body", problems)
        message = self._first(request, asked, kind, data, body)
        now = self._server.clock()
        ephemeral = bool((data.get("flags") or 0) & EPHEMERAL) if kind in (MESSAGE, DEFER) else False
        asked.ack = Ack(now, kind, (now - asked.asked_at) * 1000, ephemeral)
        asked.changes.tell()
        if "with_response" not in request.query:
            return web.Response(status=204)
        about: Payload = {"id": str(asked.id), "type": asked.kind, "response_message_loading": kind == DEFER}
        resource: Payload = {"type": kind}
        if message is not None:
            about |= {"response_message_id": str(message.id), "response_message_ephemeral": message.ephemeral}
            if kind in (MESSAGE, UPDATE):
                resource["message"] = message.payload()
        return json_answer({"interaction": about, "resource": resource})

    def _first(self, request: web.Request, asked: Asked, kind: int, data: Payload, body: Body) -> Message | None:
        match kind:
            case int(k) if k == MESSAGE:
                ephemeral = asked.forced_ephemeral or bool((data.get("flags") or 0) & EPHEMERAL)
                message = self._server.posting.post(
                    request, data, body.uploads, asked.channel, ephemeral=ephemeral, only_for=asked.user
                )
                return self._original(asked, message)
            case int(k) if k == DEFER:
                self._server.posting.refuse(request, rules.defer(data))
                hidden = EPHEMERAL if asked.forced_ephemeral or (data.get("flags") or 0) & EPHEMERAL else 0
                only_for = asked.user if hidden else None
                message = self._server.posting.new(asked.channel, flags=LOADING | hidden, only_for=only_for)
                return self._original(asked, message)
            case int(k) if k == DEFER_UPDATE and asked.source is not None:
                asked.original = asked.source
                asked.watch(asked.source)
            case int(k) if k == UPDATE and asked.source is not None:
                asked.original = asked.source
                asked.watch(asked.source)
                self._server.posting.edit(request, asked.source, data, body.uploads, by="interaction")
                return asked.source
            case int(k) if k == MODAL:
                self._server.posting.refuse(request, rules.modal(data))
                asked.modal = Modal.read(data)
            case int(k) if k == CHOICES:
                choices = data.get("choices") or []
                self._server.posting.refuse(request, rules.suggestions(choices, _focused_type(asked.data["options"])))
                asked.choices = choices
        return None

    def _original(self, asked: Asked, message: Message) -> Message:
        message.interaction = {
            "id": str(asked.id),
            "type": asked.kind,
            "user": asked.user.payload(),
            "authorizing_integration_owners": {},
        }
        asked.original = message
        asked.attach(message)
        return message

    def _hooked(self, request: web.Request) -> Asked:
        asked = self._server.asked.get(request.match_info["webhook_token"])
        if asked is None or asked.ack is None:
            raise unknown("Webhook")
        if asked.expired or self._server.clock() - asked.created_at > self._server.token_life:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        if asked.channel.gone:
            raise unknown("Channel")
        return asked

    def _hook_target(self, request: web.Request) -> Message:
        asked = self._hooked(request)
        number = request.match_info.get("message_id")
        if number is None:
            message = asked.original
        else:
            known = [*asked.messages, *([asked.original] if asked.original else [])]
            message = next((one for one in known if str(one.id) == number), None)
        if message is None or message.deleted:
            raise unknown("Message")
        return message

    async def follow_up(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        asked = self._hooked(request)
        if asked.user_installed and asked.followups >= 5:
            raise ApiError(400, 40094, "This interaction has reached the maximum number of follow up messages")
        original = asked.original
        if original is not None and original.thinking:  # the first follow-up becomes the deferred answer itself
            self._server.posting.edit(request, original, body.json, body.uploads, by="interaction")
            return json_answer(original.payload())
        asked.followups += 1
        ephemeral = asked.forced_ephemeral or bool((body.json.get("flags") or 0) & EPHEMERAL)
        message = self._server.posting.post(
            request, body.json, body.uploads, asked.channel, ephemeral=ephemeral, only_for=asked.user
        )
        asked.attach(message)
        asked.changes.tell()
        return json_answer(message.payload())

    async def hook_message(self, request: web.Request) -> web.StreamResponse:
        return json_answer(self._hook_target(request).payload())

    async def hook_edit(self, request: web.Request) -> web.StreamResponse:
        body = await read(request)
        self._server.posting.check(request, body.json)
        message = self._hook_target(request)
        self._server.posting.edit(request, message, body.json, body.uploads, by="interaction")
        return json_answer(message.payload())

    async def hook_delete(self, request: web.Request) -> web.StreamResponse:
        self._server.posting.delete(self._hook_target(request))
        return web.Response(status=204)


def _focused_type(options: Iterable[Payload]) -> int:
    """The type of the option that is being typed in, however deep it lies."""
    for option in options:
        if option.get("focused"):
            return int(option["type"])
        if option.get("options"):
            return _focused_type(option["options"])
    return 3
