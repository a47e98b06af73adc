"""Uploads on the disk, where every process finds them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from adapters.web import shelf
from adapters.web.shelf import Shelf, Upload
from bot.images import Size


def put(made: Shelf, person: str = "a1", *, count: int = 1, age: float = 0.0) -> Upload:
    """So many bytes that were handed in `age` seconds ago."""
    name, path = made.place(person)
    path.write_bytes(b"x" * count)
    upload = Upload(name, person, "my photo", path, "image/png", Size(3, 2), count)
    made.put(upload)
    for file in (path, path.with_suffix(".json")):
        os.utime(file, (time.time() - age,) * 2)
    return upload


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def test_what_one_process_took_another_one_finds_for_the_same_person(tmp_path: Path) -> None:
    one, two = Shelf(tmp_path), Shelf(tmp_path)
    upload = put(one)
    assert two.get(upload.id, "a1") == upload
    assert two.get(upload.id, "b2") is None


def test_what_is_still_arriving_is_not_found(tmp_path: Path) -> None:
    made = Shelf(tmp_path)
    name, path = made.place("a1")
    path.write_bytes(b"half a pict")
    assert made.get(name, "a1") is None


@pytest.mark.parametrize("name", ["", "..", "../b2/" + "0" * 32, "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n"])
def test_an_id_that_is_not_made_like_ours_is_nobodys(tmp_path: Path, name: str) -> None:
    made = Shelf(tmp_path)
    _, path = made.place("b2")
    for file in (path.with_name("0" * 32), path.with_name("0" * 32 + ".json")):
        file.write_text("{}")
    assert made.get(name, "a1") is None


def test_it_is_kept_for_an_hour(tmp_path: Path) -> None:
    made = Shelf(tmp_path)
    old, young = put(made, age=shelf.KEPT + 1), put(made, age=shelf.KEPT - 60)
    assert made.get(old.id, "a1") is None
    assert made.get(young.id, "a1") == young


def test_the_oldest_of_one_person_makes_room_for_the_newest(tmp_path: Path) -> None:
    made = Shelf(tmp_path)
    other = put(made, "b2", age=1000)
    some = [put(made, age=900 - number) for number in range(shelf.MOST_EACH + 1)]
    assert [made.get(it.id, "a1") for it in some] == [None, *some[1:]]
    assert made.get(other.id, "b2") == other
    assert not some[0].path.exists()


def test_so_many_bytes_are_kept_whoever_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST_BYTES", 1000)
    one, two = Shelf(tmp_path), Shelf(tmp_path)
    some = [
        put(made, person, count=300, age=age) for made, person, age in ((one, "a", 30), (two, "b", 20), (one, "c", 9))
    ]
    last = put(two, "d", count=300)
    assert [two.get(it.id, it.person) for it in (*some, last)] == [None, *some[1:], last]


def test_the_sweep_takes_what_is_old_and_leaves_the_rest(tmp_path: Path) -> None:
    made = Shelf(tmp_path)
    old, young = put(made, "b2", age=shelf.KEPT + 1), put(made)
    _, arriving = made.place("a1")
    _, stray = made.place("b2")
    for path in (arriving, stray):
        path.write_bytes(b"half a pict")
    long_ago = (time.time() - shelf.KEPT - 1,) * 2
    os.utime(stray, long_ago)
    assert made.sweep() == 3
    assert files(tmp_path) == {young.path, young.path.with_suffix(".json"), arriving}
    os.utime(old.path.parent, long_ago)
    assert made.sweep() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a1"]
