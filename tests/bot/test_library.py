"""Facts about the LoRA library and its file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadRequest, BadSettings
from bot.library import STARTER, Entry, Library, checked_address

STARTERS = Library.load()


def load(tmp_path: Path, text: str) -> Library:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return Library.load(file)


def names(library: Library, text: str) -> list[str]:
    return [offer.value for offer in library.search(text)]


# ---- the starter set ----


def test_the_starter_set_is_sound_and_stands_in_the_package() -> None:
    assert STARTER.parent.name == "bot"
    assert len(STARTERS.entries) == 10
    for entry in STARTERS.entries:
        assert entry.description
        assert entry.licence
        assert entry.link == f"https://huggingface.co/{entry.path}"


def test_the_yarn_lora_of_the_documentation_is_there() -> None:
    yarn = STARTERS.find("YARN")
    assert yarn is not None
    assert (yarn.path, yarn.triggers) == ("linoyts/yarn_art_Flux_LoRA", ("yarn art style",))
    assert STARTERS.find("linoyts/YARN_art_flux_lora") is yarn


# ---- search ----


def test_search_matches_anywhere_in_name_triggers_and_description() -> None:
    assert names(STARTERS, "arn") == ["yarn"]
    assert names(STARTERS, "flmft") == ["koda"]
    assert names(STARTERS, "crocheted") == ["yarn"]
    assert names(STARTERS, "wool round") == ["yarn"]
    assert names(STARTERS, "nothing of the kind") == []


def test_an_empty_text_offers_the_list_in_its_own_order() -> None:
    assert names(STARTERS, "  ") == [entry.name for entry in STARTERS.entries]


def test_names_that_begin_with_the_text_come_first() -> None:
    library = Library(
        (
            Entry("watercolour", "a/b", description="not ink at all"),
            Entry("think", "a/c"),
            Entry("pen", "a/d", triggers=("ink drawing",)),
            Entry("inky", "a/e"),
            Entry("ink", "a/f"),
        )
    )
    assert names(library, "ink") == ["ink", "inky", "pen", "think", "watercolour"]


def test_a_typed_weight_is_kept_in_the_offer() -> None:
    offer = STARTERS.search("yar:0.8")[0]
    assert offer.value == "yarn:0.8"
    assert offer.label.startswith("yarn:0.8 — yarn art style")


@pytest.mark.parametrize("text", ["yarn:", "yarn:0."])
def test_a_weight_that_is_still_being_typed_offers_the_name(text: str) -> None:
    assert names(STARTERS, text)[0] == "yarn"


@given(st.text(max_size=120))
def test_offers_fit_a_menu_whatever_is_typed(text: str) -> None:
    for offer in STARTERS.search(text):
        assert 1 <= len(offer.label) <= 100
        assert 1 <= len(offer.value) <= 100


def test_no_more_than_25_are_offered() -> None:
    library = Library(tuple(Entry(f"style{number}", f"a/style{number}") for number in range(60)))
    assert len(library.search("style")) == 25


def test_two_thousand_loras_are_searched_in_well_under_100_ms() -> None:
    library = Library(
        tuple(
            Entry(f"style-{number}", f"owner/style-{number}", 1, (f"trigger {number}",), "a long description " * 8)
            for number in range(2000)
        )
    )
    took = []
    for text in ("", "s", "style-1999", "description", "nothing", "trigger 7:0.8"):
        start = time.thread_time()
        library.search(text)
        took.append(time.thread_time() - start)
    assert sorted(took)[len(took) // 2] < 0.05
    assert max(took) < 0.1


def test_the_nearest_names_are_found() -> None:
    assert STARTERS.nearest("yran") == ["yarn"]
    assert STARTERS.nearest("realsim")[0] == "realism"
    assert STARTERS.nearest("qqqq") == []


# ---- the file ----


def test_a_whole_entry_is_read(tmp_path: Path) -> None:
    library = load(
        tmp_path,
        '[[lora]]\nname="ink"\npath="https://example.com/ink.safetensors"\nscale=0.7\ntriggers=[" ink "]\n'
        'description="Ink"\nlink="https://example.com"\nlicence="MIT"\n',
    )
    assert library.entries == (
        Entry("ink", "https://example.com/ink.safetensors", 0.7, ("ink",), "Ink", "https://example.com", "MIT"),
    )


def test_an_empty_file_is_an_empty_library(tmp_path: Path) -> None:
    assert load(tmp_path, "").entries == ()


GOOD = '[[lora]]\nname="good"\npath="a/b"\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('path="a/b"', "`name` is 1 to 40"),
        ('name="two words"\npath="a/b"', "`name` is 1 to 40"),
        ('name="a:b"\npath="a/b"', "`name` is 1 to 40"),
        ('name="x"', "`path` is “owner/name”"),
        ('name="x"\npath="/etc/passwd"', "`path` is “owner/name”"),
        ('name="x"\npath="http://example.com/x.safetensors"', "`path` is “owner/name”"),
        ('name="x"\npath="file:///x"', "`path` is “owner/name”"),
        ('name="x"\npath="a/b"\nscale=5', "`scale` is a number from 0 to 4"),
        ('name="x"\npath="a/b"\nscale=true', "`scale` is a number"),
        ('name="x"\npath="a/b"\nscale=nan', "`scale` is a number"),
        ('name="x"\npath="a/b"\ntriggers="one"', "`triggers` is a list"),
        ('name="x"\npath="a/b"\ntriggers=[""]', "`triggers` is a list"),
        ('name="x"\npath="a/b"\ndescription=1', "`description` is a text"),
        ('name="x"\npath="a/b"\nlink="ftp://x"', "`link` begins with https://"),
        ('name="x"\npath="a/b"\ntrigger=["x"]', "`trigger` is unknown"),
        ('name="GOOD"\npath="a/c"', "`name` is there twice"),
    ],
)
def test_a_bad_entry_is_named_with_its_file(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(tmp_path, f"{GOOD}[[lora]]\n{line}\n")
    assert said in str(caught.value)
    assert "mine.toml: LoRA 2 (" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_every_problem_stands_in_one_message(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"LoRA 1.*LoRA 2.*LoRA 2"):
        load(tmp_path, '[[lora]]\nname="a"\n[[lora]]\nname="b"\nscale=9\n')


@pytest.mark.parametrize("text", ["[[lora]\n", "lora = 3\n", "lora = [1]\n", "[lora]\nname='x'\n", "other = 1\n"])
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings, match=r"mine\.toml"):
        load(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"gone\.toml can't be read"):
        Library.load(tmp_path / "gone.toml")


# ---- addresses ----


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.com/x.safetensors", "https://example.com/x.safetensors"),
        ("https://civitai.com/api/download/models/123?type=Model&format=SafeTensor#top",
         "https://civitai.com/api/download/models/123?type=Model&format=SafeTensor"),
        ("https://8.8.8.8/x.safetensors", "https://8.8.8.8/x.safetensors"),
    ],
)  # fmt: skip
def test_a_public_https_address_is_taken(address: str, kept: str) -> None:
    assert checked_address(address) == kept


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/x.safetensors",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "https://",
        "https://example.com",
        "https://example.com/",
        "https://user:secret@example.com/x",
        "https://user@example.com/x",
        "https://example.com/x?token=abc",
        "https://example.com/x?X-Amz-Signature=abc",
        "https://example.com/x?api_key=",
        "https://localhost/x",
        "https://printer/x",
        "https://nas.local/x",
        "https://127.0.0.1/x",
        "https://10.0.0.1/x",
        "https://192.168.1.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://[fd00::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://2130706433/x",
        "https://127.1/x",
        "https://0x7f.0x1/x",
        "https://127.0.0.1./x",
        "https://１２７.0.0.1/x",
        "https://example.com:8443/x",
        "https://example.com:99999/x",
        "https://example.com\\@127.0.0.1/x",
        "https://example.com/x y",
        "https://example.com/x,https://example.com/y",
        "https://[bad/x",
        "https://example.com/" + "x" * 600,
    ],
)
def test_any_other_address_is_refused_kindly(address: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked_address(address)
    assert "secret" not in str(caught.value)
