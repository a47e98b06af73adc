"""The catalogue as Discord registers it, and interactions as checked options."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from adapters.discord import options
from bot.easel import Easel
from bot.errors import BadRequest
from bot.images import Range
from commands import CATALOGUE
from commands.spec import Attachment, Choice, Command, Kind, Option, Options, Turn, Where


async def run(_easel: Easel, _turn: Turn, _options: Options) -> None: ...


def command(*given: Option, name: str = "imagine", where: Where = Where.SLASH) -> Command:
    return Command(name, "Draw", run, given, where=where, title="Image details" if where is Where.MESSAGE else "")


def count(kind: Kind = Kind.INTEGER) -> Option:
    return Option("count", "How many", kind, range=lambda easel: Range(1, easel.capabilities.max_count))


def given(name: str, value: object, kind: int = 3) -> dict[str, Any]:
    return {"name": name, "value": value, "type": kind}


def read(option: Option, value: object, easel: Easel, resolved: dict[str, Any] | None = None) -> object:
    return options.checked(command(option), [given(option.name, value)], resolved or {}, easel)[option.name]


# ---- definitions ----


def test_every_command_of_the_catalogue_is_registered(easel: Easel) -> None:
    made = options.definitions(CATALOGUE, easel)
    typed = {one["name"] for one in made if one["type"] == 1}
    assert typed == {it.name.split()[0] for it in CATALOGUE if it.where is Where.SLASH}
    assert {one["name"] for one in made if one["type"] == 3} == {
        it.title for it in CATALOGUE if it.where is Where.MESSAGE
    }


def test_the_catalogue_keeps_to_discords_limits(easel: Easel) -> None:
    for one in options.definitions(CATALOGUE, easel):
        assert options.weight(one) <= 8000
        assert len(one.get("options", ())) <= 25
        required = [bool(option.get("required")) for option in one.get("options", ())]
        assert required == sorted(required, reverse=True)


def test_what_we_register_is_stable(easel: Easel) -> None:
    assert options.definitions(CATALOGUE, easel) == json.loads(json.dumps(options.definitions(CATALOGUE, easel)))


def test_commands_are_offered_in_servers_and_direct_messages_to_both_installations(easel: Easel) -> None:
    (made,) = options.definitions([command()], easel)
    assert made["contexts"] == [0, 1, 2]
    assert made["integration_types"] == [0, 1]
    assert not {"contexts", "integration_types"} & options.for_guild(made).keys()


def test_ranges_come_from_what_the_backend_can_do(easel: Easel) -> None:
    (made,) = options.definitions([command(count())], easel)
    assert (made["options"][0]["min_value"], made["options"][0]["max_value"]) == (1, 4)


def test_a_text_has_a_length_and_a_number_may_be_broken(easel: Easel) -> None:
    text = Option("prompt", "p", range=lambda _: Range(1, 2000))
    number = Option("guidance", "g", Kind.NUMBER, range=lambda _: Range(0, 10))
    (made,) = options.definitions([command(text, number)], easel)
    assert (made["options"][0]["min_length"], made["options"][0]["max_length"]) == (1, 2000)
    assert (made["options"][1]["type"], made["options"][1]["max_value"]) == (10, 10)


def test_required_options_come_first(easel: Easel) -> None:
    (made,) = options.definitions([command(Option("a", "a"), Option("b", "b", required=True))], easel)
    assert [option["name"] for option in made["options"]] == ["b", "a"]


def test_choices_and_suggestions_exclude_each_other(easel: Easel) -> None:
    chosen = Option("a", "a", choices=(Choice("Square", "1024"),), suggest=lambda _easel, _text: [])
    suggested = Option("b", "b", suggest=lambda _easel, _text: [])
    (made,) = options.definitions([command(chosen, suggested)], easel)
    first, second = made["options"]
    assert first["choices"] == [{"name": "Square", "value": "1024"}]
    assert "autocomplete" not in first
    assert second["autocomplete"] is True


def test_two_words_become_a_command_with_parts(easel: Easel) -> None:
    made = options.definitions([command(name="lora list"), command(name="lora info")], easel)
    assert [one["name"] for one in made] == ["lora"]
    assert [(part["type"], part["name"]) for part in made[0]["options"]] == [(1, "list"), (1, "info")]


@pytest.mark.parametrize(
    "broken",
    [
        command(name="Imagine!"),
        command(Option("x" * 33, "d")),
        command(Option("x", "d" * 101)),
        command(Option("x", "")),
        command(Option("x", "d", choices=(Choice("l" * 101, "v"),))),
        command(*(Option(f"o{n}", "d") for n in range(26))),
        command(
            *(Option(f"o{n}", "d", choices=tuple(Choice("l" * 90, "v" * 90) for _ in range(25))) for n in range(2))
        ),
    ],
)
def test_what_discord_would_refuse_is_refused_here(broken: Command, easel: Easel) -> None:
    with pytest.raises(ValueError, match=r"Discord|characters|options"):
        options.definitions([broken], easel)


# ---- options ----


def test_values_arrive_by_name_and_what_was_not_given_is_absent(easel: Easel) -> None:
    made = command(Option("prompt", "p"), count(), Option("private", "p", Kind.BOOLEAN))
    got = options.checked(made, [given("prompt", "a fox"), given("count", 2, 4), given("private", True, 5)], {}, easel)
    assert got == {"prompt": "a fox", "count": 2, "private": True}
    assert options.checked(made, [], {}, easel) == {}


def test_an_option_that_we_no_longer_know_is_left_out(easel: Easel) -> None:
    assert options.checked(command(count()), [given("old", 1), given("count", 1)], {}, easel) == {"count": 1}


@pytest.mark.parametrize("value", [0, 5, -1, 10**12])
def test_a_number_out_of_its_range_is_named_with_the_range(value: int, easel: Easel) -> None:
    with pytest.raises(BadRequest, match=re.escape("from 1 to 4")) as raised:
        read(count(), value, easel)
    assert raised.value.field == "count"


@pytest.mark.parametrize("value", ["big", "1.5", "nan", "inf", ""])
def test_a_form_field_that_is_no_whole_number_is_told_kindly(value: str, easel: Easel) -> None:
    with pytest.raises(BadRequest, match="number"):
        read(count(), value, easel)


def test_a_seed_of_ten_digits_stays_exact(easel: Easel) -> None:
    assert read(Option("seed", "s", Kind.INTEGER), 9_999_999_999, easel) == 9_999_999_999
    assert read(Option("seed", "s", Kind.INTEGER), "9999999999", easel) == 9_999_999_999


def test_a_text_longer_than_allowed_is_refused(easel: Easel) -> None:
    with pytest.raises(BadRequest, match="prompt has 11 characters"):
        read(Option("prompt", "p", range=lambda _: Range(1, 10)), "x" * 11, easel)


def test_a_choice_that_was_not_offered_is_refused(easel: Easel) -> None:
    with pytest.raises(BadRequest, match="can't be"):
        read(Option("size", "s", choices=(Choice("Square", "1024"),)), "9", easel)


def test_an_attachment_is_resolved_to_its_own_address(easel: Easel) -> None:
    file = {
        "id": "5",
        "filename": "me.png",
        "size": 99,
        "url": "https://cdn.discordapp.com/attachments/1/5/me.png?ex=1",
    }
    got = read(Option("image", "i", Kind.PICTURE), "5", easel, {"attachments": {"5": file}})
    assert got == Attachment(file["url"], "me.png", 99)  # type: ignore[arg-type]


def test_an_attachment_that_did_not_arrive_is_told_kindly(easel: Easel) -> None:
    with pytest.raises(BadRequest, match="did not arrive"):
        read(Option("image", "i", Kind.PICTURE), "5", easel)


def test_a_command_of_two_words_is_found_with_its_options() -> None:
    data = {"name": "lora", "options": [{"type": 1, "name": "info", "options": [given("name", "yarn")]}]}
    assert options.typed_name(data) == ("lora info", [given("name", "yarn")])
    assert options.typed_name({"name": "lora", "options": [{"type": 1, "name": "list"}]}) == ("lora list", [])
    assert options.typed_name({"name": "ping"}) == ("ping", [])


def test_what_is_being_typed_is_found() -> None:
    assert options.focused([given("prompt", "a"), given("lora1", "ya") | {"focused": True}]) == ("lora1", "ya")
    assert options.focused([given("prompt", "a")]) == ("", "")


def test_suggestions_keep_to_twenty_five_and_to_whole_values() -> None:
    many = [Choice(f"l{n}" * 60, f"v{n}") for n in range(40)]
    made = options.suggestions([Choice("long", "x" * 101), *many])
    assert len(made) == 25
    assert made[0] == {"name": ("l0" * 60)[:100], "value": "v0"}


@pytest.mark.parametrize(
    ("custom_id", "expected"),
    [
        ("easel:vary:01JDX:3", ("vary", {"job": "01JDX", "argument": 3})),
        ("easel:vary:01JDX:x", None),
        ("easel:vary:01JDX", None),
        ("other:vary:01JDX:3", None),
        ("", None),
    ],
)
def test_a_button_says_verb_job_and_argument(custom_id: str, expected: object) -> None:
    assert options.pressed(custom_id) == expected


def test_a_form_comes_back_with_its_fields_and_its_job(easel: Easel) -> None:
    made = command(Option("prompt", "p"), count(), where=Where.FORM)
    fields = [
        {"type": 18, "component": {"type": 4, "custom_id": "prompt", "value": "a fox"}},
        {"type": 18, "component": {"type": 4, "custom_id": "count", "value": "2"}},
        {"type": 18, "component": {"type": 4, "custom_id": "seed", "value": "  "}},
    ]
    assert options.filled(made, "01JDX", fields, easel) == {"job": "01JDX", "prompt": "a fox", "count": 2}
    assert options.form_name("easel-form:edit:01JDX") == ("edit", "01JDX")
    assert options.form_name("easel:edit:01JDX:0") is None


def message_data(**message: Any) -> dict[str, Any]:
    return {"target_id": "77", "resolved": {"messages": {"77": {"id": "77", "channel_id": "5", **message}}}}


def test_a_message_command_names_the_message_and_its_first_picture() -> None:
    files = [
        {
            "url": "https://cdn.discordapp.com/notes.txt",
            "filename": "notes.txt",
            "size": 1,
            "content_type": "text/plain",
        },
        {"url": "https://cdn.discordapp.com/a.png", "filename": "a.png", "size": 9, "content_type": "image/png"},
    ]
    assert options.on_message(message_data(attachments=files), "5") == {
        "message": "discord:5:77",
        "picture": Attachment("https://cdn.discordapp.com/a.png", "a.png", 9),
    }


def test_a_picture_in_a_gallery_is_found_too() -> None:
    gallery = {
        "type": 12,
        "items": [{"media": {"url": "https://cdn.discordapp.com/g.png", "content_type": "image/png"}}],
    }
    got = options.on_message(message_data(components=[{"type": 17, "components": [gallery]}]), "5")
    assert got["picture"] == Attachment("https://cdn.discordapp.com/g.png", "", 0)


def test_a_message_without_a_picture_has_none() -> None:
    assert options.on_message(message_data(), "5") == {"message": "discord:5:77"}
