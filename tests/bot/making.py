"""Values for the heart's tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.images import ImageRequest, Lora, Size
from bot.jobs import Job, Place, Requester, new_id

ANNA = Requester("double", "1", "Anna")
BEN = Requester("double", "2", "Ben")
SQUARE = Place("double", "community", "channel")


def request(prompt: str = "a red fox", seed: int = 7, **more: Any) -> ImageRequest:
    return ImageRequest(prompt=prompt, size=more.pop("size", Size(64, 64)), seed=seed, **more)


def job(asked: ImageRequest | None = None, requester: Requester = ANNA, **more: Any) -> Job:
    made = Job(
        id=new_id(),
        short="",
        request=asked or request(loras=(Lora("owner/yarn", 0.8, "yarn"),)),
        requester=requester,
        place=SQUARE,
        address="double:1?token",
        created_at=datetime.now(UTC),
    )
    return replace(made, **more)
