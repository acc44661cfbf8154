"""What `diccae plan` prints of seeds: how many are needed, and their power."""

from __future__ import annotations

from typing import Any

from diccae.plans import Plan


def seeds_needed(chosen: Plan, rows: list[dict[str, Any]]) -> list[str]:
    """The seeds that each drop of Table 2 needs; `rows` as in `claims_of_table2`."""
    if chosen.split_into is not None:
        return [
            "seeds: with folds, the width of an interval is limited by the number of groups, and "
            "more seeds narrow it only in part; docs/statistics.md"
        ]
    if not rows:
        return [f"seeds: plan {chosen.name} measures no drop of Table 2"]
    lines = [
        "seeds needed to show the paper's effect (the interval of the paired drop at this level "
        "excludes zero, with 80 % power)",
        f"{'claim':<34} {'level':>6} {'effect':>6} {'spread':>6} {'seeds':>7}  at the ends of the "
        "spread's 95 % interval",
    ]
    for row in rows:
        line = f"{row['claim']:<34} {100 * row['level']:>6.1f} {row['effect']:>6.1f} "
        if row["spread"] is None:
            lines.append(
                line + f"{'?':>6} {'?':>7}  no finished runs and no reference give a spread"
            )
        else:
            lines.append(
                f"{line}{row['spread']['value']:>6.2f} {_count(row['seeds']):>7}  "
                f"{_count(row['low'])} to {_count(row['high'])}"
            )
    origins: dict[str, list[int]] = {}
    for row in rows:
        if row["spread"]:
            origins.setdefault(row["spread"]["origin"], []).append(row["spread"]["seeds"])
    for origin, numbers in origins.items():
        lines.append(
            f"effect: the paper's drop, in points; spread: standard deviation of the drop between "
            f"seeds, in points, of {min(numbers)} seeds, from {origin}; the plan has "
            f"{len(chosen.seeds)} seeds"
        )
    return lines


def power(rows: list[dict[str, Any]]) -> list[str]:
    """The power of the primary rows, in percent; `rows` as in `power_of_primary`."""
    if not rows:
        return []
    numbers = "".join(f"{seeds:>5}" for seeds in rows[0]["seeds"])
    lines = [
        "",
        f"power: probability, in percent, that the simultaneous {100 * rows[0]['level']:.1f} % "
        "interval of a primary row (A-V) excludes zero",
        f"{'row':<22} {'effect':>6}  {'origin':<27} {'spread':>6}  {'seeds:':>6}{numbers}",
    ]
    for row in rows:
        shares = "".join(f"{100 * share:>5.0f}" for share in row["power"])
        line = f"{row['variant']:<22} {row['effect']:>6.1f}  {row['origin']:<27} "
        if row["spread"] is None:
            line += f"{'?':>6}  no finished runs and no reference give a spread"
        else:
            line += f"{row['spread']:>6.2f}  {'':>6}{shares}"
        lines.append(line)
    return lines


def _count(seeds: int | None) -> str:
    return "> 10^6" if seeds is None else f"{seeds:,}"
