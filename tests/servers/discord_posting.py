"""How a body becomes a message on the local Discord: read, held against every rule, and applied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests.servers import discord_rules as rules
from tests.servers.discord_limits import Fault
from tests.servers.discord_world import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    SPOILER_FILE,
    Changes,
    Channel,
    Edit,
    File,
    Message,
    Payload,
    User,
    file_url,
    walk,
)

if TYPE_CHECKING:
    from tests.servers.discord import DiscordServer

_SENT_FLAGS = COMPONENTS_V2 | EPHEMERAL | 1 << 2 | 1 << 12


class ApiError(Exception):
    """An answer that is none of success, with Discord's JSON error code."""

    def __init__(self, status: int, code: int, message: str, problems: list[str] | None = None) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message, self.problems = status, code, message, problems or []

    def body(self) -> Payload:
        errors = {"_errors": [{"code": "INVALID", "message": problem} for problem in self.problems]}
        return {"message": self.message, "code": self.code, **({"errors": errors} if self.problems else {})}


def unknown(what: str) -> ApiError:
    codes = {"Channel": 10003, "Guild": 10004, "Message": 10008, "User": 10013, "Webhook": 10015, "interaction": 10062}
    return ApiError(404, codes[what], f"Unknown {what}")


@dataclass(slots=True)
class Body:
    """What one request carried. `uploads` are the parts named `files[n]`: name and bytes."""

    json: Any
    uploads: dict[int, tuple[str, bytes]] = field(default_factory=dict)


async def read(request: web.Request) -> Body:
    """Raises ApiError for anything but JSON, or multipart with `payload_json`."""
    if request.content_type == "multipart/form-data":
        return await _read_parts(request)
    raw = await request.read()
    if not raw:
        return Body({})
    if request.headers.get("Content-Type") != "application/json":
        raise ApiError(400, 50035, "Content-Type must be application/json")
    try:
        return Body(json.loads(raw))
    except ValueError:
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from None


async def _read_parts(request: web.Request) -> Body:
    body = Body({})
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read())
        if part.name == "payload_json":
            body.json = json.loads(data)
        elif part.name and part.name.startswith("files["):
            body.uploads[int(part.name[6:-1])] = part.filename or "file", data
    return body


class Posting:
    """Posts and edits messages; the one place where a rule's breach becomes a 400 and a violation."""

    def __init__(self, server: DiscordServer) -> None:
        self._server = server

    def check(self, request: web.Request, body: object) -> None:
        """Hold a whole body against Discord's own description."""
        if self._server.validate and self._server.spec is not None:
            resource = request.match_info.route.resource
            path = resource.canonical.removeprefix(self._server.api) if resource else request.path
            self.refuse(request, self._server.spec.problems(request.method, path, body))

    def refuse(self, request: web.Request, problems: list[str]) -> None:
        if problems and self._server.validate:
            self._server.violate(request.method, request.path, problems)
            raise ApiError(400, 50035, "Invalid Form Body", problems)

    def post(
        self,
        request: web.Request,
        body: Payload,
        uploads: Mapping[int, tuple[str, bytes]],
        channel: Channel,
        *,
        ephemeral: bool = False,
        only_for: User | None = None,
    ) -> Message:
        sending = rules.Sending(
            body, {n: (name, len(data)) for n, (name, data) in uploads.items()}, {}, size_limit=self._server.size_limit
        )
        self._hold(request, sending)
        if rules.empty(sending):
            raise ApiError(400, 50006, "Cannot send an empty message")
        flags = ((body.get("flags") or 0) & _SENT_FLAGS & ~EPHEMERAL) | (EPHEMERAL if ephemeral else 0)
        message = self.new(channel, flags=flags, only_for=only_for if ephemeral else None)
        self._apply(message, body, uploads)
        self._server.tell(message)
        return message

    def new(self, channel: Channel, *, flags: int, only_for: User | None = None, author: User | None = None) -> Message:
        message = Message(
            channel,
            self._server.snowflake(),
            author or self._server.bot,
            flags=flags,
            only_for=only_for,
            posted_at=self._server.clock(),
            changes=Changes(),
        )
        self._server.messages[message.key] = message
        return message

    def edit(
        self,
        request: web.Request,
        message: Message,
        body: Payload,
        uploads: Mapping[int, tuple[str, bytes]],
        *,
        by: str,
    ) -> None:
        sending = rules.Sending(
            body,
            {n: (name, len(data)) for n, (name, data) in uploads.items()},
            {file.id: file.name for file in message.files},
            was_v2=bool(message.flags & COMPONENTS_V2),
            had=frozenset(name for name in ("content", "embeds") if getattr(message, name)),
            editing=True,
            size_limit=self._server.size_limit,
        )
        self._hold(request, sending)
        self._apply(message, body, uploads)
        message.flags = (message.flags & ~LOADING) | ((body.get("flags") or 0) & COMPONENTS_V2)
        message.history.append(Edit(self._server.clock(), by, body, message.text))
        self._server.tell(message)

    def _hold(self, request: web.Request, sending: rules.Sending) -> None:
        if rules.too_large(sending):
            self._server.violate(request.method, request.path, ["a file is over attachment_size_limit"])
            raise ApiError(413, 40005, "Request entity too large")
        if self._server.validate:
            self.refuse(request, rules.message(sending))
            if sending.v2 and sending.body.get("components"):
                hidden = rules.invisible_files(sending.body["components"], sending.names)
                if hidden:
                    self._server.violate(request.method, request.path, [f"no component shows {sorted(hidden)}"])

    def _apply(self, message: Message, body: Payload, uploads: Mapping[int, tuple[str, bytes]]) -> None:
        if "content" in body:
            message.content = body["content"] or ""
        if "embeds" in body:
            message.embeds = body["embeds"] or []
        if "components" in body:
            message.components = numbered(body["components"] or [])
        if uploads or "attachments" in body:
            message.files = self._files(message, body.get("attachments"), uploads)

    def _files(
        self, message: Message, listed: list[Payload] | None, uploads: Mapping[int, tuple[str, bytes]]
    ) -> list[File]:
        """Files that an edit does not list are gone; `is_spoiler` and `description` may change on kept ones."""
        wanted = {int(entry["id"]): entry for entry in listed or ()}
        kept = [file for file in message.files if listed is None or file.id in wanted]
        for file in kept:
            _describe(file, wanted.get(file.id, {}))
        for file in set(message.files) - set(kept):
            self._server.files.pop(file.id, None)
        for number, (name, data) in sorted(uploads.items()):
            file = self.keep(message.channel, name, data)
            _describe(file, wanted.get(number, {}))
            kept.append(file)
        return kept

    def keep(self, channel: Channel, name: str, data: bytes) -> File:
        number = self._server.snowflake()
        file = File(number, name, data, file_url(self._server.url, channel.id, number, name))
        self._server.files[number] = file
        return file

    def delete(self, message: Message) -> None:
        message.deleted = True
        for file in message.files:
            self._server.files.pop(file.id, None)
        self._server.tell(message)


def _describe(file: File, entry: Payload) -> None:
    if "description" in entry:
        file.description = entry["description"]
    if entry.get("is_spoiler") is not None:
        file.flags = (file.flags & ~SPOILER_FILE) | (SPOILER_FILE if entry["is_spoiler"] else 0)


def numbered(parts: list[Payload]) -> list[Payload]:
    """Discord gives every component an id, counted from 1 from top to bottom, where none was sent."""
    taken = {part["id"] for part in walk(parts) if part.get("id")}
    number = 0
    for part in walk(parts):
        if not part.get("id"):
            number += 1
            while number in taken:
                number += 1
            part["id"] = number
    return parts


def json_answer(data: object, status: int = 200) -> web.Response:
    """discord.py takes an answer for JSON only if its type is exactly that, without a charset."""
    return web.Response(
        body=json.dumps(data).encode(), status=status, headers={"Content-Type": "application/json", "Via": "1.1 local"}
    )


def failed(fault: Fault) -> web.Response:
    body: Payload = {"message": fault.message or "injected", "code": fault.code}
    headers = {"Content-Type": "application/json"}
    if fault.via:
        headers["Via"] = "1.1 local"
    if fault.retry_after is not None or fault.status == 429:
        body |= {"retry_after": fault.retry_after or 0.1, "global": fault.is_global}
        headers["Retry-After"] = str(fault.retry_after or 0.1)
    return web.Response(body=json.dumps(body).encode(), status=fault.status or 500, headers=headers)


def too_many(wait: float, *, everywhere: bool) -> web.Response:
    headers = {"Content-Type": "application/json", "Via": "1.1 local", "Retry-After": f"{wait:.3f}"}
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": wait, "global": everywhere, "code": 0}
    return web.Response(body=json.dumps(body).encode(), status=429, headers=headers)
