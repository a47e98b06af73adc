"""A house to ask in: the real store, gallery, library and policy, and an intake that only notes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image
from ulid import ULID

from bot.answers import Answers
from bot.easel import Easel
from bot.errors import EaselError
from bot.guard import Policy
from bot.images import Capabilities, Flag, ImageRequest, Lora, Picture, Size
from bot.jobs import Finished, Job, Outcome, Place, Progress, Requester
from bot.ledger import Ledger
from bot.library import Library
from bot.pictures import Gallery
from bot.settings import Settings
from bot.store import Database, Record, Store
from bot.store.tables import metadata
from commands import command
from commands.spec import Attachment, Options, Where
from tests.doubles.backend import V2
from tests.doubles.reply import Notes
from tests.doubles.turn import ANNA, SQUARE, NotingTurn

if TYPE_CHECKING:
    from bot.intake import QueueView


@dataclass
class NotingIntake:
    """`refuses` is raised by check, `refuses_late` by accept."""

    notes: Notes
    refuses: EaselError | None = None
    refuses_late: Exception | None = None
    mine: tuple[tuple[Job, Progress], ...] = ()
    accepted: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[tuple[str, Requester, bool]] = field(default_factory=list)

    async def check(self, requester: Requester, place: Place, request: ImageRequest) -> None:
        self.notes.append(("check", requester))
        if self.refuses:
            raise self.refuses

    async def accept(self, request: ImageRequest, **how: Any) -> None:
        self.notes.append(("accept", request))
        if self.refuses_late:
            raise self.refuses_late
        self.accepted.append({"request": request, **how})

    async def cancel(self, job_id: str, *, by: Requester, moderates: bool) -> str:
        self.notes.append(("cancel", job_id))
        self.cancelled.append((job_id, by, moderates))
        return "Cancelled."

    async def queue(self, requester: Requester) -> QueueView:
        from bot.intake import QueueView

        return QueueView(waiting=4, running=2, mine=self.mine, usual_wait=12.0)


@dataclass
class House:
    root: Path
    store: Store
    gallery: Gallery
    ledger: Ledger
    notes: Notes = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    capabilities: Capabilities = V2
    policy: Policy = field(default_factory=Policy)
    library: Library = field(default_factory=Library.load)

    def __post_init__(self) -> None:
        self.intake = NotingIntake(self.notes)

    @property
    def easel(self) -> Easel:
        intake = cast("Any", self.intake)
        return Easel(
            self.settings,
            self.capabilities,
            self.library,
            intake,
            self.store,
            self.gallery,
            self.policy,
            Answers(self.policy, self.capabilities.model),
            cast("Any", None),  # no command rings it
        )

    def set(self, **values: Any) -> None:
        self.settings = self.settings.model_copy(update=values)

    async def run(self, name: str, where: Where, turn: NotingTurn | None = None, /, **options: object) -> NotingTurn:
        turn = turn or NotingTurn()
        turn.notes = self.notes
        self.notes.clear()
        await command(name, where).run(self.easel, turn, cast("Options", options))
        return turn

    async def imagine(self, turn: NotingTurn | None = None, **options: object) -> NotingTurn:
        return await self.run("imagine", Where.SLASH, turn, **options)

    async def press(self, name: str, job: Job, turn: NotingTurn | None = None, argument: int = 0) -> NotingTurn:
        return await self.run(name, Where.BUTTON, turn, job=job.id, argument=argument)

    @property
    def asked(self) -> ImageRequest:
        """The request of the last accepted job."""
        request = self.intake.accepted[-1]["request"]
        assert isinstance(request, ImageRequest)
        return request

    async def job(
        self,
        *,
        requester: Requester = ANNA,
        place: Place = SQUARE,
        flags: tuple[Flag, ...] = (Flag.NO,),
        withheld: frozenset[int] = frozenset(),
        outcome: Outcome | None = None,
        public: bool = True,
        state: str = "closed",
        private: bool = False,
        spoiler: bool = False,
        **request: Any,
    ) -> Job:
        """A job in the store, with pictures on disk, as the heart leaves it: waiting, running, being posted or closed."""
        defaults = {"prompt": "a fox", "size": Size(1216, 832), "seed": 5, "count": len(flags)}
        asked = ImageRequest(**{**defaults, **request})
        made = Job(
            str(ULID()), "", asked, requester, place, "double:9?token", datetime.now(UTC), private, spoiler, "en"
        )
        key = f"key-{made.id}"
        job = await self.store.accept(made, delivery_key=key, ordinal=0, message_key=f"double:{made.id}", kind="k")
        assert job is not None
        if state == "waiting":
            return job
        await self.ledger.intend(job, 0.015)
        if state == "running":
            return job
        pictures = {self._picture(job, index, flag): index in withheld for index, flag in enumerate(flags, 1)}
        ended = outcome or Finished(tuple(pictures), (), 7.4, 0.015 * len(pictures))
        await self.store.ended(await self.store.get(job.id), ended, 7.4, pictures)
        if state == "being posted":
            return job
        await self.store.closed(job.id, address="double:9", public=public and not private)
        return job

    def _picture(self, job: Job, index: int, flag: Flag) -> Picture:
        path = self.gallery.place(job.id).with_name(f"{job.id.lower()}-{index}.png")
        path.write_bytes(png(job.request.size))
        return Picture(index, path, "image/png", job.request.size, flag)

    async def record(self, job: Job) -> Record:
        return await self.store.get(job.id)


@contextmanager
def house(root: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{root / 'easel.sqlite'}")
    metadata.create_all(database.engine)
    try:
        yield House(root, Store(database, root), Gallery(root), Ledger(database, "tests"))
    finally:
        database.close()


def png(size: Size, colour: str = "orange") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (size.width, size.height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def attached(turn: NotingTurn, name: str, data: bytes) -> Attachment:
    """Hand a file in with this turn."""
    turn.files = {**turn.files, name: data}
    return Attachment(name, f"{name}.png", len(data))


YARN = Lora("linoyts/yarn_art_Flux_LoRA", 0.8, "yarn")
