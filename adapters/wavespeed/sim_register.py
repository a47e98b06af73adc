"""The simulated account's predictions: taken in, found again, listed and, after a week, forgotten."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from adapters.wavespeed.faults import Script
from adapters.wavespeed.sim_account import Account
from adapters.wavespeed.sim_media import readable
from adapters.wavespeed.sim_memory import KEPT, Memory
from adapters.wavespeed.sim_predictions import MODEL, Moment, Pace, Prediction, verdict
from adapters.wavespeed.sim_rules import V3, Inputs, Refused

RETENTION = 7 * 24 * 3600
"""Seconds after which the API forgets a prediction and its outputs."""

QUEUED = 0.08
"""Share of a prediction's time that it stays `created`, even with nobody before it."""

ENDS_EARLY = 0.4
"""Share of the usual time after which a prediction fails."""


class Register:
    """`lag` is how many seconds a prediction takes to show in the listing."""

    def __init__(self, account: Account, pace: Pace, lag: float) -> None:
        self.predictions: dict[str, Prediction] = {}
        """By id, oldest first."""
        self.scripts: deque[tuple[str, Script]] = deque()
        """For the next accepted submits whose prompt contains the text."""
        self.pace = pace
        self.lag = lag
        self._account = account
        self._random = Random()
        self._memory: Memory | None = None

    def remember(self, path: Path, now: Moment) -> None:
        """Go on where the last one with this memory ended, and write down what comes. Raises OSError."""
        self._memory = Memory(path, now.wall - now.monotonic)
        for prediction, cost in self._memory.recall(now.monotonic):
            if prediction.id in self.predictions:
                continue
            self.predictions[prediction.id] = prediction
            self._account.book(prediction.id, cost)
            self._account.hold(prediction.inputs["num_images"], prediction.ends)

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def accept(self, version: int, inputs: Inputs, now: Moment, image: bytes | None, mask: bytes | None) -> Prediction:
        """Make a prediction and charge it. `image` and `mask` are bytes, empty where nothing was found."""
        self._forget(now.monotonic)
        media = all(readable(data) for data in (image, mask) if data is not None)
        script = self._scripted(inputs["prompt"]) or verdict(inputs, media=media)
        seed = inputs["seed"] if inputs["seed"] >= 0 else self._random.randrange(V3.seed + 1)
        seconds = script.seconds if script.seconds is not None else self._usual(inputs, seed, script)
        begins = self._account.begin(now.monotonic, inputs["num_images"], seconds)
        prediction = Prediction(
            id=secrets.token_hex(16),
            version=version,
            inputs=inputs,
            seed=seed,
            created=now,
            starts=begins + seconds * QUEUED,
            ends=begins + seconds,
            script=script,
            image=image if media else None,
            mask=mask if media else None,
        )
        if self._memory is not None:
            self._memory.keep(prediction, readable=media, cost=self._account.cost(inputs["num_images"]))
        self.predictions[prediction.id] = prediction
        self._account.charge(prediction.id, inputs["num_images"])
        return prediction

    def _usual(self, inputs: Inputs, seed: int, script: Script) -> float:
        return self.pace.duration(inputs, seed) * (ENDS_EARLY if script.end == "failed" else 1.0)

    def _scripted(self, prompt: str) -> Script | None:
        for place, (part, script) in enumerate(self.scripts):
            if part in prompt:
                del self.scripts[place]
                return script
        return None

    def find(self, name: str, now: float) -> Prediction:
        """Raises Refused (404) for an id that is unknown, deleted or forgotten."""
        self._forget(now)
        prediction = self.predictions.get(name)
        if prediction is None or prediction.deleted:
            raise Refused(404, "Prediction not found.")
        return prediction

    def _forget(self, now: float) -> None:
        while self.predictions:
            oldest = next(iter(self.predictions.values()))
            if now - oldest.created.monotonic <= (KEPT if self._memory else RETENTION):
                return
            del self.predictions[oldest.id]
            if self._memory is not None:
                self._account.give_back(oldest.id)
                self._memory.forget(now)

    def delete(self, wanted: Mapping[str, Any]) -> int:
        """Hide predictions. The documentation does not call this a cancel: what runs is charged all the same."""
        names = wanted.get("ids")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(400, "ids must be an array of strings.")
        found = [each for name in names if (each := self.predictions.get(name)) and not each.deleted]
        for prediction in found:
            prediction.deleted = True
        if self._memory is not None:
            self._memory.hide([prediction.id for prediction in found])
        return len(found)

    def page(self, wanted: Mapping[str, Any], now: float) -> tuple[int, list[Prediction]]:
        """How many match, and those on the wanted page, newest first. Raises Refused (400)."""
        page, size = wanted.get("page"), wanted.get("page_size")
        if not isinstance(page, int) or not isinstance(size, int) or page < 1 or not 1 <= size <= 100:
            raise Refused(400, "page must be at least 1 and page_size from 1 to 100.")
        self._forget(now)
        found = [each for each in reversed(self.predictions.values()) if self._listed(each, wanted, now)]
        return len(found), found[(page - 1) * size : page * size]

    def _listed(self, prediction: Prediction, wanted: Mapping[str, Any], now: float) -> bool:
        wall = prediction.created.wall
        return (
            not prediction.deleted
            and now - prediction.created.monotonic >= self.lag
            and wanted.get("model") in (None, "", MODEL)
            and wanted.get("status") in (None, "", prediction.status(now))
            and _seconds(wanted, "created_after", 0.0) <= wall <= _seconds(wanted, "created_before", float("inf"))
        )


def _seconds(wanted: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = wanted.get(name)
    if value in (None, ""):
        return otherwise
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        raise Refused(400, f"{name} must be an ISO 8601 date-time.") from None
