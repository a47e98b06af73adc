"""What goes to Discord is counted by what it does for people, and by what Discord said."""

from __future__ import annotations

import pytest

from adapters.discord.reply import Wires
from adapters.discord.rest import Down, Refused, Rest
from tests.adapters.discord.desk import Desk, error, limited
from tests.doubles.scrape import Growth

MESSAGES = "easel_messages_total"


async def test_every_request_on_the_wire_is_counted(wires: Wires, desk: Desk) -> None:
    growth = Growth()
    answers = iter([limited(0.01), error(404, 10008), error(500)])
    desk.on("PATCH", "", lambda _: next(answers, None))
    rest = wires.rest
    await rest.answer("1", "token", {"type": 5}, timeout=3.0)
    await rest.request("POST", "/channels/5/messages", bucket="post 5", payload={"content": "x"})
    with pytest.raises(Refused):  # after a limit that is waited for
        await rest.request("PATCH", "/channels/5/messages/9", bucket="edit 5", payload={}, patience=1.0)
    with pytest.raises(Down):
        await rest.request("PATCH", "/channels/5/messages/9", bucket="edit 5", payload={})
    await rest.request("PATCH", "/channels/5/messages/9", bucket="edit 5", payload={})
    assert growth(MESSAGES, platform="discord", what="answer", result="ok") == 1
    assert growth(MESSAGES, platform="discord", what="post", result="ok") == 1
    assert growth(MESSAGES, platform="discord", what="edit", result="limited") == 1
    assert growth(MESSAGES, platform="discord", what="edit", result="failed") == 2
    assert growth(MESSAGES, platform="discord", what="edit", result="ok") == 1
    assert growth(MESSAGES) == 6


async def test_a_line_that_is_closed_counts_as_failed() -> None:
    growth = Growth()
    async with Rest("http://127.0.0.1:1/api/v10", "bot-token") as rest:  # nobody listens there
        with pytest.raises(Down):
            await rest.request("PATCH", "/channels/5/messages/9", bucket="edit 5", payload={})
    assert growth(MESSAGES, what="edit", result="failed") == 1
