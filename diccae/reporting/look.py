"""Tables, figures and page of a folder of shards, written elsewhere and without a verification:
what `diccae look` shows of a reference.

Needs none of the packages that train, decode or verify (requirements-look.lock).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diccae.artifacts import artifacts_of
from diccae.digests import file_digest
from diccae.errors import UserError
from diccae.plan_name import results_root_of
from diccae.plans import Plan
from diccae.reporting.html import read_verdict, render
from diccae.reporting.listed_files import is_intact
from diccae.reporting.shard_folder import check_known, check_seeds, shard_files, shards_of
from diccae.whole_file import whole_file

PAGE = "report.html"


def seeds_to_show(whole: Plan, asked: int | None = None) -> Plan:
    """A plan in a folder of shards with the seeds that its page shows: all where every seed has a
    shard, otherwise the default ones, otherwise those that are there, from the first on.

    Args:
        whole: the plan with all of its seeds.
        asked: a number of seeds in place of this choice.

    Raises:
        UserError: the first seed, or one that was asked for, has no shard; a shard is damaged or
            of another plan.
    """
    found = shards_of(whole)
    check_known(whole)
    there = next((n for n, seed in enumerate(whole.seeds) if seed not in found), len(whole.seeds))
    if asked is None and not there:
        raise UserError(
            f"{whole.results_root()} has no shard of seed {whole.seeds[0]}, the first one of plan "
            f"{whole.name}, but of {', '.join(map(str, found))}; copy it there"
        )
    default = whole.default_seeds or len(whole.seeds)
    fitting = (count for count in (len(whole.seeds), default, there) if count <= there)
    plan = whole.first_seeds(asked or next(fitting))
    check_seeds(plan)
    return plan


def write_page(plan: Plan, folder: Path) -> dict[str, Any] | None:
    """Write all tables and figures of a plan to a folder, and the page beside them.

    Returns:
        The content of verify.json in the results folder of the plan, which the page shows; None
        where there is none, where it was edited, or where it does not list these shards, tables and
        figures.

    Raises:
        UserError: a shard lacks what a table needs, or a file cannot be written.
    """
    made: list[Path] = []
    for name, artifact in artifacts_of(plan).items():
        table = folder / f"{name}.csv"
        artifact.make(plan, table)
        made += [path for path in (table, table.with_suffix(".svg")) if path.is_file()]
    verdict = _verdict_on(plan, {path.relative_to(folder): path for path in made})
    page = render(plan, folder, verdict)
    with whole_file(folder / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return verdict


def _verdict_on(plan: Plan, made: dict[Path, Path]) -> dict[str, Any] | None:
    """verify.json, where nobody edited it and it lists the shards of the plan and these files, and
    no others.

    Args:
        plan: the plan.
        made: tables and figures by their paths in the results folder.
    """
    root, own = plan.results_root(), results_root_of(plan.name)
    content = read_verdict(root / "verify.json", plan)
    if content is None or not is_intact(content):
        return None
    shards = {path.relative_to(root): path for path in shard_files(root)}
    present = {str(own / name): file_digest(path) for name, path in (shards | made).items()}
    listed = {name: digest for name, digest in content["files"].items() if name != f"{own / PAGE}"}
    return content if listed == present else None
