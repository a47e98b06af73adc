"""The page itself and its files, from the package: read once, named by what is in them."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

import jinja2
from aiohttp import web

from adapters.web.wire import Refusal

HERE = Path(__file__).parent
FOREVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    packed: bytes
    """The same for browsers that unpack it: a third of the way over a slow line."""
    media_type: str


class Pages:
    """`folder` holds `templates/` and `static/`. Raises OSError where they are missing."""

    def __init__(self, folder: Path = HERE) -> None:
        self._files = {path.name: _file(path) for path in sorted((folder / "static").iterdir()) if path.is_file()}
        loader = jinja2.FileSystemLoader(folder / "templates")
        environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._page = environment.get_template("page.html")
        self.version = self._digest((folder / "templates" / "page.html").read_bytes())

    def _digest(self, page: bytes) -> str:
        """Of all that a page is made of: while it is the same, an open page need not be loaded again."""
        whole = hashlib.sha256(page)
        for name, file in self._files.items():
            whole.update(name.encode() + b"\0" + file.data)
        return whole.hexdigest()[:12]

    def shell(self, *, simulated: bool, model: str) -> web.Response:
        text = self._page.render(static=self._static, simulated=simulated, model=model, version=self.version)
        response = web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})
        response.enable_compression()
        return response

    def _static(self, name: str) -> str:
        """The address of a file. The version is in the path, so that modules which name each other keep it."""
        return f"/static/{self.version}/{name}"

    async def file(self, request: web.Request) -> web.Response:
        """By its name among those read, so that no path is ever made of it."""
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise Refusal(404, "There is no such file.")
        current = request.match_info.get("version") == self.version
        headers = {"Cache-Control": FOREVER if current else "no-cache", "Vary": "Accept-Encoding"}
        body = found.data
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            body, headers["Content-Encoding"] = found.packed, "gzip"
        return web.Response(body=body, content_type=found.media_type, charset=_charset(found), headers=headers)


def _charset(file: File) -> str | None:
    return "utf-8" if file.media_type.startswith("text/") else None


def _file(path: Path) -> File:
    guessed = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    data = path.read_bytes()
    return File(data, gzip.compress(data, mtime=0), guessed)
