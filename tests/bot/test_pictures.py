"""Pictures and sources on disk."""

import asyncio
import os
import struct
import time
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from ulid import ULID

from bot import pictures
from bot.errors import BadRequest, DiskFull
from bot.images import Flag, Picture, Size
from bot.pictures import Gallery, Source
from tests.doubles.backend import CAPABILITIES


def encoded(size: tuple[int, int] = (640, 512), form: str = "PNG", colour: str = "red", **options: object) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, colour).save(buffer, form, **options)
    return buffer.getvalue()


async def test_a_source_is_re_encoded_without_its_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    source = await Gallery(tmp_path).keep_source(encoded(form="JPEG", exif=exif), capabilities=CAPABILITIES)
    kept = (tmp_path / "sources" / source.name).read_bytes()
    assert source.size == Size(640, 512)
    assert kept.startswith(b"\x89PNG")
    assert b"where I live" not in kept


async def test_a_picture_turned_by_its_camera_is_turned_back(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = await Gallery(tmp_path).keep_source(encoded(form="JPEG", exif=exif), capabilities=CAPABILITIES)
    assert source.size == Size(512, 640)


async def test_a_large_source_is_shrunk_to_what_the_model_draws_and_its_mask_with_it(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    source = await gallery.keep_source(encoded((3072, 2048)), capabilities=CAPABILITIES)
    assert source.size == Size(1536, 1024)
    mask = await gallery.keep_mask(encoded((3072, 2048)), source)
    assert mask.size == source.size


@pytest.mark.parametrize("form", ["RGBA", "LA", "P"])
async def test_what_lies_under_transparent_pixels_is_not_seen(form: str, tmp_path: Path) -> None:
    gallery, buffer = Gallery(tmp_path), BytesIO()
    hidden = Image.new("RGBA", (640, 512), (255, 255, 255, 0))
    hidden.paste((90, 90, 90, 255), (0, 0, 320, 512))
    hidden.convert(form).save(buffer, "PNG")
    source = await gallery.keep_source(buffer.getvalue(), capabilities=CAPABILITIES)
    assert corners(gallery, source) == (90, 255)
    mask = await gallery.keep_mask(buffer.getvalue(), source)
    assert corners(gallery, mask) == (90, 0)


def corners(gallery: Gallery, source: Source) -> tuple[float, float]:
    """The brightness of the first and of the last pixel."""
    with Image.open(gallery.sources / source.name) as image:
        grey = image.convert("L")
        return grey.getpixel((0, 0)), grey.getpixel((image.width - 1, image.height - 1))  # type: ignore[return-value]


async def test_the_same_picture_from_many_people_at_once(tmp_path: Path) -> None:
    gallery, buffer = Gallery(tmp_path), BytesIO()
    Image.frombytes("RGB", (1024, 1024), os.urandom(1024 * 1024 * 3)).save(buffer, "PNG", compress_level=0)
    sources = await asyncio.gather(
        *(gallery.keep_source(buffer.getvalue(), capabilities=CAPABILITIES) for _ in range(12))
    )
    assert len(set(sources)) == 1
    assert [path.name for path in gallery.sources.iterdir()] == [sources[0].name]


async def test_a_mask_of_another_size_is_refused_kindly(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    source = await gallery.keep_source(encoded((640, 640)), capabilities=CAPABILITIES)
    with pytest.raises(BadRequest, match=r"640×512.*640×640"):
        await gallery.keep_mask(encoded(), source)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", encoded()[:200], b"\x89PNG\r\n\x1a\n" + b"x" * 99, encoded(form="JPEG")[:300], encoded(form="BMP")],
    ids=["empty", "text", "cut PNG", "nonsense PNG", "cut JPEG", "BMP"],
)
async def test_what_is_no_sound_picture_is_refused_kindly(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadRequest, match="image"):
        await Gallery(tmp_path).keep_source(data, capabilities=CAPABILITIES)
    assert not list((tmp_path / "sources").iterdir())


async def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    header = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = encoded()
    bomb = png[:16] + header + png[29:]
    with pytest.raises(BadRequest):
        await Gallery(tmp_path).keep_source(bomb, capabilities=CAPABILITIES)


async def test_a_swept_source_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="not kept any more"):
        await Gallery(tmp_path).source("0" * 40 + ".png")


def test_parameters_are_written_without_touching_a_pixel(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(encoded())
    before = Image.open(path).tobytes()
    pictures.describe(path, "a naïve 狐\nSteps: 28")
    pictures.describe(path, "a naïve 狐\nSteps: 28")
    data = path.read_bytes()
    assert pictures.parameters_of(data) == "a naïve 狐\nSteps: 28"
    assert data.count(b"parameters") == 1
    with Image.open(path) as image:
        image.load()
        assert image.tobytes() == before


def test_other_files_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    path.write_bytes(encoded(form="JPEG"))
    before = path.read_bytes()
    pictures.describe(path, "anything")
    assert path.read_bytes() == before


def test_a_picture_is_made_to_fit(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    Image.frombytes("RGB", (400, 400), os.urandom(480_000)).save(path)
    data, kind = pictures.fit(path, most=10_000_000)
    assert (data, kind) == (path.read_bytes(), "image/png")
    data, kind = pictures.fit(path, most=200_000)
    assert kind == "image/jpeg"
    assert len(data) <= 200_000


async def test_old_pictures_are_swept_then_the_oldest_until_the_rest_fits(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    for age in range(6):
        path = Path(f"{gallery.place(str(ULID()))}-{age}.png")
        path.write_bytes(b"x" * 1000)
        os.utime(path, (time.time() - age * 86400,) * 2)
    assert await gallery.sweep(days=4, most_bytes=3500) == 3
    assert sorted(path.name[-5] for path in tmp_path.rglob("*.png")) == ["0", "1", "2"]


async def test_the_sweep_leaves_the_folders_that_are_written_into(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    today, old = gallery.place(str(ULID())).parent, tmp_path / "pictures" / "2023-11-14"
    old.mkdir()
    await gallery.sweep(days=1, most_bytes=0)
    assert today.is_dir()
    assert not old.exists()


async def test_a_jobs_pictures_can_be_discarded(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    mine, other = str(ULID()), str(ULID())
    for job_id in (mine, other):
        Path(f"{gallery.place(job_id)}-1.png").write_bytes(b"x")
    await gallery.discard(mine)
    assert [path.name for path in tmp_path.rglob("*.png")] == [f"{other.lower()}-1.png"]


def test_a_place_depends_on_the_job_alone(tmp_path: Path) -> None:
    job_id = str(ULID.from_timestamp(1_700_000_000.0))
    assert Gallery(tmp_path).place(job_id) == tmp_path / "pictures" / "2023-11-14" / job_id.lower()


async def test_our_own_picture_as_a_source(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    path = tmp_path / "p.png"
    path.write_bytes(encoded())
    picture = Picture(1, path, "image/png", Size(640, 512), Flag.NO)
    assert (await gallery.source_of(picture, capabilities=CAPABILITIES)).size == Size(640, 512)
    path.unlink()
    assert not gallery.exists(picture)
    with pytest.raises(BadRequest, match="not kept any more"):
        await gallery.source_of(picture, capabilities=CAPABILITIES)


def test_a_full_disk_refuses_new_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery(tmp_path)
    gallery.check_room()
    monkeypatch.setattr(pictures, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull):
        Gallery(tmp_path).check_room()
