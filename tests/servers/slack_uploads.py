"""Files of the local Slack: an upload address, the bytes, the completion, and the sharing that comes a little later.

docs.slack.dev/messaging/working-with-files. The answer to files.completeUploadExternal comes before the message is there: `shares` and
`mimetype` of files.info tell when it is.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from aiohttp import web

from tests.servers.slack_blocks import block_problems
from tests.servers.slack_call import Call, Refused
from tests.servers.slack_chat import Chat
from tests.servers.slack_elements import MESSAGE
from tests.servers.slack_seen import Payload
from tests.servers.slack_state import State, mimetype, slack_files
from tests.servers.slack_world import Channel, File, Install, Message, Share

ALT_LIMIT = 1000
LARGEST = 1 << 30


class Uploads:
    def __init__(self, state: State, chat: Chat) -> None:
        self.state = state
        self.chat = chat
        self._tickets: dict[str, File] = {}

    # ---- methods ----

    def address(self, call: Call) -> Payload:
        """files.getUploadURLExternal"""
        name, alt = call.text("filename"), call.text("alt_txt")
        length = int(call.text("length") or 0)
        if not name or length <= 0:
            raise Refused("invalid_arguments", "filename and a length above 0 are needed")
        if len(alt) > ALT_LIMIT:
            raise Refused("invalid_arguments", f"alt_txt has {len(alt)} characters")
        if length > LARGEST:
            raise Refused("file_upload_size_restricted", "a file has at most 1 GB")
        install, ticket = call.install, secrets.token_urlsafe(12)
        file = File(self.state.ids("F"), name, install.bot, length, alt=alt)
        file.upload_url = f"{self.state.url}/upload/v1/{ticket}"
        file.url = f"{self.state.url}/files-pri/{install.team.id}-{file.id}/{quote(name)}"
        self.state.files[file.id] = self._tickets[ticket] = file
        return {"upload_url": file.upload_url, "file_id": file.id}

    async def receive(self, request: web.Request) -> web.Response:
        """The bytes, raw or as a form's file."""
        file = self._tickets.get(request.match_info["ticket"])
        if file is None:
            self.state.violate("upload", ["no such upload address"])
            return web.Response(status=404, text="not found")
        if request.content_type == "multipart/form-data":
            part: Any = next(iter((await request.post()).values()), None)
            data = part.file.read() if isinstance(part, web.FileField) else b""
        else:
            data = await request.read()
        if len(data) != file.length:
            self.state.violate("upload", [f"{len(data)} bytes came, {file.length} were announced"])
            return web.Response(status=400, text="the length is not the announced one")
        file.data = data
        return web.Response(text=f"OK - {len(data)}")

    def complete(self, call: Call) -> Payload:
        """files.completeUploadExternal: answered at once, shared later."""
        files = [self._ready(call.install, each) for each in self._list(call)]
        channel, blocks = self._where(call), call.parsed("blocks") or []
        thread = self.chat.parent(channel, call) if channel else None
        comment = call.text("initial_comment")
        if blocks:
            self._blocks(call.install, comment, blocks, channel)
        for file, title in files:
            if file.completed:
                self.state.violate(call.method, [f"{file.id} was completed before: it is shared twice"])
            file.completed, file.title = True, title or file.name
        self._scan([file for file, _ in files])
        made = [file for file, _ in files]
        if channel is not None and not self._loses(made):
            self.state.timers.later(
                self.state.share_delay, lambda: self._share(call.install, channel, thread, made, comment, blocks)
            )
        return {"files": [{"id": file.id, "title": file.title} for file, _ in files]}

    def _loses(self, files: list[File]) -> bool:
        """Answered "ok", and shared nowhere."""
        if self.state.alt_text_loses_shares and any(file.alt for file in files):
            return True
        losing = self.state.lost_shares > 0
        self.state.lost_shares -= losing
        return losing

    def _list(self, call: Call) -> list[Payload]:
        given = call.parsed("files")
        if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
            raise Refused("invalid_arguments", "files must be a list of objects with an id")
        return given

    def _ready(self, install: Install, each: Payload) -> tuple[File, str]:
        file = self.state.files.get(str(each.get("id")))
        if file is None or file.owner is not install.bot:
            raise Refused("file_not_found", f"no upload {each.get('id')!r} of the app")
        if file.deleted:
            raise Refused("file_not_found")
        if file.data is None:
            raise Refused("file_not_found", f"{file.id} was completed before its bytes came")
        return file, str(each.get("title") or "")

    def _where(self, call: Call) -> Channel | None:
        if call.text("channels"):
            raise Refused("invalid_arguments", "one channel_id, please: what channels does is not modelled")
        name = call.text("channel_id")
        if name[:1] == "U":
            raise Refused("channel_not_found", "channel_id takes a conversation, not a person: open it first")
        return self.chat.room(call.install, name) if name else None

    def _blocks(self, install: Install, comment: str, blocks: Any, channel: Channel | None) -> None:
        problems = block_problems(blocks, MESSAGE)
        if comment:
            problems.append("initial_comment makes Slack ignore the blocks")
        if channel is None:
            problems.append("blocks without a channel")
        if isinstance(blocks, list) and any(block.get("type") == "markdown" for block in blocks):
            problems.append("a markdown block here gives internal_error")
        if not problems:
            problems = self.chat.problems(install, "", blocks, shared=True) if slack_files(blocks) else []
        if problems:
            raise Refused("invalid_blocks", *problems, messages=problems)

    def _scan(self, files: list[File]) -> None:
        def look() -> None:
            for file in files:
                file.mimetype = mimetype(file.data or b"")
            self.state.tell()

        self.state.timers.later(self.state.scan_delay, look)

    def _share(
        self,
        install: Install,
        channel: Channel,
        thread: str | None,
        files: list[File],
        comment: str,
        blocks: list[Payload],
    ) -> Message:
        """The message appears now, whatever was posted meanwhile."""
        made = self.state.post(
            channel, install.bot, comment, blocks=blocks, files=files, thread_ts=thread, bot_id=install.bot_id
        )
        for file in files:
            file.shares.append(Share(channel, made.ts, thread))
        self.state.tell(made)
        return made

    def info(self, call: Call) -> Payload:
        return {"file": self._seen(call).payload(), "comments": []}

    def delete(self, call: Call) -> Payload:
        """A message of nothing but this file goes with it."""
        file = self._seen(call)
        if file.owner is not call.install.bot:
            raise Refused("cant_delete_file", "not the app's own file")
        file.deleted = True
        for share in file.shares:
            message = share.channel.messages[share.ts]
            if not message.blocks and not message.fallback and all(each.deleted for each in message.files):
                self.state.remove(message)
            self.state.tell(message)
        return {}

    def _seen(self, call: Call) -> File:
        file = self.state.files.get(call.text("file"))
        if file is None:
            raise Refused("file_not_found", f"there never was a file {call.text('file')!r}")
        if file.deleted:
            raise Refused("file_deleted")
        if not self.sees(call.install, file):
            raise Refused("file_not_found")
        return file

    def sees(self, install: Install, file: File) -> bool:
        """Its own files, those of channels where it is, and those given to it in a form or a direct message."""
        if file.owner is install.bot or install.bot.id in file.seen_by:
            return True
        return any(share.channel.bot_inside and share.channel.team in install.teams for share in file.shares)

    # ---- download ----

    def download(self, request: web.Request, install: Install | None) -> web.Response:
        """url_private. Without a token that may see it, Slack shows its login page with status 200."""
        file = self.state.files.get(request.match_info["file"].partition("-")[2])
        allowed = install is not None and "files:read" in install.scopes and not install.revoked
        if file is None or file.deleted or file.data is None:
            return web.Response(status=404, text="file_not_found")
        if not allowed or install is None or not self.sees(install, file):
            self.state.violate("download", [f"no access to {file.id}"])
            return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
        return web.Response(body=file.data, content_type=file.mimetype or "application/octet-stream")
