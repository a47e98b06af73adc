"""One interaction and its one answer: a private word, a form, or the message that grows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import aiohttp
import structlog
from yarl import URL

from adapters.discord.address import message_of
from adapters.discord.asked import COMPONENT, Asked, FindRestricted
from adapters.discord.render import COMPONENTS_V2, EPHEMERAL, NO_MENTIONS, body, modal, private
from adapters.discord.reply import DiscordReply, Wires, follow_up
from adapters.discord.rest import Down, Refused
from bot.cards import Card, Form
from bot.errors import BadRequest, NotAllowed
from bot.jobs import Place, Requester
from bot.ports import DeliveryFailed
from commands.spec import Attachment

log = structlog.get_logger(__name__)

MESSAGE, DEFER, DEFER_UPDATE, MODAL = 4, 5, 6, 9
ANSWER_WITHIN = 2.5
"""Seconds for each try to answer; Discord waits three in all."""
LONGEST_PAUSE = 1.0
"""Seconds that a rate limit may hold up the second try."""
ALREADY_ANSWERED = 40060
READ_WITHIN = 30.0
"""Seconds for a whole file from Discord's CDN."""
CDN = {"cdn.discordapp.com", "media.discordapp.net"}


class Lost(Exception):
    """This interaction is not ours to answer: it is too old, or another process had it. Nothing may be done for it."""


class DiscordTurn:
    def __init__(self, wires: Wires, asked: Asked, *, restricted: FindRestricted, files: str | None = None) -> None:
        self._wires = wires
        self._asked = asked
        self._restricted = restricted
        self._files = URL(files).origin() if files else None
        """Who serves files beside Discord's CDN: the local server in front of which we run, and nothing else there."""
        self._answered = False
        self._reply: DiscordReply | None = None

    @property
    def requester(self) -> Requester:
        return self._asked.requester

    @property
    def place(self) -> Place:
        return self._asked.place(self._restricted)

    @property
    def locale(self) -> str:
        return self._asked.locale

    @property
    def delivery_key(self) -> str:
        return self._asked.id

    @property
    def moderates(self) -> bool:
        return self._asked.moderates

    @property
    def missing_permissions(self) -> tuple[str, ...]:
        return self._asked.missing_permissions

    # ---- the answer ----

    async def tell(self, card: Card, *, private: bool = True) -> None:
        if self._answered:
            await self._tell_more(card, alone=private)
        elif card.pictures:
            await self._tell_with_pictures(card, alone=private)
        else:
            await self._answer(MESSAGE, _alone(body(card), private))

    async def ask(self, form: Form) -> None:
        await self._answer(MODAL, modal(form))

    async def open(self, *, private: bool, brief: bool = False) -> DiscordReply:
        answer = await self._answer(DEFER, {"flags": EPHEMERAL} if private else {})
        message = _message_id(answer) or await self._look_up_message()
        self._reply = DiscordReply(self._wires, self._asked.address(message, private=private))
        await self._wires.rest.answers_first()
        return self._reply

    async def give_up(self, card: Card) -> None:
        """Say in the best place left that nothing comes of it: instead of "thinking…" if that is still there."""
        if self._reply is not None and not self._reply.started:
            await _close(self._reply, card)
        else:
            await self.tell(card)

    async def _tell_with_pictures(self, card: Card, *, alone: bool) -> None:
        """Uploads may take longer than the three seconds."""
        await _close(await self.open(private=alone), card)

    async def _look_up_message(self) -> str:
        address = self._asked.address("", private=False)
        path = f"/webhooks/{address.application}/{address.token}/messages/@original"
        try:
            answer = await self._wires.rest.request("GET", path, bucket=f"look {address.nonce}", patience=2.0)
        except (Refused, Down):
            return ""
        return str(json.loads(answer)["id"])

    async def _tell_more(self, card: Card, *, alone: bool) -> None:
        if self._reply is not None and alone:
            await self._reply.whisper(card)
            return
        address = self._asked.address("", private=alone)
        if address.token_left(self._wires.wall()) <= 0:
            return
        try:
            await follow_up(self._wires, address, card, alone=alone)
        except (Refused, Down) as error:
            log.info("a further word was lost", reason=str(error))

    async def _answer(self, kind: int, data: Mapping[str, Any]) -> Any:
        """Answer once. Whoever's answer is taken owns the interaction; raises Lost for everyone else."""
        if self._answered:
            raise RuntimeError("this interaction was answered before")
        self._answered = True
        payload: dict[str, Any] = {"type": kind, "data": data}
        try:
            return await self._wires.rest.answer(self._asked.id, self._asked.token, payload, timeout=ANSWER_WITHIN)
        except Down as down:
            return await self._answer_again(payload, down)
        except Refused as refused:
            self._lose(refused)

    async def _answer_again(self, payload: dict[str, Any], down: Down) -> Any:
        """Once: then "already answered" means that our first try came through, if it can have."""
        await asyncio.sleep(min(down.retry_after or 0.0, LONGEST_PAUSE))
        try:
            return await self._wires.rest.answer(self._asked.id, self._asked.token, payload, timeout=ANSWER_WITHIN)
        except Refused as refused:
            if not (down.sent and refused.code == ALREADY_ANSWERED):
                self._lose(refused)
            return {}
        except Down as again:
            log.warning("an interaction could not be answered", reason=again.reason)
            raise Lost from None

    def _lose(self, refused: Refused) -> NoReturn:
        log.info("an interaction was not ours", status=refused.status, code=refused.code)
        raise Lost from None

    # ---- files and messages ----

    async def read(self, attachment: Attachment, *, most: int) -> bytes:
        url = URL(attachment.key, encoded=True)
        if not self._trusts(url):
            raise BadRequest("That file is not on Discord. Please upload it with the command.")
        if attachment.bytes > most:
            raise _too_large(most)
        try:
            return await self._download(url, most)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise BadRequest("Discord did not hand out that file. Please add it again.") from None

    def _trusts(self, url: URL) -> bool:
        if url.scheme not in ("http", "https") or not url.host:
            return False
        return (url.scheme == "https" and url.host in CDN) or url.origin() == self._files

    async def _download(self, url: URL, most: int) -> bytes:
        timeout = aiohttp.ClientTimeout(total=READ_WITHIN)
        async with self._wires.rest.session.get(url, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise aiohttp.ClientError
            read = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                read += chunk
                if len(read) > most:
                    raise _too_large(most)
            return bytes(read)

    async def remove(self, address: str) -> None:
        channel, message = _known(address)
        try:
            if await self._is_under_the_button(message):
                await self._delete_with_token()
            else:
                await self._as_bot("DELETE", f"/channels/{channel}/messages/{message}", f"delete {channel}")
        except Refused as refused:
            if refused.code not in (10008, 10003):  # what is gone needs no removal
                raise NotAllowed("I can't delete that message here. You can, from its own menu.") from None
        except Down:
            raise NotAllowed("Discord doesn't answer just now. Please try again in a moment.") from None

    async def _is_under_the_button(self, message: str) -> bool:
        """Then this interaction's own token reaches it, also where the bot itself does not."""
        return self._asked.type == COMPONENT and not self._answered and str(self._asked.message.get("id")) == message

    async def _delete_with_token(self) -> None:
        await self._answer(DEFER_UPDATE, {})
        address = self._asked.address("", private=False)
        await self._wires.rest.request(
            "DELETE",
            f"/webhooks/{address.application}/{address.token}/messages/@original",
            bucket=f"delete {address.nonce}",
            patience=5.0,
        )

    async def hide(self, address: str) -> None:
        channel, message = _known(address)
        path, bucket = f"/channels/{channel}/messages/{message}", f"edit {channel}"
        try:
            found = self._asked.message
            if str(found.get("id")) != message:
                found = json.loads(await self._as_bot("GET", path, bucket))
            await self._as_bot("PATCH", path, bucket, hidden(found))
        except Refused:
            raise NotAllowed("I can't change that message: only my own, where I am a member.") from None
        except Down:
            raise NotAllowed("Discord doesn't answer just now. Please try again in a moment.") from None

    async def _as_bot(self, method: str, path: str, bucket: str, payload: dict[str, Any] | None = None) -> bytes:
        return await self._wires.rest.request(method, path, bucket=bucket, payload=payload, as_bot=True, patience=5.0)


async def _close(reply: DiscordReply, card: Card) -> None:
    try:
        await reply.close(card)
    except DeliveryFailed as failed:
        log.info("an answer was lost", reason=failed.reason)


def hidden(message: Mapping[str, Any]) -> dict[str, Any]:
    """The edit that covers every picture of an existing message and leaves the rest as it is."""
    attachments = [{"id": found["id"], "is_spoiler": True} for found in message.get("attachments") or ()]
    edit: dict[str, Any] = {"allowed_mentions": NO_MENTIONS}
    if attachments:  # an empty list would remove the files of a message that names them in its gallery only
        edit["attachments"] = attachments
    if int(message.get("flags") or 0) & COMPONENTS_V2:
        edit["flags"] = COMPONENTS_V2
        edit["components"] = [_covered(part) for part in message.get("components") or ()]
    return edit


_SENT = {
    1: ("components",),
    2: ("style", "label", "custom_id", "emoji", "url", "disabled"),
    10: ("content",),
    12: ("items",),
    17: ("components", "accent_color", "spoiler"),
}
"""What may be sent back of each of our components: what is received has more."""


def _covered(part: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: part[name] for name in _SENT.get(part["type"], ()) if part.get(name) is not None}
    made: dict[str, Any] = {"type": part["type"], **kept}
    if "components" in made:
        made["components"] = [_covered(inner) for inner in made["components"]]
    if "items" in made:
        made["items"] = [_covered_item(item) for item in made["items"]]
    return made


def _covered_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A picture of the message itself is named by its file: its address on the CDN is signed and ends."""
    url = item["media"]["url"]
    name = re.search(r"/([^/?]+)(?:\?|$)", url)
    ours = "attachment_id" in item["media"] or (URL(url).host in CDN)
    made: dict[str, Any] = {
        "media": {"url": f"attachment://{name[1]}" if ours and name else url},
        "spoiler": True,
    }
    if item.get("description"):
        made["description"] = item["description"]
    return made


def _alone(message: dict[str, Any], alone: bool) -> dict[str, Any]:
    message = {key: value for key, value in message.items() if key != "attachments"}
    return private(message) if alone else message


def _message_id(answer: Any) -> str:
    """Discord tells the id of the message that answers, already when it is only deferred."""
    return str(
        (answer.get("interaction") or {}).get("response_message_id")
        or ((answer.get("resource") or {}).get("message") or {}).get("id")
        or ""
    )


def _known(address: str) -> tuple[str, str]:
    try:
        return message_of(address)
    except ValueError:
        raise NotAllowed("I don't know where that message is.") from None


def _too_large(most: int) -> BadRequest:
    return BadRequest(f"That file is too large; {most // (1024 * 1024)} MB is the most.")
