"""Pictures brought into one message: uploaded, shared, and found again when nobody knows whether they were.

An upload has no effect until it is completed, and completing it twice would post twice. So the ids of the files are
kept before, and whenever the answer got lost Slack is asked where they stand (files.info) before anything is repeated.
https://docs.slack.dev/messaging/working-with-files
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.api import Api, Down, Refused
from adapters.slack.files import Upload
from adapters.slack.render import Block

FIRST_LOOK, LONGEST_LOOK = 0.25, 2.0
"""Seconds between looks for where a file was shared: sharing goes on after the answer (node-slack-sdk#2260)."""
GONE = {"file_deleted", "file_not_found", "files_not_found"}
"""This file is not there, or is no longer."""
COMPLETE_WITHIN = 15.0


@dataclass(frozen=True, slots=True)
class Where:
    """What Slack says of files: the `ts` of the message they stand in, or that one of them is `gone`."""

    ts: str = ""
    gone: bool = False


def shared_in(infos: Sequence[Mapping[str, Any] | None], channel: str) -> Where:
    """From each file's own description, None for one that is gone."""
    if any(info is None for info in infos):
        return Where(gone=True)
    stamps = [_stamp(info, channel) for info in infos if info is not None]
    return Where(ts=stamps[0]) if stamps and all(stamps) else Where()


def _stamp(info: Mapping[str, Any], channel: str) -> str:
    """The ts of the first message in the channel that holds the file."""
    for places in (info.get("shares") or {}).values():
        for share in places.get(channel) or ():
            if share.get("ts"):
                return str(share["ts"])
    return ""


async def upload(api: Api, token: str, given: Upload) -> str:
    """The id of a file that nobody sees yet. Raises Refused or Down.

    Without `alt_txt`: with it, Slack shares some files nowhere (python-slack-sdk#1818). What it would say is the title.
    """
    place = await api.call("files.getUploadURLExternal", token, filename=given.name, length=len(given.data))
    await api.send_file(str(place["upload_url"]), given.data)
    return str(place["file_id"])


async def complete(
    api: Api,
    token: str,
    files: Sequence[str],
    titles: Sequence[str],
    *,
    channel: str,
    thread: str,
    blocks: Sequence[Block],
) -> None:
    """Share them in one message. Raises Refused or Down; never tried twice here."""
    await api.call(
        "files.completeUploadExternal",
        token,
        repeatable=False,
        patience=COMPLETE_WITHIN,
        files=json.dumps([{"id": file, "title": title} for file, title in zip(files, titles, strict=False)]),
        channel_id=channel,
        thread_ts=thread or None,
        blocks=json.dumps(blocks),
    )


async def where(api: Api, token: str, files: Sequence[str], channel: str) -> Where:
    """Where they stand now. Raises Refused or Down."""
    infos = await asyncio.gather(*(_info(api, token, file) for file in files))
    return shared_in(infos, channel)


async def _info(api: Api, token: str, file: str) -> Mapping[str, Any] | None:
    try:
        said = await api.call("files.info", token, file=file)
    except Refused as refused:
        if refused.error in GONE:
            return None
        raise
    found: Mapping[str, Any] = said.get("file") or {}
    return None if found.get("mode") == "tombstone" else found


async def until_shared(api: Api, token: str, files: Sequence[str], channel: str, *, within: float) -> Where:
    """Look until they stand in the channel, for so many seconds. Raises Refused, or Down where no look succeeded."""
    until = time.monotonic() + within
    pause = FIRST_LOOK
    while True:
        left = until - time.monotonic()
        try:
            seen = await where(api, token, files, channel)
            if seen.ts or seen.gone or left <= 0:
                return seen
        except Down:
            if left <= 0:
                raise
        await asyncio.sleep(max(0.0, min(pause, left)))
        pause = min(LONGEST_LOOK, pause * 2)


async def discard(api: Api, token: str, files: Sequence[str]) -> None:
    """Raises Refused or Down; what is gone needs no deletion."""
    await asyncio.gather(*(_delete(api, token, file) for file in files))


async def _delete(api: Api, token: str, file: str) -> None:
    try:
        await api.call("files.delete", token, file=file)
    except Refused as refused:
        if refused.error not in GONE:
            raise
