"""The dashboard and the alert rules, held against the page that Easel really serves, and against the operator's page."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bot import metrics
from bot.errors import GenerationFailed
from bot.jobs import Cancelled, Failed, Finished, Uncertain
from tests.bot.house import House
from tests.doubles.backend import PaintedBackend

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OPERATE = (DOCS / "operate.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))

OF_PROMETHEUS = {"up": {"job", "instance"}}
"""What Prometheus adds by itself."""
SCRAPED = {"job", "instance"}
WORDS = {"sum", "max", "min", "by", "rate", "increase", "changes", "histogram_quantile"}
WORDS |= {"vector", "or", "unless", "offset", "label_values", "le"}
"""All of PromQL that is used here: anything else is a name, or a slip."""

Page = dict[str, dict[str, set[str]]]
"""By name of a series: by label, the values that occur."""


@pytest.fixture
async def page(tmp_path: Path) -> Page:
    """Everything that can be counted, counted once."""
    with metrics.request("submit"):
        pass
    with pytest.raises(GenerationFailed), metrics.request("submit"):
        raise GenerationFailed("It failed.")
    metrics.looked("ended")
    metrics.accepted("double")
    metrics.submitted(0.015, timedelta(seconds=1))
    metrics.drawn(1.0)
    metrics.delivered("double", datetime.now(UTC))
    for outcome in (Finished((), (), 1.0, 0.0), Failed("Internal", "x"), Cancelled(paid=False), Uncertain()):
        metrics.ended("double", outcome, 1)
    for result in get_args(metrics.Result):
        metrics.message("double", "edit", result)
    async with House(tmp_path, PaintedBackend()) as house:
        with metrics.watching(house.life, house.intake):
            text = metrics.page()[0].decode()
    found: Page = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def panels() -> Iterator[tuple[str, str, str]]:
    """(title, expression, legend)."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


def expressions() -> dict[str, str]:
    found = {f"alert {rule['alert']}": rule["expr"] for rule in RULES}
    found |= {f"panel {title} {number}": expr for number, (title, expr, _) in enumerate(panels())}
    variables = DASHBOARD["templating"]["list"]
    return found | {f"variable {it['name']}": it["query"]["query"] for it in variables if isinstance(it["query"], dict)}


@pytest.mark.parametrize("where", expressions())
async def test_every_name_and_label_is_on_the_page(where: str, page: Page) -> None:
    expr = expressions()[where]
    assert problems(expr, page) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("rate(easel_jobs_accepted[5m])", ["easel_jobs_accepted"]),
        ("sum by (platfrom) (easel_platform_ready)", ["platfrom"]),
        ('easel_jobs{status="waiting"}', ["easel_jobs{status}"]),
        ('easel_jobs{state="waits"}', ["easel_jobs{state=waits}"]),
        ("sum(easel_jobs", ["brackets"]),
        ("summ(easel_jobs)", ["summ"]),
    ],
)
async def test_a_slip_would_be_noticed(wrong: str, told: list[str], page: Page) -> None:
    assert problems(wrong, page) == told


def problems(expr: str, page: Page) -> list[str]:
    found: list[str] = []
    known = page | {name: {label: set() for label in labels} for name, labels in OF_PROMETHEUS.items()}
    for name, matchers in re.findall(r"([a-z_]+)\{([^}]*)\}", expr):
        for label, how, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers):
            if label in SCRAPED:
                continue
            if label not in known.get(name, {}):
                found.append(f"{name}{{{label}}}")
            elif how == "=" and value not in known[name][label]:
                found.append(f"{name}{{{label}={value}}}")
    bare = re.sub(r"\[[^\]]*\]|\{[^}]*\}|\boffset \w+|\b[0-9.]+(e[0-9]+)?", " ", expr)
    labels = {label for labels in known.values() for label in labels} | SCRAPED
    found += [word for word in re.findall(r"[a-zA-Z_]\w*", bare) if word not in WORDS | labels | known.keys()]
    if any(expr.count(opened) != expr.count(closed) for opened, closed in ("()", "[]", "{}")):
        found.append("brackets")
    return found


def test_legends_and_summaries_name_labels_that_the_expression_keeps() -> None:
    told = [(expr, legend) for _, expr, legend in panels()]
    told += [(rule["expr"], rule["annotations"]["summary"]) for rule in RULES]
    for expr, text in told:
        kept = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(",")} | SCRAPED
        named = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))
        assert named <= kept, (expr, text)
        if "by (" not in expr and re.match(r"(sum|max|min)\(", expr):
            assert named == set(), (expr, text)


async def test_every_series_of_ours_is_drawn(page: Page) -> None:
    """Nothing is counted that nobody sees."""
    drawn = set(re.findall(r"easel_[a-z_]+", " ".join(expr for _, expr, _ in panels())))
    ours = {re.sub(r"_(count|sum)$", "_bucket", name) for name in page if name.startswith("easel_")}
    assert {name for name in ours if not name.endswith("_created")} - drawn == set()


def test_rules_are_whole() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule
        assert rule["annotations"]["summary"], rule
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, rule


def test_panels_stand_beside_each_other() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at: dict[str, Any] = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


# ---- what the operator's page says of them ----


def test_every_rule_is_explained() -> None:
    explained = set(re.findall(r"`(Easel[A-Z]\w+)`", OPERATE))
    assert explained == {rule["alert"] for rule in RULES}


def test_every_alert_that_is_sent_is_explained() -> None:
    explained = re.findall(r"^\| “(.+?)”", OPERATE, re.MULTILINE)
    for text in _sent():
        assert any(text.startswith(beginning.rstrip("…")) for beginning in explained), text


def test_every_log_line_that_is_explained_is_logged() -> None:
    explained = {
        line
        for cell in re.findall(r"^\| (`[a-z'].+?`) \| ", OPERATE, re.MULTILINE)
        for line in re.findall("`(.+?)`", cell)
    }
    source = "".join(
        file.read_text(encoding="utf-8") for part in ("bot", "adapters") for file in (ROOT / part).rglob("*.py")
    )
    assert len(explained) > 5
    assert {line for line in explained if not re.search(rf'"{line}["\\:]', source)} == set()


def _sent() -> Iterator[str]:
    """The first words of each `raise_(kind, message)`."""
    for file in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "raise_":
                match node.args[1]:
                    case ast.Constant(value=str(text)):
                        yield text
                    case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
                        yield text
