"""What people do in the channel, over HTTP, before the whole heart: ask, watch it grow, press, come back."""

from __future__ import annotations

import time
from datetime import datetime
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from adapters.web import board
from bot.guard import Policy
from bot.images import Flag
from tests.adapters.web.house import Playground
from tests.doubles.backend import Account, Fate, PaintedBackend


async def test_a_typed_line_becomes_a_picture_of_its_size(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    key = await ana.drawing("/imagine a red fox --size 128x64 --seed 7 --lora yarn:0.8")
    message = await window.over(key)
    assert message["card"]["title"] == "Done"
    assert message["mine"]
    assert message["who"] == ana.me
    assert message["asked"].startswith("/imagine a red fox")
    assert all(f in message["asked"] for f in ("--size 128x64", "--seed 7", "--lora yarn:0.8"))
    (shown,) = message["card"]["pictures"]
    assert (shown["width"], shown["height"], shown["hidden"]) == (128, 64, False)
    status, data = await ana.fetch(shown["url"])
    assert status == 200
    with Image.open(BytesIO(data)) as picture:
        assert picture.size == (128, 64)
        assert "a red fox" in picture.info["parameters"]


async def test_a_typed_command_is_acknowledged_at_once(house: Playground) -> None:
    house.backend.seconds = 60
    ana = await house.visitor()
    await ana.drawing("warm up")
    took: list[float] = []
    while len(took) < 15 and min(took, default=1.0) >= 0.05:  # some may share this machine with other tests
        began = time.perf_counter()
        await ana.drawing(f"fox {len(took)}")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05


async def test_two_people_see_the_same_live_and_each_knows_their_own(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    one, two = await ana.window(), await ben.window()
    key = await ana.drawing("a red fox")
    mine, theirs = await one.over(key), await two.over(key)
    assert (mine["mine"], theirs["mine"]) == (True, False)
    assert mine | {"mine": False} == theirs
    status, _ = await ben.fetch(theirs["card"]["pictures"][0]["url"])
    assert status == 200


async def test_a_private_picture_is_seen_by_its_requester_alone(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    one, other, two = await ana.window(), await ana.window(), await ben.window()
    key = await ana.drawing("a secret fox --private")
    message = await one.over(key)
    await other.over(key)
    assert message["private"]
    after = await ben.drawing("something open")
    await two.over(after)
    assert list(two.messages) == [after]
    url = message["card"]["pictures"][0]["url"]
    assert (await ana.fetch(url))[0] == 200
    assert (await ben.fetch(url))[0] == 404
    assert [it["key"] for it in (await ben.get("/api/start"))["messages"]] == [after]
    assert [it["job"] for it in (await ben.get("/api/gallery"))["items"]] != [message["job"]]
    answer = await ben.press(message, "details")
    assert answer["kind"] == "note"
    assert "secret fox" not in str(answer)
    assert (await ben.press(message, "again"))["kind"] == "error"


async def test_a_reload_shows_the_same_as_the_open_window(house: Playground) -> None:
    house.backend.fates.extend([Fate(), Fate(seconds=60), Fate(seconds=60)])
    ana = await house.visitor()
    window = await ana.window()
    done = await ana.drawing("a red fox")
    await window.over(done)
    running = await ana.drawing("a slow fox")
    await window.until(lambda it: it.messages.get(running, {}).get("since"))
    started = await ana.get("/api/start")
    assert [it["key"] for it in started["messages"]] == [done, running]
    assert started["messages"][0] == window.messages[done]
    seen, live = started["messages"][1], window.messages[running]
    assert seen["open"]
    assert abs((datetime.fromisoformat(seen["since"]) - datetime.fromisoformat(live["since"])).total_seconds()) < 1
    assert seen["card"]["actions"] == live["card"]["actions"] != []


async def test_cancel_ends_it_for_all_and_says_so(house: Playground) -> None:
    house.backend.seconds = 60
    ana, ben = await house.visitors(2)
    one, two = await ana.window(), await ben.window()
    key = await ana.drawing("a slow fox")
    message = await one.until(lambda it: (m := it.messages.get(key)) and m["since"] and m)
    answer = await ana.press(message, "cancel")
    assert answer["kind"] == "note"
    assert answer["card"]["title"].startswith("Cancelled")
    assert (await one.over(key))["card"]["title"] == "Cancelled"
    assert (await two.over(key))["card"]["title"] == "Cancelled"
    (seen,) = (await ana.get("/api/start"))["messages"]
    assert (seen["card"]["title"], seen["open"]) == ("Cancelled", False)


async def test_buttons_reroll_vary_and_open_forms(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    first = await window.over(await ana.drawing("two foxes --n 2"))
    again = await ana.press(first, "again")
    assert again["kind"] == "message"
    await window.over(again["key"])
    varied = await ana.press(first, "vary", 2)
    assert "Varied from picture 2" in str((await window.over(varied["key"]))["card"]["lines"])
    form = (await ana.press(first, "edit"))["form"]
    assert (form["verb"], form["fields"][0]["value"]) == ("edit", "two foxes")
    fields = {field["name"]: field["value"] for field in form["fields"]} | {"prompt": "two owls"}
    edited = await ana.post("/api/submit", verb=form["verb"], job=form["job"], fields=fields)
    assert (await window.over(edited["key"]))["asked"].startswith("/imagine two owls")
    refused = await ana.post("/api/submit", verb="edit", job=form["job"], fields=fields | {"seed": "seven"})
    assert (refused["kind"], refused["field"]) == ("error", "seed")


async def test_delete_takes_the_message_from_every_window_and_the_file_from_the_disk(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    one, two = await ana.window(), await ben.window()
    key = await ana.drawing("a red fox")
    message = await one.over(key)
    await two.over(key)
    answer = await ana.press(message, "delete")
    assert answer["card"]["title"] == "Deleted"
    for window in (one, two):
        await window.until(lambda it: key not in it.messages)
    assert (await ana.get("/api/start"))["messages"] == []
    assert (await ana.fetch(message["card"]["pictures"][0]["url"]))[0] == 404
    assert list(house.root.glob("pictures/*/*.png")) == []


async def test_a_flagged_picture_comes_covered_and_can_be_covered_later(tmp_path: Path) -> None:
    backend = PaintedBackend(fates=(Fate(flags=(Flag.YES,)), Fate()))
    async with Playground(tmp_path, backend) as house:
        ana = await house.visitor()
        window = await ana.window()
        flagged = await window.over(await ana.drawing("a flagged fox"))
        assert flagged["card"]["pictures"][0]["hidden"]
        assert "flagged fox" not in flagged["card"]["pictures"][0]["alt"]
        key = await ana.drawing("a fox")
        assert not (await window.over(key))["card"]["pictures"][0]["hidden"]
        used = await ana.post("/api/use", name="spoiler", message=key)
        assert used["card"]["title"] == "Covered"
        await window.until(lambda it: it.messages[key]["card"]["pictures"][0]["hidden"])
        assert [item["hidden"] for item in (await ana.get("/api/gallery"))["items"]] == [True, True]


async def test_a_withheld_picture_is_shown_to_nobody_and_its_requester_is_told(tmp_path: Path) -> None:
    async with Playground(tmp_path, PaintedBackend(fates=(Fate(flags=(Flag.YES,)),)), policy=Policy("block")) as house:
        ana = await house.visitor()
        window = await ana.window()
        message = await window.over(await ana.drawing("a flagged fox"))
        assert message["card"]["pictures"] == []
        await window.until(lambda it: it.notes)
        assert window.notes[0]["title"] == "Not shown here"
        assert (await ana.fetch(f"/pictures/{message['job']}/1"))[0] == 404
        assert (await ana.get("/api/gallery"))["items"] == []


async def test_a_line_that_makes_no_sense_is_refused_at_its_field_and_draws_nothing(house: Playground) -> None:
    ana = await house.visitor()
    for text, field in (
        ("a fox --steps 999", "steps"),
        ("", "prompt"),
        ("/show", "id"),
        ("/imagine", "prompt"),
        ("/imagin a fox", None),
        ("/edit make it blue", "image"),
        ("/show me a dragon", None),
        ("a fox --lora nosuchlora", "loras"),
    ):
        answer = await ana.say(text)
        assert (answer["kind"], answer["field"]) == ("error", field), (text, answer)
    assert "Did you mean /imagine?" in str(await ana.say("/imagin a fox"))
    assert house.backend.posts == 0
    assert (await ana.get("/api/start"))["messages"] == []


async def test_a_number_beyond_all_bounds_is_refused_kindly(house: Playground) -> None:
    ana = await house.visitor()
    answer = await ana.post("/api/run", command="imagine", options={"prompt": "a fox", "seed": 10**400})
    assert (answer["kind"], answer["field"]) == ("error", "seed")


async def test_the_form_view_asks_the_same(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    options = {
        "prompt": "a red fox",
        "width": 128,
        "height": "64",
        "count": 2,
        "private": True,
        "lora1": "",
        "loras": None,
    }
    answer = await ana.post("/api/run", command="imagine", options=options)
    message = await window.over(answer["key"])
    assert [(it["width"], it["height"]) for it in message["card"]["pictures"]] == [(128, 64)] * 2
    assert message["private"]
    refused = await ana.post("/api/run", command="imagine", options=options | {"count": 99})
    assert (refused["kind"], refused["field"]) == ("error", "count")
    lacking = await ana.post("/api/run", command="edit", options={"prompt": "as a watercolour"})
    assert (lacking["kind"], lacking["field"]) == ("error", "image")


async def test_notes_answer_what_is_for_one_alone(house: Playground) -> None:
    ana = await house.visitor()
    window = await ana.window()
    message = await window.over(await ana.drawing("a red fox"))
    for line, word in (
        ("/help", "What you can ask"),
        ("/queue", ""),
        ("/lora list", "LoRAs"),
        ("/history", "Your pictures"),
        (f"/show {message['short']}", f"Picture {message['short']}"),
        ("/ping", ""),
    ):
        answer = await ana.say(line)
        assert answer["kind"] == "note", (line, answer)
        assert word in answer["card"]["title"]
    shown = await ana.say(f"show {message['short']}")
    assert shown["card"]["pictures"] == message["card"]["pictures"]
    assert (await ana.post("/api/use", name="details", message=message["key"]))["card"]["title"].startswith("Details")


async def test_a_picture_of_the_channel_becomes_a_source(house: Playground) -> None:
    ana, ben = await house.visitors(2)
    window = await ben.window()
    key = await ana.drawing("two foxes --n 2")
    await window.over(key)
    form = (await ben.post("/api/use", name="source", message=key, picture=2))["form"]
    fields = {field["name"]: field["value"] for field in form["fields"]} | {"prompt": "as owls"}
    assert fields["picture"] == "2"
    drawn = await ben.post("/api/submit", verb="source", job=form["job"], fields=fields)
    assert "from a picture" in str((await window.over(drawn["key"]))["card"])


async def test_a_repeated_request_is_done_once_also_after_a_restart(tmp_path: Path) -> None:
    account = Account()
    request = str(uuid4())
    async with Playground(tmp_path, PaintedBackend(account=account)) as house:
        ana = await house.visitor()
        window = await ana.window()
        first = await ana.say("a red fox", request_id=request)
        assert await ana.say("a red fox", request_id=request) == first
        await window.over(first["key"])
        ben = await house.visitor()
        other = await ben.say("a red fox", request_id=request)
        assert other["key"] != first["key"]
        await window.over(other["key"])
        cookies = ana.cookies
    async with Playground(tmp_path, PaintedBackend(account=account)) as house:
        ana = await house.visitor(cookies)
        assert await ana.say("a red fox", request_id=request) == first
        assert len(account.posts) == 2
        assert sum(it["mine"] for it in (await ana.get("/api/start"))["messages"]) == 1


async def test_a_restart_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    account = Account()
    async with Playground(tmp_path, PaintedBackend(account=account, seconds=0.5)) as house:
        ana = await house.visitor()
        window = await ana.window()
        key = await ana.drawing("a red fox")
        await window.until(lambda it: it.messages.get(key, {}).get("since"))
        last, cookies = window.last, ana.cookies
    async with Playground(tmp_path, PaintedBackend(account=account, seconds=0.5)) as house:
        again = await house.visitor(cookies)
        assert again.me == ana.me
        window = await again.window(last)
        await window.until(lambda it: "start" in it.events)
        (message,) = (await again.get("/api/start"))["messages"]
        assert message["key"] == key
        if message["open"]:
            message = await window.over(key)
        assert message["card"]["title"] == "Done"
        assert len(account.posts) == 1


async def test_older_messages_come_page_by_page(house: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "PAGE", 2)
    ana = await house.visitor()
    window = await ana.window()
    keys = [await ana.drawing(f"fox {number}") for number in range(5)]
    for key in keys:
        await window.over(key)
    newest = await ana.get("/api/start")
    assert ([it["key"] for it in newest["messages"]], newest["older"]) == (keys[3:], True)
    page = await ana.get(f"/api/older?before={keys[3]}")
    assert ([it["key"] for it in page["messages"]], page["older"]) == (keys[1:3], True)
    page = await ana.get(f"/api/older?before={keys[1]}")
    assert ([it["key"] for it in page["messages"]], page["older"]) == (keys[:1], False)
    assert (await ana.fetch("/api/older?before=nonsense"))[0] == 404
