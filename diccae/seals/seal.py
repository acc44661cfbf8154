"""verify.json: the verdict on a results folder, the digest of every file, and a root digest over
all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from diccae.artifacts import artifacts_of
from diccae.committed import reference_files
from diccae.errors import UserError
from diccae.jobs import jobs
from diccae.plan_name import results_root_of
from diccae.plans import CONFIG_ROOT, Plan
from diccae.reporting.listed_files import is_intact
from diccae.reporting.shard_folder import shard_files
from diccae.run_graph import Run
from diccae.seals.data import data_files
from diccae.seals.file_digests import FileDigests
from diccae.seals.finding import Finding
from diccae.seals.record import OTHER_BYTES, read_object
from diccae.seals.runs import Checked
from diccae.source import present_tree
from diccae.validation import checked as validated


class Verdict(BaseModel):
    """What a check says.

    Attributes:
        plan: name of the plan.
        sealed: no problem was found.
        findings: what was found, with the attributes of `Finding`.
        tables, runs: how many were checked.
        not_built: tables of the plan that are not there.
        not_checked: what is taken as stated, in words.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    plan: str
    sealed: bool
    findings: list[dict[str, Any]]
    tables: int
    runs: int
    not_built: list[str]
    not_checked: list[str]


class Content(Verdict):
    """What verify.json holds.

    Attributes:
        timing: rows of the page's table of times.
        plan_content: the plan.
        reporting_code: digest of the code that makes tables, figures and page.
        files: SHA-256 of every file of the results and the data, by path; that of the page is
            computed without the root digest that it shows.
        root: SHA-256 over all of this.
    """

    timing: list[dict[str, Any]]
    plan_content: dict[str, Any]
    reporting_code: str
    files: dict[str, str]
    root: str


@dataclass(frozen=True)
class Seal:
    """A verify.json.

    Attributes:
        path: where it lies.
        content: what it holds; empty where it cannot be read.
        intact: whether its content has the root digest that it states.
    """

    path: Path
    content: Mapping[str, Any]
    intact: bool

    @property
    def files(self) -> dict[str, str]:
        """Digest of each file that it covers, by path."""
        files = dict(self.content.get("files", {}))
        own, here = results_root_of(str(self.content.get("plan"))), self.path.parent
        if here == own:
            return files
        return {_moved(name, own, here): digest for name, digest in files.items()}


def named(plan: Plan, files: Mapping[str, str]) -> dict[str, str]:
    """Files as verify.json names them: by their paths in the plan's own results folder, so that a
    folder of shards can be moved with its seal."""
    if not plan.elsewhere:
        return dict(files)
    own = results_root_of(plan.name)
    return {_moved(name, plan.results_root(), own): digest for name, digest in files.items()}


def _moved(path: str, old: Path, new: Path) -> str:
    inside = Path(path).is_relative_to(old)
    return str(new / Path(path).relative_to(old)) if inside else path


def seal_path(plan: Plan) -> Path:
    """The verify.json of a plan."""
    return plan.results_root() / "verify.json"


def seal_text(content: Mapping[str, Any]) -> str:
    """A verify.json as it is written."""
    return json.dumps(content, indent=1) + "\n"


def read_seal(plan: Plan) -> tuple[Seal | None, list[Finding]]:
    """The verify.json of a plan and what is wrong with it by itself; None where there is none."""
    path = seal_path(plan)
    if not path.is_file():
        return None, []
    try:
        content = read_object(path)
        validated(Content, content, "keys")
    except (ValueError, UserError) as error:
        return Seal(path, {}, intact=False), [Finding("edited", str(path), str(error))]
    if content["plan"] != plan.name:
        words = f"is of plan {content['plan']}, not of {plan.name}; copy that of these results here"
        return Seal(path, {}, intact=False), [Finding("edited", str(path), words)]
    if not is_intact(content):
        words = "its content does not have the root digest that it states"
        return Seal(path, content, intact=False), [Finding("edited", str(path), words)]
    if content["sealed"] == any(found.get("problem", True) for found in content["findings"]):
        words = "it says sealed beside problems, or not sealed without one"
        return Seal(path, content, intact=True), [Finding("edited", str(path), words)]
    if path.read_bytes() != seal_text(content).encode():
        return Seal(path, content, intact=True), [Finding("edited", str(path), OTHER_BYTES)]
    return Seal(path, content, intact=True), []


def plan_content(plan: Plan) -> dict[str, Any]:
    """A plan as verify.json keeps it."""
    content: dict[str, Any] = json.loads(plan.model_dump_json())
    return content


def reporting_code() -> str:
    """Digest of the code and the configs that make tables, figures and page: first 16 hex digits
    of the SHA-256."""
    tree, hasher = present_tree(), hashlib.sha256()
    for name in tree.closure(
        frozenset(name for name in tree.texts if name.startswith("diccae.reporting."))
    ):
        hasher.update(name.encode() + b"\0" + tree.texts[name].encode())
    templates = CONFIG_ROOT.parent / "diccae" / "reporting" / "templates"
    for path in (*sorted(CONFIG_ROOT.glob("*.yaml")), *sorted(templates.glob("*.jinja"))):
        hasher.update(path.name.encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:16]


def changes(seal: Seal | None, plan: Plan) -> tuple[str, list[Finding]]:
    """What changed since a seal, in words that begin a message, and the findings of it."""
    if seal is None or not seal.intact:
        return "", []
    then, now = seal.content["plan_content"], plan_content(plan)
    keys = [key for key in sorted({*then, *now}) if then.get(key) != now.get(key)]
    if keys:
        values = "; ".join(
            f"{key} was {json.dumps(then.get(key))}, is {json.dumps(now.get(key))}" for key in keys
        )
        words = f"the plan changed since {seal.path} was written: {values}; build the results again"
        seeds = len(then.get("seeds", []))
        if keys == ["seeds"] and then["seeds"] == plan.whole.seeds[:seeds]:
            words += f", or check the seeds of that file with --seeds {seeds}"
        finding = Finding("stale", f"plan {plan.name}", words)
        return "the plan changed: ", [finding]
    if seal.content["reporting_code"] != reporting_code():
        return "the code of tables and page changed: ", []
    return "", []


def sealed_files(
    plan: Plan, names: Iterable[str], checked: Mapping[Run, Checked], digests: FileDigests
) -> dict[str, str]:
    """Digest of every file of a plan but the page and verify.json, by path.

    Args:
        plan: the plan.
        names: of the artifacts that are built.
        checked: the runs that they are computed from.
        digests: of files.
    """
    root = plan.results_root()
    shards = shard_files(root, plan.elsewhere)
    # a picture of a table that has none is no file of the plan: nothing is compared with it
    known, built = artifacts_of(plan), list(names)
    tables = [root / f"{name}.csv" for name in built]
    tables += [root / f"{name}.svg" for name in built if known[name].draw is not None]
    runs = [
        run.folder / name
        for run, each in checked.items()
        for name in (*each.record["files"], "record.json")
    ]
    stamps = [job.stamp for job in jobs(plan).values()]
    kept = tables + shards
    if not plan.elsewhere:
        kept += [*runs, *stamps, *data_files(plan), *reference_files(plan)]
    paths = sorted(map(str, kept))
    found = {path: digests.of(path) for path in paths}
    return {path: digest for path, digest in found.items() if digest is not None}


def check_counts(
    seal: Seal, now: Mapping[str, Any], left_out: Collection[str] = ()
) -> list[Finding]:
    """The numbers of tables and runs of a seal, and the tables that are not built, which pages and
    summaries repeat, against those of the files that it lists.

    Args:
        seal: an intact verify.json.
        now: what the files give.
        left_out: keys that are not compared.
    """
    return [
        Finding(
            "edited",
            f"{seal.path}, {key}",
            f"says {seal.content[key]}, these files give {now[key]}; copy that of these results "
            "here",
        )
        for key in ("tables", "runs", "not_built")
        if key not in left_out and seal.content[key] != now[key]
    ]


def check_files(
    seal: Seal, present: Mapping[str, str], digests: FileDigests, findings: Iterable[Finding]
) -> list[Finding]:
    """Every file that a seal lists, against its digest; those that are accused already are left
    out.

    Args:
        seal: a verify.json.
        present: digests of the plan's files that are here.
        digests: of files.
        findings: what was found so far.
    """
    found = []
    known, page = list(findings), str(seal.path.with_name("report.html"))
    for path, digest in seal.files.items():
        # the page is rendered again
        if path == page or any(finding.accuses(path) for finding in known):
            continue
        if not seal.intact and digests.of(path) != digest:
            words = "lists another digest than the file has: one of both was edited"
            found.append(Finding("edited", f"{seal.path}, {path}", words))
        elif digests.of(path) is None:
            found.append(Finding("missing", path, f"is gone; {seal.path} lists it"))
        elif digests.of(path) != digest:
            words = (
                f"is not the file that {seal.path} lists: it was edited, or made again since; "
                "in that case build the report again, with its seal"
            )
            found.append(Finding("edited", path, words))
    later = [path for path in present if path not in seal.files] if seal.files else []
    if later:
        rest = len(later) - 1
        more = f", and so {'was' if rest == 1 else 'were'} {rest} more" if rest else ""
        words = f"is not in {seal.path}: it was made, copied or renamed after the seal{more}"
        found.append(Finding("extra", later[0], words, problem=False))
    return found
