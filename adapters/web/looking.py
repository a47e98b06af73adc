"""Pictures: one by one for who may see them, and all that was made here, as a gallery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aiohttp import web

from adapters.web.address import PLACE
from adapters.web.home import Home
from adapters.web.pace import Pace, Rate
from adapters.web.people import Person
from adapters.web.views import gallery_items
from adapters.web.wire import Refusal, answer, slow_down
from bot.guard import Showing
from bot.images import Picture
from commands import access

if TYPE_CHECKING:
    from bot.jobs import Place, Requester
    from bot.store import Record
    from commands.spec import Turn

MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class _Onlooker:
    """As much of a turn as it takes to see."""

    requester: Requester
    place: Place = PLACE


class Looking:
    """`home` raises Refusal while there is none."""

    def __init__(self, home: Callable[[], Home]) -> None:
        self._home = home
        self._reads = Pace(each=Rate(60, 10), everyone=Rate(600, 100))

    async def picture(self, request: web.Request, person: Person) -> web.StreamResponse:
        home = self._home()
        job_id, index = request.match_info["job"], request.match_info["index"]
        if len(job_id) != 26 or not (index.isascii() and index.isdecimal() and len(index) < 4):
            raise Refusal(404, "There is no such picture.")
        record = await home.easel.store.find(job_id)
        picture = _visible(record, int(index), home, person) if record else None
        if record is None or picture is None or not home.easel.gallery.exists(picture):
            raise Refusal(404, "That picture is gone, or was never yours to see.")
        return web.FileResponse(picture.path, headers=_headers(record, picture, request.query.get("download") == "1"))

    async def gallery(self, request: web.Request, person: Person) -> web.Response:
        home = self._home()
        slow_down(self._reads, person.id)
        query = request.query
        limit = query.get("limit", "24")
        most = min(max(int(limit), 1), MOST_LISTED) if limit.isascii() and limit.isdecimal() and len(limit) < 5 else 24
        found = await home.easel.store.drawn(
            PLACE,
            seen_by=person.requester,
            limit=most + 1,
            before=query.get("before", "")[:26] or None,
            text=query.get("text", "").strip()[:200],
            lora=query.get("lora", "").strip()[:200],
            mine=query.get("mine") == "1",
        )
        shown = found[:most]
        items = [item for record in shown for item in gallery_items(record, home.easel, person)]
        return answer({"items": items, "more": shown[-1].job.id if len(found) > most else None})


def _visible(record: Record, index: int, home: Home, person: Person) -> Picture | None:
    """None also for what the rules of today keep back from everybody."""
    onlooker = cast("Turn", _Onlooker(person.requester))
    if record.job.place.platform != PLACE.platform or not access.may_see(record, onlooker):
        return None
    found = next((it for it in access.visible(record, onlooker) if it.index == index), None)
    if found is None or home.easel.answers.showing(record.job, found) is Showing.WITHHELD:
        return None
    return found


def _headers(record: Record, picture: Picture, download: bool) -> dict[str, str]:
    name = f"easel-{record.job.short}-{picture.index}{picture.path.suffix}"
    manner = "attachment" if download else "inline"
    return {
        "Content-Type": picture.media_type,
        "Content-Disposition": f'{manner}; filename="{name}"',
        "Cache-Control": "private, no-cache",
    }
