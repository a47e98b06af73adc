from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checks
from hypothesis import strategies as st

from adapters.wavespeed.sieve import KEPT, MAX_DOCUMENT, Sieve, TooLarge
from adapters.wavespeed.wire import SPILLED

MOST = 1024 * 1024
here = checks(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def sift(text: bytes, folder: Path, pieces: int = 1000, most: int = MOST) -> tuple[Any, Sieve]:
    sieve = Sieve(lambda number: folder / f"{number}.part", most)
    try:
        for at in range(0, len(text), pieces):
            sieve.feed(text[at : at + pieces])
    finally:
        sieve.close()
    return json.loads(sieve.document()), sieve


documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=40)
    | st.sampled_from(['"', "\\", "\\\\", '\\"', "é\n"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@here
@given(documents, st.integers(1, 50), st.booleans())
def test_a_document_without_pictures_stays_what_it_is(
    tmp_path: Path, document: Any, pieces: int, ascii_only: bool
) -> None:
    found, sieve = sift(json.dumps(document, ensure_ascii=ascii_only).encode(), tmp_path, pieces)
    assert found == document
    assert sieve.pictures == []


escapes = st.sampled_from(["plain", "slashes", "unicode", "newlines", "url-safe", "unpadded"])


def written(data: bytes, how: str, head: str) -> str:
    text = base64.b64encode(data).decode()
    if how == "newlines":
        text = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    if how == "url-safe":
        text = text.replace("+", "-").replace("/", "_")
    if how == "unpadded":
        text = text.rstrip("=")
    quoted = json.dumps(head + text)
    if how == "slashes":
        quoted = quoted.replace("/", "\\/")
    if how == "unicode":
        quoted = quoted.replace("+", "\\u002b").replace("=", "\\u003D")
    return quoted


@here
@given(
    st.binary(min_size=1, max_size=300),
    st.integers(KEPT, KEPT + 3),
    escapes,
    st.sampled_from(["", "data:image/png;base64,", "DATA:image/jpeg;charset=x;base64,"]),
    st.integers(1, 3000),
)
def test_a_picture_goes_to_disk_whatever_way_it_is_written(
    tmp_path: Path, seed: bytes, size: int, how: str, head: str, pieces: int
) -> None:
    data = (seed * (size // len(seed) + 1))[:size]
    text = f'{{"before": "x\\"y", "outputs": ["https://a/b", {written(data, how, head)}], "after": 1}}'.encode()
    found, sieve = sift(text, tmp_path, pieces)
    assert found == {"before": 'x"y', "outputs": ["https://a/b", f"{SPILLED}0"], "after": 1}
    assert [(picture.problem, picture.path.read_bytes()) for picture in sieve.pictures] == [("", data)]


@pytest.mark.parametrize(
    "text",
    [
        "!" * 20000,
        "AAAA" * 5000 + "=AAA",
        "AAAA" * 5000 + "A",
        "data:image/png," + "A" * 20000,
        "é" * 20000,
        "\\" * 20000,
    ],
)
def test_a_long_text_that_is_no_picture_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    found, sieve = sift(json.dumps({"outputs": [text]}).encode(), tmp_path)
    assert found == {"outputs": [f"{SPILLED}0"]}
    assert sieve.pictures[0].problem == "not base64"


def test_a_picture_above_the_cap_stops_being_written(tmp_path: Path) -> None:
    text = json.dumps([base64.b64encode(bytes(200_000)).decode()]).encode()
    _, sieve = sift(text, tmp_path, most=50_000)
    assert sieve.pictures[0].problem == "too large"
    assert sieve.pictures[0].path.stat().st_size <= 50_000


def test_a_document_above_the_cap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        sift(json.dumps(["x" * 1000] * (MAX_DOCUMENT // 1000)).encode(), tmp_path)


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    text = json.dumps([base64.b64encode(bytes(50_000)).decode()] * 2).encode()
    _, sieve = sift(text, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    sieve.discard()
    assert list(tmp_path.iterdir()) == []
