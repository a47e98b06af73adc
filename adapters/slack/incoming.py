"""A file that a person handed in: asked for at Slack, read with the bot's token from Slack alone."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from adapters.slack.api import Api, Down, Refused
from bot.errors import BadRequest
from commands.spec import Attachment

READ_WITHIN = 30.0
"""Seconds for a whole file."""


async def read(api: Api, token: str, attachment: Attachment, *, most: int) -> bytes:
    """Its bytes. Raises BadRequest where there are too many, it is no picture, or Slack does not hand it out."""
    if attachment.bytes > most:
        raise _too_large(most)
    try:
        said = await api.call("files.info", token, file=attachment.key)
    except (Refused, Down):
        raise _not_had() from None
    file = said.get("file") or {}
    if int(file.get("size") or 0) > most:
        raise _too_large(most)
    url = URL(str(file.get("url_private_download") or file.get("url_private") or ""))
    if not api.trusts(url):
        raise BadRequest("That file is not kept by Slack. Please upload the picture itself.")
    try:
        async with asyncio.timeout(READ_WITHIN):
            return await _download(api.session, url, token, most)
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise _not_had() from None


async def _download(session: aiohttp.ClientSession, url: URL, token: str, most: int) -> bytes:
    """No redirect is followed: the token is for Slack alone. Where it isn't enough, Slack answers with a web page."""
    headers = {"Authorization": f"Bearer {token}"}
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        if response.status != 200:
            raise aiohttp.ClientError
        if response.content_type.startswith("text/"):
            raise BadRequest("That file is no picture that I can read. Please upload a PNG, JPEG or WebP.")
        data = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            data += chunk
            if len(data) > most:
                raise _too_large(most)
        return bytes(data)


def _not_had() -> BadRequest:
    return BadRequest("Slack did not hand out that file. Please add it again.")


def _too_large(most: int) -> BadRequest:
    return BadRequest(f"That file is too large; {most // (1024 * 1024)} MB is the most.")
