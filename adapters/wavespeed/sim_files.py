"""The simulator's file addresses: uploads in both ways, painted outputs, and the sources that a submit names."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from adapters.wavespeed.sim_media import MEDIA_TYPES, UPLOAD_LIMIT, Shelf, Studio, Upload, filled, unwrapped
from adapters.wavespeed.sim_predictions import Prediction
from adapters.wavespeed.sim_rules import Refused
from adapters.wavespeed.sim_wire import asked, success


class Files:
    """`find` looks up a prediction by id and raises Refused (404); `studio` paints."""

    def __init__(self, studio: Studio, find: Callable[[str], Prediction]) -> None:
        self.downloads: Counter[str] = Counter()
        self.apart = ""
        """The other origin where the files lie, or nothing when they lie beside the API."""
        self._origins: set[str] = set()
        self._studio = studio
        self._find = find
        self._shelf = Shelf()

    @property
    def uploads(self) -> list[Upload]:
        return self._shelf.received

    def origin(self, request: web.Request) -> str:
        """Where the files of this request's answers lie; remembered, so that such addresses are known as our own."""
        origin = self.apart or str(request.url.origin())
        self._origins.add(origin)
        return origin

    async def source(self, text: str) -> bytes | None:
        """The bytes of an image or a mask; None for none. Empty bytes, which are no picture, where nothing is found."""
        if not text:
            return None
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https"):
            return unwrapped(text) or b""
        if f"{parts.scheme}://{parts.netloc}" not in self._origins:
            return b""
        return await self._own(parts.path.strip("/").split("/"))

    async def _own(self, path: list[str]) -> bytes:
        match path:
            case ["uploads", name, _]:
                upload = self._shelf.get(name)
                return upload.data or b"" if upload else b""
            case ["outputs", name, file]:
                try:
                    return await self._studio.picture(self._find(name), _place(file))
                except Refused:
                    return b""
        return b""

    async def upload(self, request: web.Request) -> web.Response:
        """The simple way: one multipart POST."""
        form = await request.multipart() if request.content_type.startswith("multipart/") else None
        part = await form.next() if form else None
        if not isinstance(part, BodyPartReader) or part.name != "file":
            raise Refused(400, "file is required.")
        data = bytes(await part.read(decode=True))
        _check(len(data))
        media_type = part.headers.get("Content-Type", "application/octet-stream")
        upload = Upload(secrets.token_hex(16), _plain(part.filename or "upload"), media_type, len(data), data)
        self._shelf.put(upload)
        kind, url = media_type.partition("/")[0], self._download_url(request, upload)
        return success({"type": kind, "download_url": url, "filename": upload.filename, "size": upload.size})

    async def ticket(self, request: web.Request) -> web.Response:
        """The direct way: ask for an address, then PUT the bytes there without a key."""
        wanted = await asked(request)
        filename, size = wanted.get("filename"), wanted.get("size")
        if not isinstance(filename, str) or not filename or not isinstance(size, int):
            raise Refused(400, "filename and size are required.")
        _check(size)
        kind = wanted.get("content_type")
        media_type = kind if isinstance(kind, str) else "application/octet-stream"
        upload = Upload(secrets.token_hex(16), _plain(filename), media_type, size)
        self._shelf.put(upload)
        place = {
            "method": "PUT",
            "url": f"{self.origin(request)}/uploads/{upload.name}",
            "headers": {"Content-Type": media_type},
        }
        return success({"download_url": self._download_url(request, upload), "upload": place})

    async def receive(self, request: web.Request) -> web.Response:
        """Take the bytes of a ticket. A key does not belong here: storage services refuse two kinds of authority."""
        if "Authorization" in request.headers:
            raise Refused(400, "Only one authorization mechanism is allowed.")
        upload = self._shelf.get(request.match_info["name"])
        if upload is None or upload.data is not None:
            raise Refused(403, "This upload address is not valid, or was used.")
        data = await request.read()
        if len(data) != upload.size:
            raise Refused(400, "The size differs from the ticket's.")
        self._shelf.put(filled(upload, data))
        return web.Response()

    async def uploaded(self, request: web.Request) -> web.Response:
        upload = self._shelf.get(request.match_info["name"])
        if upload is None or upload.data is None:
            raise Refused(404, "Not found.")
        return web.Response(body=upload.data, content_type=upload.media_type.partition(";")[0])

    async def output(self, request: web.Request, now: float) -> web.Response:
        name, place = request.match_info["id"], _place(request.match_info["file"])
        self.downloads[f"{name}/{place}"] += 1
        prediction = self._find(name)
        if not 1 <= place <= prediction.count or prediction.status(now) != "completed":
            raise Refused(404, "Not found.")
        data = await self._studio.picture(prediction, place)
        return web.Response(body=data, content_type=MEDIA_TYPES[self._studio.form_of(prediction)])

    def _download_url(self, request: web.Request, upload: Upload) -> str:
        return f"{self.origin(request)}/uploads/{upload.name}/{upload.filename}"


def _place(file: str) -> int:
    """The index that an output's file name begins with; 0 for none."""
    number = file.partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _plain(filename: str) -> str:
    """A file name that is safe in an address."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", filename)[-80:]


def _check(size: int) -> None:
    if size > UPLOAD_LIMIT:
        raise Refused(413, "The file is too large.")
    if size < 1:
        raise Refused(400, "The file is empty.")
