"""The table at the end: one row for each kind of fault, and one for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.account import Account

HEAD = f"{'fault':22}{'runs':>5}{'jobs':>7}{'lost':>6}{'twice':>7}{'wrong':>7}{'two':>5}{'other':>7}{'crashes':>9}{'uncertain':>11}{'of':>6}{'resume':>9}{'adopt':>8}"


def table(accounts: Sequence[Account], seconds: float) -> str:
    """`resume` and `adopt` are the slowest, in seconds; `of` is how many may be uncertain."""
    names = dict.fromkeys(f"{account.kind} {_letter(account)}" for account in accounts)
    groups = {name: [it for it in accounts if f"{it.kind} {_letter(it)}" == name] for name in sorted(names)}
    rows = [_row(name, group) for name, group in groups.items()]
    resumed = sorted(both for account in accounts for both in account.resumed)
    return "\n".join(
        [
            "",
            f"p: on Postgres, s: on SQLite; {seconds / 60:.1f} minutes in all. Asked: people whose command was lost with",
            "its process and who asked again are not in `jobs`; every job there was accepted.",
            HEAD,
            *rows,
            _row("all", accounts),
            _restarts(resumed),
        ]
    )


def _row(name: str, group: Sequence[Account]) -> str:
    def total(what: str) -> int:
        return sum(getattr(account, what) for account in group)

    other = (
        sum(not account.good for account in group)
        if not any(map(_counted, group))
        else total("failed") + total("untold")
    )
    slowest = max((calm for account in group for _, calm in account.resumed), default=None)
    adopted = max((seconds for account in group for seconds in account.adopted), default=None)
    return (
        f"{name:22}{len(group):5}{total('jobs'):7}{total('lost'):6}{total('twice'):7}{total('wrong'):7}{total('two'):5}"
        f"{other:7}{total('crashes'):9}{total('uncertain'):11}{total('doubts'):6}{_seconds(slowest):>9}{_seconds(adopted):>8}"
    )


def _counted(account: Account) -> bool:
    return any((account.lost, account.twice, account.wrong, account.two, account.failed, account.untold))


def _restarts(resumed: Sequence[tuple[float, float]]) -> str:
    if not resumed:
        return ""
    calm = sorted(it for _, it in resumed)
    middle, slowest = calm[len(calm) // 2], calm[-1]
    return (
        f"{len(resumed)} starts that found open jobs were at work after {middle:.1f} s (half of them) and {slowest:.1f} s "
        f"(the slowest),\nwithout the time in which they waited for a CPU; with it {resumed[len(resumed) // 2][0]:.1f} "
        f"and {resumed[-1][0]:.1f} s."
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _letter(account: Account) -> str:
    return account.database[0]
