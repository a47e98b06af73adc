"""A command's options and a form as a modal, and back again: nothing that was typed is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.views import View as Modelled

from adapters.slack import modals, names
from adapters.slack.modals import FieldErrors, command_modal, field_errors, form_modal, submitted, suggestions
from bot.cards import Field, Form
from bot.errors import BadRequest, LimitReached
from bot.images import Lora
from commands import CATALOGUE, command
from commands.asking import ask
from commands.spec import Attachment, Choice, Command, Kind, Option, Options, Where
from tests.adapters.slack.views import Sheet, easel
from tests.doubles.backend import V2

IMAGINE = command("imagine", Where.SLASH)
EDIT = command("edit", Where.SLASH)
SHOW = command("show", Where.SLASH)
EASEL = easel()
SEARCH = f"{names.INPUT}lora1"


def sheet(of: Command = IMAGINE, options: Options | None = None, **metadata: Any) -> Sheet:
    return Sheet(command_modal(of, options or {}, EASEL, metadata=metadata))


def back(filled: Sheet) -> dict[str, object]:
    return submitted(filled.back(), CATALOGUE, EASEL)[1]


def searched(filled: Sheet, text: str) -> Sheet:
    """The person types this into the search for LoRAs."""
    payload = {"action_id": SEARCH, "value": text, "view": filled.back()}
    filled.offer(SEARCH, suggestions(payload, CATALOGUE, EASEL))
    return filled


# ---- what is asked ----


@pytest.mark.parametrize("of", [it for it in CATALOGUE if it.where is Where.SLASH], ids=lambda it: str(it.name))
def test_every_typed_command_has_a_modal_that_slack_takes(of: Command) -> None:
    body = command_modal(of, {}, EASEL, metadata={"channel": "C1"})
    Sheet(body)
    Modelled(**body).validate_json()


def test_the_modal_asks_for_everything_that_can_be_said() -> None:
    actions = {block["element"]["action_id"] for block in sheet(channel="C1").body["blocks"]}
    alone = {option.name for option in IMAGINE.options if option.kind is not Kind.BOOLEAN}
    expected = alone - {"lora2", "lora3"} | {modals.SWITCHES, modals.CHANNEL}
    assert actions == {f"{names.INPUT}{name}" for name in expected}
    switches = sheet().body["blocks"][-1]["element"]["options"]
    assert [it["value"] for it in switches] == ["spoiler", "private"]


def test_what_is_needed_comes_first() -> None:
    assert sheet().labels()[:3] == ["Prompt", "LoRAs", "Other LoRAs, or weights"]
    assert sheet(EDIT).labels()[:2] == ["Image", "Prompt"]
    assert sheet().labels()[-2:] == ["Where to post", "Also"]
    assert sheet().lacking() == ["Prompt"]


def test_a_new_option_shows_up_by_itself() -> None:
    mood = Option("mood", "How it feels", choices=(Choice("Glad", "glad"), Choice("Sad", "sad")))
    style = Option("art_style", "Whose hand", suggest=lambda _easel, text: [Choice(f"Like {text}", text)])
    made = Command("imagine", "…", IMAGINE.run, (*IMAGINE.options, mood, style))
    filled = Sheet(command_modal(made, {}, EASEL))
    assert "Art style" in filled.labels()
    offers = suggestions({"action_id": f"{names.INPUT}art_style", "value": "Klee"}, [made], EASEL)
    filled.offer(f"{names.INPUT}art_style", offers)
    filled.fill(prompt="a fox", mood="sad", art_style="Klee")
    options = submitted(filled.back(), [made], EASEL)[1]
    assert (options["mood"], options["art_style"]) == ("sad", "Klee")


def test_hints_carry_the_ranges() -> None:
    hints = {block["block_id"]: block["hint"]["text"] for block in sheet().body["blocks"] if "hint" in block}
    assert hints["seed"].endswith("From 0 to 9999999999.")
    assert hints["strength"].endswith("From 0 to 1.")
    assert "Up to 5" in hints["lora1"]


def test_a_command_that_draws_nothing_asks_for_no_place() -> None:
    assert sheet(SHOW).labels() == ["Id"]
    assert not modals.asks_channel(sheet(SHOW).back())


# ---- what was typed stands in it ----


def test_what_was_typed_stands_in_the_modal() -> None:
    typed = {"prompt": "a fox", "size": "1216x832", "count": 2, "seed": 7, "guidance": 4.5, "private": True}
    filled = sheet(options=typed)
    assert filled.read("prompt") == "a fox"
    assert filled.read("size") == "1216x832"
    assert (filled.read("count"), filled.read("seed"), filled.read("guidance")) == ("2", "7", "4.5")
    assert filled.read("switches") == ["private"]
    assert back(filled) == typed


def test_flags_become_the_fields_that_they_mean() -> None:
    filled = sheet(options={"prompt": "a fox --seed 7 --lora yarn:0.8 --ar 21:9"})
    assert filled.read("prompt") == "a fox"
    assert filled.read("seed") == "7"
    assert filled.read("lora1") == ["yarn:0.8"]
    assert filled.read("size") is None
    same = ask(EASEL, {"prompt": "a fox --seed 7 --lora yarn:0.8 --ar 21:9"})
    assert ask(EASEL, back(filled)).request == same.request


def test_flags_alone_leave_the_prompt_to_be_said() -> None:
    filled = sheet(options={"prompt": "--n 3"})
    assert filled.read("count") == "3"
    assert filled.lacking() == ["Prompt"]


@pytest.mark.parametrize("prompt", ["a fox --seed no", "a fox --sede 7", "a fox --seed 7 --seed 8"])
def test_flags_that_make_no_sense_stay_where_they_were_typed(prompt: str) -> None:
    assert sheet(options={"prompt": prompt}).read("prompt") == prompt


def test_a_flag_against_an_option_stays_where_it_was_typed() -> None:
    filled = sheet(options={"prompt": "a fox --seed 7", "seed": 8})
    assert (filled.read("prompt"), filled.read("seed")) == ("a fox --seed 7", "8")


def test_a_value_out_of_range_is_not_filled_in() -> None:
    assert sheet(options={"steps": 99, "size": "enormous"}).read("steps") is None


def test_known_loras_are_chosen_and_others_written() -> None:
    filled = sheet(options={"prompt": "a fox", "lora1": "yarn:0.8", "loras": "owner/name:0.6, koda"})
    assert filled.read("lora1") == ["yarn:0.8", "koda"]
    assert filled.read("loras") == "owner/name:0.6"
    assert set(str(back(filled)["loras"]).split(", ")) == {"yarn:0.8", "koda", "owner/name:0.6"}


def test_a_picture_that_came_with_the_question_is_kept() -> None:
    picture = Attachment("F9", "fox.png", 1234)
    filled = sheet(EDIT, {"image": picture})
    assert filled.lacking() == ["Prompt"]
    assert back(filled.fill(prompt="in the snow"))["image"] == picture
    filled.fill(image=("other.png", b"12345"))
    assert back(filled)["image"] == Attachment("F1", "other.png", 5)


# ---- where to post ----


def test_the_channel_is_offered_first_and_can_be_changed() -> None:
    filled = sheet(channel="C1", options={"prompt": "a fox"})
    assert modals.asks_channel(filled.back())
    assert modals.channel(filled.back()) == "C1"
    assert modals.channel(filled.fill(channel="C2").back()) == "C2"
    assert modals.channel(filled.fill(channel=None).back()) is None


@pytest.mark.parametrize("metadata", [{}, {"channel": "D1"}])
def test_elsewhere_the_direct_messages_are_first(metadata: dict[str, Any]) -> None:
    assert modals.channel(sheet(**metadata).back()) is None


def test_in_a_thread_the_place_is_settled() -> None:
    filled = sheet(channel="C1", thread="1.2")
    assert not modals.asks_channel(filled.back())
    assert modals.metadata(filled.back()) == {"channel": "C1", "thread": "1.2"}


def test_more_metadata_than_slack_keeps_is_refused_here() -> None:
    with pytest.raises(ValueError, match="3000"):
        sheet(note="x" * 3000)


# ---- LoRAs ----


def test_loras_are_searched_as_one_types() -> None:
    filled = searched(sheet(options={"prompt": "a fox"}), "yarn:0.6").fill(lora1=["yarn:0.6"])
    assert back(filled)["loras"] == "yarn:0.6"


def test_before_anything_is_typed_the_library_is_offered() -> None:
    offers = suggestions({"action_id": SEARCH, "value": ""}, CATALOGUE, EASEL)
    assert 1 < len(offers) <= 100
    assert all(len(it["text"]["text"]) <= 75 and len(it["value"]) <= 150 for it in offers)


@pytest.mark.parametrize("action", ["", f"{names.INPUT}prompt", "else:lora1"])
def test_nothing_is_offered_elsewhere(action: str) -> None:
    assert suggestions({"action_id": action, "value": "y"}, CATALOGUE, EASEL) == []


def test_a_weight_that_is_written_counts_for_the_chosen_lora() -> None:
    filled = searched(sheet(options={"prompt": "a fox"}), "yarn").fill(lora1=["yarn"], loras="Yarn:0.4 owner/name:0.6")
    loras = ask(EASEL, back(filled)).request.loras
    assert [(lora.name, lora.scale) for lora in loras] == [("yarn", 0.4), ("", 0.6)]
    assert loras[1] == Lora("owner/name", 0.6, "")


def test_more_loras_than_the_model_takes_stand_at_their_field() -> None:
    filled = sheet(options={"prompt": "a fox"}).fill(loras=", ".join(f"owner/n{number}" for number in range(6)))
    with pytest.raises(FieldErrors) as caught:
        back(filled)
    assert set(caught.value.errors) == {"loras"}
    assert "up to 5" in caught.value.errors["loras"]


# ---- what comes back ----


def test_what_comes_back_is_checked_all_at_once() -> None:
    filled = sheet().force("seed", "many").force("steps", "99").fill(loras="yarnn")
    with pytest.raises(FieldErrors) as caught:
        back(filled)
    errors = caught.value.errors
    assert set(errors) == {"prompt", "seed", "steps", "loras"}
    assert errors["prompt"] == "Please fill this in."
    assert "from 1 to 50" in errors["steps"]
    assert "Did you mean yarn" in errors["loras"]
    assert set(errors) <= {block["block_id"] for block in filled.body["blocks"]}


def test_what_was_left_empty_is_absent() -> None:
    assert back(sheet().fill(prompt="a fox")) == {"prompt": "a fox"}


def test_files_come_as_attachments() -> None:
    filled = sheet().fill(prompt="a fox", image=("me.png", b"123"), mask=[("mask.jpg", b"4")])
    options = back(filled)
    assert options["image"] == Attachment("F1", "me.png", 3)
    assert options["mask"] == Attachment("F2", "mask.jpg", 1)


def test_a_view_of_an_older_easel_is_told_kindly() -> None:
    view = sheet().fill(prompt="a fox").back() | {"private_metadata": json.dumps({"c": "paint", "w": "slash"})}
    with pytest.raises(BadRequest, match="open it again"):
        submitted(view, CATALOGUE, EASEL)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["prompt", "loras", "size", "id"]), st.text(max_size=3500), max_size=4), st.data()
)
def test_whatever_was_typed_makes_a_view_that_slack_takes(typed: dict[str, str], data: st.DataObject) -> None:
    numbers = data.draw(st.dictionaries(st.sampled_from(["seed", "steps", "guidance"]), st.integers(-10, 10**11)))
    sheet(options={**typed, **numbers}, channel="C1")


NUMBERS = {
    "seed": st.integers(0, V2.max_seed),
    "steps": st.integers(1, 50),
    "count": st.integers(1, 4),
    "strength": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    "guidance": st.sampled_from([0.0, 3.5, 10.0]),
    "private": st.just(True),
    "spoiler": st.just(True),
    "size": st.sampled_from(["1024x1024", "832x1216"]),
}


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({"prompt": st.from_regex(r"[a-z]{1,9}( [a-z]{1,9}){0,9}", fullmatch=True)}, optional=NUMBERS)
)
def test_what_goes_in_comes_out(typed: dict[str, object]) -> None:
    assert back(sheet(options=typed)) == typed


# ---- errors at their field ----


@pytest.mark.parametrize(
    ("field", "block"),
    [
        ("seed", "seed"),
        ("loras", "loras"),
        ("lora1", "lora1"),
        ("lora2", "lora1"),
        ("lora", "loras"),
        ("ar", "size"),
        ("n", "count"),
        ("cfg", "guidance"),
        ("mask", "mask"),
        ("unheard", "prompt"),
        (None, "prompt"),
    ],
)
def test_an_error_stands_at_its_field(field: str | None, block: str) -> None:
    assert field_errors(BadRequest("Too much.", field=field), sheet().back()) == {block: "Too much."}


def test_other_errors_stand_at_the_first_field() -> None:
    assert field_errors(LimitReached("Enough for today."), sheet(EDIT).back()) == {"image": "Enough for today."}


@pytest.mark.parametrize("flags", ["--seed no", "--unheard 7", "--n 2 --n 3"])
def test_an_error_in_a_flag_stands_at_the_prompt(flags: str) -> None:
    filled = sheet().fill(prompt=f"a fox {flags}")
    with pytest.raises(BadRequest) as caught:
        ask(EASEL, back(filled))
    assert set(field_errors(caught.value, filled.back())) == {"prompt"}


def test_a_field_that_is_not_asked_falls_to_the_first() -> None:
    view = Sheet(form_modal(Form("edit", "Edit prompt", "J1", (Field("prompt", "Prompt"),)))).back()
    assert field_errors(BadRequest("Say the size once.", field="size"), view) == {"prompt": "Say the size once."}


def test_errors_name_commands_as_they_are_typed_here() -> None:
    told = field_errors(BadRequest("There is no such LoRA. /lora list shows all.", field="loras"), sheet().back())
    assert told == {"loras": "There is no such LoRA. /imagine lora list shows all."}


def test_several_errors_are_told_as_they_are() -> None:
    assert field_errors(FieldErrors({"seed": "No."}), sheet().back()) == {"seed": "No."}


# ---- forms ----

FORM = Form(
    "edit",
    "Edit the prompt of this picture",
    "01J",
    (
        Field("prompt", "Prompt", "a fox\nin the snow", long=True, required=True, most=2000),
        Field("loras", "LoRAs", "yarn:0.8", hint="yarn:0.8, owner/name:0.6"),
        Field("seed", "Seed", hint="empty for a new one", most=12),
    ),
)


def test_a_form_is_asked_and_comes_back() -> None:
    body = form_modal(FORM, metadata={"channel": "C1", "thread": "1.2"})
    Modelled(**body).validate_json()
    filled = Sheet(body).fill(prompt="a wolf\nin the snow", seed="7")
    found, options = submitted(filled.back(), CATALOGUE, EASEL)
    assert (found.name, found.where) == ("edit", Where.FORM)
    assert options == {"job": "01J", "prompt": "a wolf\nin the snow", "loras": "yarn:0.8", "seed": 7}
    assert modals.metadata(filled.back()) == {"channel": "C1", "thread": "1.2"}


def test_an_emptied_list_of_loras_means_none() -> None:
    filled = Sheet(form_modal(FORM)).fill(loras=None)
    assert "loras" not in submitted(filled.back(), CATALOGUE, EASEL)[1]


def test_a_form_with_a_bad_number_says_so_there() -> None:
    filled = Sheet(form_modal(FORM)).fill(seed="seven")
    with pytest.raises(FieldErrors) as caught:
        submitted(filled.back(), CATALOGUE, EASEL)
    assert set(caught.value.errors) == {"seed"}
