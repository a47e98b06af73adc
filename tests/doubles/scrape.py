"""What a Prometheus server reads at `/metrics`, with its own project's parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bot import metrics


def samples() -> list[Sample]:
    body, _ = metrics.page()
    return [sample for family in text_string_to_metric_families(body.decode()) for sample in family.samples]


def value(name: str, **labels: str) -> float:
    """The sum over every series of this name that has these labels; 0 where there is none."""
    return sum(sample.value for sample in samples() if sample.name == name and labels.items() <= sample.labels.items())


class Growth:
    """How much a number has grown since this was made: counts belong to the process, and other tests counted, too."""

    def __init__(self) -> None:
        self._before = samples()

    def __call__(self, name: str, **labels: str) -> float:
        before = sum(
            sample.value for sample in self._before if sample.name == name and labels.items() <= sample.labels.items()
        )
        return value(name, **labels) - before
