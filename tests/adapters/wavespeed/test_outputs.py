from __future__ import annotations

import asyncio
import base64
import io
import struct
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from adapters.wavespeed import wire
from adapters.wavespeed.outputs import Outputs, Unusable, examine
from adapters.wavespeed.sieve import Base64File
from adapters.wavespeed.transport import Outside, PrivateAddress, is_public, outside
from adapters.wavespeed.wire import Inline, Output, Prediction, Remote, Spilled, Unreadable
from bot.errors import DiskFull
from bot.images import Flag, Size
from tests.adapters.wavespeed.elsewhere import elsewhere
from tests.adapters.wavespeed.values import picture

pytestmark = pytest.mark.usefixtures("impatient")
MOST = 200_000
PNG = picture()


@asynccontextmanager
async def outputs(resolver: Outside | None = None, *, read: float = 5.0) -> AsyncIterator[Outputs]:
    resolver = resolver or Outside("http://127.0.0.1:1")
    with ThreadPoolExecutor(2) as threads:
        async with outside(resolver, connect=5.0, read=read) as session:
            yield Outputs(session, resolver, threads, MOST)


def found(*items: Output, flags: tuple[Flag, ...] = ()) -> Prediction:
    return Prediction("completed", items, flags or wire.flags(None, len(items)))


async def collect(folder: Path, *items: Output, count: int | None = None) -> tuple[list[str], dict[int, str], bool]:
    """The names of the pictures, the reasons by index, and whether some may be had later."""
    async with outputs() as them:
        got = await them.collect(found(*items), count or len(items), folder / "x", ())
    assert sorted(path.name for path in folder.iterdir()) == sorted(each.path.name for each in got.pictures)
    return [each.path.name for each in got.pictures], {each.index: each.reason for each in got.missing}, got.later


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
async def test_pictures_are_known_by_their_bytes(tmp_path: Path, kind: str, suffix: str) -> None:
    data = picture(kind)
    async with elsewhere() as server, outputs() as them:
        remote = Remote(server.on("/1.gif", data))
        got = await them.collect(found(remote, Inline(base64.b64encode(data).decode())), 2, tmp_path / "x", ())
    assert [each.path.name for each in got.pictures] == [f"x-1.{suffix}", f"x-2.{suffix}"]
    assert [each.path.read_bytes() for each in got.pictures] == [data, data]
    assert {each.media_type for each in got.pictures} == {f"image/{kind.lower()}"}
    assert {each.size for each in got.pictures} == {Size(64, 48)}


async def test_one_that_fails_doesnt_take_the_others_along(tmp_path: Path) -> None:
    async with elsewhere() as server:
        good, gone = Remote(server.on("/good", PNG)), Remote(server.on("/gone", 404))
        names, reasons, later = await collect(tmp_path, gone, good, Unreadable(), good, count=5)
    assert names == ["x-2.png", "x-4.png"]
    assert list(reasons) == [1, 3, 5]
    assert not later
    assert all(reason and "http" not in reason for reason in reasons.values())


async def test_flags_stay_with_their_pictures(tmp_path: Path) -> None:
    async with elsewhere() as server, outputs() as them:
        good, gone = Remote(server.on("/good", PNG)), Remote(server.on("/gone", 404))
        got = await them.collect(
            found(gone, good, good, flags=(Flag.NO, Flag.YES, Flag.UNKNOWN)), 3, tmp_path / "x", ()
        )
    assert [(each.index, each.flag) for each in got.pictures] == [(2, Flag.YES), (3, Flag.UNKNOWN)]


@pytest.mark.parametrize(("status", "later"), [(403, False), (404, False), (410, False), (500, True), (429, True)])
async def test_a_host_that_hands_nothing_out_is_asked_again(tmp_path: Path, status: int, later: bool) -> None:
    async with elsewhere() as server:
        names, _, _ = await collect(tmp_path, Remote(server.on("/1", status, status, PNG)))
        assert names == ["x-1.png"]
        (tmp_path / "x-1.png").unlink()
        server.asked.clear()
        names, reasons, may_come = await collect(tmp_path, Remote(server.on("/2", status)))
        assert (names, list(reasons), may_come) == ([], [1], later)
        assert 3 <= len(server.asked) <= 5


async def stalls(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    await stream.write(PNG[:100])
    await asyncio.sleep(2)
    return stream


async def breaks_off(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.content_length = len(PNG)
    await stream.prepare(request)
    await stream.write(PNG[:100])
    assert request.transport is not None
    request.transport.close()
    return stream


async def test_a_host_that_stalls_or_breaks_off_is_asked_again(tmp_path: Path) -> None:
    async with elsewhere() as server, outputs(read=0.2) as them:
        items = Remote(server.on("/1", stalls, PNG)), Remote(server.on("/2", breaks_off, PNG))
        got = await them.collect(found(*items), 2, tmp_path / "x", ())
    assert [each.path.read_bytes() for each in got.pictures] == [PNG, PNG]


async def drips(request: web.Request) -> web.StreamResponse:
    """More than the cap, without saying so before."""
    stream = web.StreamResponse()
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    for _ in range(MOST // 10_000 + 50):
        await stream.write(b"\xff\xd8\xff" + bytes(9_997))
    return stream


async def test_a_picture_above_the_cap_is_refused_and_not_asked_for_again(tmp_path: Path) -> None:
    async with elsewhere() as server:
        big = Remote(server.on("/big", PNG.ljust(MOST + 1, b"\0")))
        names, reasons, later = await collect(tmp_path, big, Remote(server.on("/drip", drips)))
        assert (names, list(reasons), later) == ([], [1, 2], False)
        assert len(server.asked) == 2


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


JPEG = picture("JPEG")
BROKEN = {
    "a page": b"<!DOCTYPE html><html>403</html>",
    "nothing": b"",
    "a GIF": b"GIF89a" + bytes(100),
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "half a PNG": PNG[: len(PNG) // 2],
    "a PNG without its end": PNG[:-12],
    "a PNG with a flipped bit": PNG[:200] + bytes([PNG[200] ^ 1]) + PNG[201:],
    "a PNG without pixels": png(64, 64, b""),
    "a PNG of garbage": png(64, 64, b"garbage" * 100),
    "a PNG with a lying length": PNG[:33] + b"\x7f\xff\xff\xff" + PNG[37:],
    "half a JPEG": JPEG[: len(JPEG) // 2],
    "the head of a JPEG": b"\xff\xd8\xff\xe0" + bytes(1000),
    "half a WebP": picture("WEBP")[:200],
    "a bomb": png(30_000, 30_000, zlib.compress(bytes(100_000))),
    "a larger bomb": png(2_000_000, 2_000_000, zlib.compress(bytes(100_000))),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_whole_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    async with elsewhere() as server:
        names, reasons, later = await collect(
            tmp_path, Remote(server.on("/1", data)), Inline(base64.b64encode(data).decode())
        )
    assert (names, list(reasons), later) == ([], [1, 2], False)


def test_what_is_whole_passes(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    for kind in ("PNG", "JPEG", "WEBP"):
        for mode in ("RGB", "L") + (("RGBA", "P", "I;16") if kind == "PNG" else ()):
            file = io.BytesIO()
            Image.new(mode, (40, 30)).save(file, kind, **({"progressive": True} if kind == "JPEG" else {}))
            plain.write_bytes(file.getvalue())
            assert examine(plain) == (kind, Size(40, 30))
    tiny = png(2, 2, zlib.compress(b"\0\1\2\3\4\5\6" * 2))
    plain.write_bytes(tiny)
    assert examine(plain) == ("PNG", Size(2, 2))
    plain.write_bytes(b"")
    with pytest.raises(Unusable):
        examine(plain)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/1",
        "http://localhost:{port}/1",
        "http://[::ffff:127.0.0.1]:{port}/1",
        "http://2130706433:{port}/1",
        "http://127.1:{port}/1",
        "http://0x7f000001:{port}/1",
        "http://0:{port}/1",
        "file:///etc/passwd",
        "http://",
        "http://[",
        "https://user:password@127.0.0.1:{port}/1",
    ],
)
async def test_a_picture_on_a_private_address_is_refused(tmp_path: Path, address: str) -> None:
    async with elsewhere() as server, outputs(Outside("https://8.8.8.8")) as them:
        server.on("/1", PNG)
        url = address.format(port=server.origin.rsplit(":", 1)[1])
        got = await them.collect(found(Remote(url)), 1, tmp_path / "x", ())
        assert (len(got.missing), got.later) == (1, False)
        assert server.asked == []


class OnlyOne(Outside):
    """Takes 127.0.0.1 for the open internet and every other private address for what it is."""

    async def check(self, address: str) -> None:
        if address != "127.0.0.1" and not is_public(address):
            raise PrivateAddress


async def test_a_redirect_leads_nowhere_private(tmp_path: Path) -> None:
    async with elsewhere() as server, outputs(OnlyOne("https://8.8.8.8")) as them:
        port = server.origin.rsplit(":", 1)[1]
        server.on("/1", PNG)
        good = Remote(server.on("/good", "/1"))
        bad = Remote(server.on("/bad", f"http://127.0.0.2:{port}/1"))
        file = Remote(server.on("/file", "file:///etc/passwd"))
        loop = Remote(server.on("/loop", "/loop"))
        got = await them.collect(found(good, bad, file, loop), 4, tmp_path / "x", ())
    assert [each.index for each in got.pictures] == [1]
    assert [each.index for each in got.missing] == [2, 3, 4]


async def test_pictures_that_are_on_disk_already_are_taken(tmp_path: Path) -> None:
    good, bad, large = (
        Base64File(tmp_path / f"x-inline{number}.part", most) for number, most in enumerate((MOST,) * 2 + (9,))
    )
    for file, text in ((good, base64.b64encode(PNG)), (bad, b"!!!!"), (large, base64.b64encode(PNG))):
        file.write(text)
        file.finish()
    async with outputs() as them:
        items = Spilled(0), Spilled(1), Spilled(2), Spilled(3)
        got = await them.collect(found(*items), 4, tmp_path / "x", (good, bad, large))
    assert [each.path.name for each in got.pictures] == ["x-1.png"]
    assert [each.index for each in got.missing] == [2, 3, 4]


async def test_a_full_disk_is_the_operators(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    async with elsewhere() as server, outputs() as them:
        with pytest.raises(DiskFull):
            await them.collect(found(Remote(server.on("/1", PNG))), 1, tmp_path / "file" / "x", ())
