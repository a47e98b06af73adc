"""Pictures that people hand in, and what is read out of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from adapters.web import uploads
from bot.pictures import MAX_SOURCE_BYTES
from tests.adapters.web.house import Playground
from tests.adapters.web.visitor import POSTING, Visitor


def png(width: int = 128, height: int = 64, colour: str = "red", kind: str = "PNG", **how: object) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind, **how)
    return buffer.getvalue()


def left(house: Playground) -> list[Path]:
    """All that lies on the disk of what was handed in."""
    return [path for path in (house.root / "uploads").rglob("*") if path.is_file()]


async def test_a_handed_in_picture_and_a_mask_are_drawn_from(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    image = await ana.upload(png(), "my%20photo.png")
    assert (image["name"], image["width"], image["height"]) == ("my photo.png", 128, 64)
    mask = await ana.upload(png(colour="white"), "mask.png")
    key = await ana.drawing("/edit as a watercolour --strength 0.5", image=image["id"], mask=mask["id"])
    message = await window.over(key)
    assert message["card"]["title"] == "Done"
    drawn, painted = [Image.open(BytesIO(data)) for data in house.backend.uploads]
    assert (drawn.size, drawn.getpixel((0, 0))) == ((128, 64), (255, 0, 0))
    assert painted.convert("L").getpixel((0, 0)) == 255


async def test_an_upload_is_seen_and_used_by_its_person_alone(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    data = png()
    image = await ana.upload(data)
    assert await ana.fetch(f"/api/uploads/{image['id']}") == (200, data)
    assert (await ben.fetch(f"/api/uploads/{image['id']}"))[0] == 404
    answer = await ben.say("a fox", image=image["id"])
    assert (answer["kind"], answer["field"]) == ("error", "image")
    assert house.backend.posts == 0


async def test_a_picture_on_its_side_has_the_size_that_people_see(house: Playground) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    ana = await house.visitor()
    image = await ana.upload(png(kind="JPEG", exif=exif), kind="image/jpeg")
    assert (image["width"], image["height"]) == (64, 128)


async def test_what_is_no_picture_is_refused_kindly_and_not_kept(house: Playground) -> None:
    ana = await house.visitor()
    for data in (b"", b"<svg onload=alert(1)>", png()[:20], png(9000, 9000)):
        answer = await ana.upload(data)
        assert (answer["kind"], answer["field"]) == ("error", "image"), data[:10]
    assert left(house) == []


async def test_a_damaged_picture_is_told_and_no_message_is_left(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    noise = BytesIO()
    Image.effect_noise((200, 200), 90).save(noise, "PNG")
    image = await ana.upload(noise.getvalue()[:-9000])
    answer = await ana.say("a fox", image=image["id"])
    if answer["kind"] == "message":  # it took a little longer
        await window.until(lambda it: it.notes)
        answer = {"kind": "error", "card": window.notes[0]}
    assert "damaged" in str(answer["card"])
    assert (await ana.get("/api/start"))["messages"] == []


async def test_too_many_bytes_are_refused_before_they_are_all_there(house: Playground) -> None:
    ana = await house.visitor()
    headers = {**POSTING, "Content-Type": "image/png"}
    told = {**headers, "Content-Length": str(MAX_SOURCE_BYTES + 1)}
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rsplit(":", 1)[1]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"POST /api/uploads HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()

    async def untold() -> object:
        for _ in range(MAX_SOURCE_BYTES // 65536 + 2):
            yield b"\0" * 65536

    with suppress(aiohttp.ClientError):  # it may be cut off while we still send
        assert await ana.status("POST", "/api/uploads", data=untold(), headers=headers) == 413
    assert left(house) == []


async def test_one_person_sends_a_few_at_once(house: Playground) -> None:
    ana = await house.visitor()
    go = asyncio.Event()

    async def slow() -> object:
        data = png()
        yield data[:10]
        await go.wait()
        yield data[10:]

    headers = {**POSTING, "Content-Type": "image/png"}
    sending = [
        asyncio.create_task(ana.status("POST", "/api/uploads", data=slow(), headers=headers))
        for _ in range(uploads.AT_ONCE_EACH)
    ]
    while len(left(house)) < uploads.AT_ONCE_EACH:
        await asyncio.sleep(0.01)
    assert await ana.status("POST", "/api/uploads", data=png(), headers=headers) == 429
    go.set()
    assert await asyncio.gather(*sending) == [200] * uploads.AT_ONCE_EACH


async def test_what_was_handed_in_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async with Playground(tmp_path) as house:
        ana = await house.visitor()
        image, cookies = await ana.upload(png(), "my%20photo.png"), ana.cookies
    async with Playground(tmp_path) as house:
        ana = await house.visitor(cookies)
        window = await ana.window()
        message = await window.over(await ana.drawing("as a watercolour", image=image["id"]))
        assert message["card"]["title"] == "Done"
        assert len(house.backend.uploads) == 1


# ---- parameters ----


async def parameters(ana: Visitor, data: bytes) -> dict[str, str]:
    headers = {**POSTING, "Content-Type": "image/png"}
    async with ana.session.post(f"{ana.url}/api/parameters", data=data, headers=headers) as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def test_a_downloaded_picture_tells_how_to_ask_for_it_again(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    asked = "/imagine a red fox, wool --size 128x64 --seed 7 --steps 20 --guidance 4.5 --lora yarn:0.8"
    message = await window.over(await ana.drawing(asked))
    async with ana.session.get(ana.url + message["card"]["pictures"][0]["download"]) as answer:
        name = f'attachment; filename="easel-{message["short"]}-1.png"'
        assert answer.headers["Content-Disposition"] == name
        data = await answer.read()
    told = await parameters(ana, data)
    assert "Seed: 7" in told["parameters"]
    again = await window.over(await ana.drawing(told["line"]))
    assert again["asked"] == message["asked"]
    assert left(house) == []


async def test_a_picture_without_parameters_is_told_kindly(house: Playground) -> None:
    ana = await house.visitor()
    for data in (png(), png(kind="JPEG"), b"nonsense"):
        assert (await parameters(ana, data))["kind"] == "error"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_uploads_come_back_as_what_they_are(house: Playground, kind: str) -> None:
    ana = await house.visitor()
    image = await ana.upload(png(kind=kind), kind="text/html")
    async with ana.session.get(f"{ana.url}/api/uploads/{image['id']}") as answer:
        assert answer.content_type == f"image/{kind.lower()}"
