"""Values ↔ rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.images import Flag, ImageRequest, Lora, Missing, Picture, Size
from bot.jobs import Cancelled, Failed, Finished, Job, Outcome, Place, Requester, Uncertain

Row = Mapping[str, Any] | sa.RowMapping


def request_to_json(request: ImageRequest) -> dict[str, Any]:
    return dataclasses.asdict(request)


def request_from_json(data: Row) -> ImageRequest:
    values = dict(data)
    values["size"] = Size(**values["size"])
    values["loras"] = tuple(Lora(**lora) for lora in values["loras"])
    return ImageRequest(**values)


def job_to_row(job: Job, message_key: str, kind: str) -> dict[str, Any]:
    return {
        "id": job.id,
        "short": job.short,
        "platform": job.requester.platform,
        "requester_id": job.requester.id,
        "requester_name": job.requester.name[:200],
        "community": job.place.community,
        "channel": job.place.channel,
        "age_restricted": job.place.age_restricted,
        "address": job.address,
        "message_key": message_key,
        "private": job.private,
        "spoiler": job.spoiler,
        "locale": job.locale,
        "notes": list(job.notes),
        "request": request_to_json(job.request),
        "count": job.request.count,
        "kind": kind,
        "created_at": job.created_at.timestamp(),
        "state": "waiting",
    }


def job_from_row(row: Row) -> Job:
    return Job(
        id=row["id"],
        short=row["short"],
        request=request_from_json(row["request"]),
        requester=Requester(row["platform"], row["requester_id"], row["requester_name"]),
        place=Place(row["platform"], row["community"], row["channel"], row["age_restricted"]),
        address=row["address"],
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        private=row["private"],
        spoiler=row["spoiler"],
        locale=row["locale"],
        notes=tuple(row["notes"]),
    )


def picture_to_row(job_id: str, picture: Picture, root: Path, *, withheld: bool) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "index": picture.index,
        "path": picture.path.relative_to(root).as_posix(),
        "media_type": picture.media_type,
        "width": picture.size.width,
        "height": picture.size.height,
        "flag": picture.flag.value,
        "withheld": withheld,
    }


def picture_from_row(row: Row, root: Path) -> Picture:
    size = Size(row["width"], row["height"])
    return Picture(row["index"], root / row["path"], row["media_type"], size, Flag(row["flag"]))


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Finished():
            missing = [[part.index, part.reason] for part in outcome.missing]
            return {"is": "finished", "missing": missing, "seconds": outcome.seconds, "cost": outcome.cost}
        case Failed():
            return {"is": "failed", "kind": outcome.kind, "message": outcome.message}
        case Cancelled():
            return {"is": "cancelled", "paid": outcome.paid}
        case Uncertain():
            return {"is": "uncertain"}


def outcome_from_json(data: Row | None, pictures: tuple[Picture, ...]) -> Outcome | None:
    if data is None:
        return None
    match data["is"]:
        case "finished":
            missing = tuple(Missing(index, reason) for index, reason in data["missing"])
            return Finished(pictures, missing, data["seconds"], data["cost"])
        case "failed":
            return Failed(data["kind"], data["message"])
        case "cancelled":
            return Cancelled(data["paid"])
        case _:
            return Uncertain()
