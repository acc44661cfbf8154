"""Seals: recomputes every table, figure and page from the per-clip predictions, and holds every
file against the record of its run, the configs, the code, the data, the lock and verify.json.

Needs neither the network nor a GPU nor Snakemake's memory, so results that were copied from
elsewhere are judged by the same rules.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from diccae.artifacts import artifacts_of
from diccae.clips_folder import clips_folder
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting import html
from diccae.reporting.listed_files import root_digest
from diccae.reporting.make_command import make_command
from diccae.reporting.shard_folder import FOLDER, other_plan, shards_of
from diccae.reporting.shards import Shard
from diccae.reporting.timing import timing
from diccae.run_graph import Run, scored_runs
from diccae.seals.absent_page import check_absent_page
from diccae.seals.data import check_data
from diccae.seals.extras import check_extras
from diccae.seals.file_digests import FileDigests
from diccae.seals.finding import Finding
from diccae.seals.page import NO_ROOT, is_page, page_differences, page_digest, shown_root
from diccae.seals.runs import (
    RunChecks,
    check_code,
    check_copies,
    check_jobs,
    check_mixture,
    check_surroundings,
)
from diccae.seals.seal import (
    changes,
    check_counts,
    check_files,
    named,
    plan_content,
    read_seal,
    reporting_code,
    seal_path,
    sealed_files,
)
from diccae.seals.shard_check import NOT_PROVEN
from diccae.seals.stated import not_checked
from diccae.seals.tables import check_tables

# passages of a page that are named one by one
PASSAGES = 20


def verify(plan: Plan, clips: bool = False, sealing: bool = False) -> dict[str, Any]:
    """Check the results folder of a plan.

    Args:
        plan: the plan.
        clips: whether to hash every clip too.
        sealing: whether to make a new seal. Then neither the old verify.json nor the page is
            checked, since the page is rendered from the new one afterwards, nor which files are
            none of the plan's.

    Returns:
        What `seal.Verdict` holds and `root`, the root digest of verify.json (None where there is
        none or it was edited); with `sealing`, the content of a new verify.json, `seal.Content`.

    Raises:
        UserError: nothing of the plan has been built.
    """
    check = Verification(plan, clips, sealing)
    return check.seal_anew() if sealing else check.verdict()


class Verification:
    """One check of a results folder; the arguments are those of `verify`."""

    def __init__(self, plan: Plan, clips: bool, sealing: bool) -> None:
        self.plan, self.clips, self.digests = plan, clips, FileDigests()
        self.root = plan.results_root()
        self.page = self.root / "report.html"
        self.seal, self.of_seal = (None, []) if sealing else read_seal(plan)
        self.intact = self.seal if self.seal and self.seal.intact else None
        self.listed = self.seal.files if self.seal else {}
        self.artifacts = list(artifacts_of(plan))
        self.built = [
            name
            for name in self.artifacts
            if (self.root / f"{name}.csv").is_file() or f"{self.root / name}.csv" in self.listed
        ]
        self.findings: list[Finding] = []
        self.shards = self._shards()
        if not self.built and not self.shards:
            raise UserError(
                f"{self.root} holds no table of plan {plan.name}; build one first: "
                f"{make_command(plan, self.artifacts[0] + '.csv')}"
            )
        self.files: dict[str, str] = {}
        self.not_compared: list[str] = []
        self.runs = RunChecks(self.digests, self.listed, self.shards)

    def _shards(self) -> dict[int, Shard]:
        try:
            return shards_of(self.plan)
        except UserError as error:
            self.findings.append(Finding("edited", str(self.root / FOLDER), str(error)))
            return {}

    def verdict(self) -> dict[str, Any]:
        """Everything against everything, and against verify.json."""
        changed, found = changes(self.seal, self.plan)
        self.of_seal += found
        with tempfile.TemporaryDirectory() as fresh:
            self._check(Path(fresh), changed)
            if self.seal is not None:
                known = [*self.findings, *self.of_seal]
                self.of_seal += check_files(self.seal, self.files, self.digests, known)
            found = self._check_page(Path(fresh), changed)
        found += self._check_plan()
        found += self._check_counts(changed)
        # a table or picture that verify.json lists although it is none of the plan's is named too
        runs = [path for path in self.listed if Path(path).is_relative_to(self.root / "runs")]
        found += check_extras(self.plan, {*self.files, *runs})
        verdict = self._content([*self.of_seal, *self.findings, *found])
        return verdict | {"root": self.intact.content["root"] if self.intact else None}

    def seal_anew(self) -> dict[str, Any]:
        """Everything but page and verify.json, and the content of a new verify.json."""
        with tempfile.TemporaryDirectory() as fresh:
            self._check(Path(fresh), "")
            return self._sealed(Path(fresh))

    def _check(self, fresh: Path, changed: str) -> None:
        """Data, runs, code and tables; those are computed again in the folder `fresh`."""
        plan, runs = self.plan, self.runs
        for run, users in self._users().items():
            runs.check(run, users)
        if self._needs_data():
            self.findings += check_data(plan, self.clips, self._as_sealed)
        self.findings += runs.findings
        self.findings += check_surroundings(plan, runs.checked)
        self.findings += check_jobs(plan, self._as_sealed)
        self.findings += check_code(runs.checked) + check_mixture(runs.checked)
        self.findings += check_copies(runs.checked)
        self.findings += check_tables(plan, self.built, fresh, changed, self._as_sealed)
        self.files = sealed_files(plan, self.built, runs.checked, self.digests)

    def _as_sealed(self, path: Path) -> bool:
        """Whether a file has the digest that an intact verify.json lists."""
        listed = self.listed.get(str(path)) if self.intact else None
        return listed is not None and listed == self.digests.of(path)

    def _users(self) -> dict[Run, list[str]]:
        """Scored run -> the tables that are computed from it."""
        users: dict[Run, list[str]] = defaultdict(list)
        for name in self.built:
            for run in scored_runs(self.plan, artifacts_of(self.plan)[name].runs(self.plan)):
                users[run].append(f"{name}.csv")
        if self.shards:
            for run in scored_runs(self.plan, self.plan.needs()):
                users.setdefault(run, ["no table yet"])
        return users

    def _needs_data(self) -> bool:
        """Whether to check the data: results of shards alone travel without it."""
        data = self.plan.manifest, clips_folder(self.plan) / "meta.json"
        here = not self.plan.elsewhere and any(path.is_file() for path in data)
        return here or not set(self.runs.checked) <= self.runs.in_shards or not self.shards

    def _content(self, findings: list[Finding]) -> dict[str, Any]:
        return {
            "plan": self.plan.name,
            "sealed": not any(finding.problem for finding in findings),
            "findings": [asdict(finding) for finding in findings],
            "tables": len(self.built),
            "runs": len(self.runs.checked),
            "not_built": [name for name in self.artifacts if name not in self.built],
            "not_checked": [
                *not_checked(self.plan, self.clips),
                *([] if self._needs_data() else [f"the data ({self.plan.manifest}): not here"]),
                *([NOT_PROVEN] if self.runs.in_shards else []),
                *self.not_compared,
            ],
        }

    def _sealed(self, fresh: Path) -> dict[str, Any]:
        """The content of a new verify.json."""
        content, files = self._content(self.findings) | {"timing": []}, dict(self.files)
        try:
            content["timing"] = timing(self.plan)
            # the workflow renders a page of such a plan when all its tables are there
            if self.plan.reported() and self.built == self.artifacts:
                # the root digest covers the page, so the page is digested without it
                page = html.render(self.plan, fresh, content | {"root": NO_ROOT})
                files[str(self.page)] = page_digest(page, NO_ROOT)
        # a file may be damaged in any way
        except Exception as error:
            words = f"cannot be rendered: {type(error).__name__}: {error}"
            content |= self._content([*self.findings, Finding("stale", str(self.page), words)])
        content |= {
            "plan_content": plan_content(self.plan),
            "reporting_code": reporting_code(),
            "files": named(self.plan, files),
        }
        return content | {"root": root_digest(content)}

    def _check_plan(self) -> list[Finding]:
        """The plan is taken from the shards, so that results of an older one can be checked: a
        reader should know where it is not the one here."""
        words = other_plan(self.plan) if self.shards else ""
        return [Finding("stale", f"plan {self.plan.name}", words, problem=False)] if words else []

    def _check_counts(self, changed: str) -> list[Finding]:
        """What verify.json counts, where it is of the tables that are here and nothing is wrong
        with these: `diccae summary` repeats it."""
        listed = [name for name in self.artifacts if f"{self.root / name}.csv" in self.listed]
        wrong = any(finding.problem for finding in (*self.findings, *self.of_seal))
        if self.intact is None or wrong or listed != self.built:
            return []
        # other code may have more tables
        left_out = {"not_built"} if changed else set[str]()
        return check_counts(self.intact, self._content([]), left_out)

    def _check_page(self, fresh: Path, changed: str) -> list[Finding]:
        """The page against verify.json and against the one that is rendered from the tables in
        `fresh`."""
        if not self.page.is_file():
            return check_absent_page(self.plan, self.page, self.seal, fresh, changed)
        page, seal, found = str(self.page), str(seal_path(self.plan)), list[Finding]()
        text = self.page.read_bytes().decode(errors="backslashreplace")
        shown = shown_root(text)
        if self.seal is None and shown is not None:
            found.append(Finding("missing", seal, "is gone; the page shows its root digest"))
        content: dict[str, Any] | None = None
        same = False
        if self.intact:
            content = dict(self.intact.content)
            same = is_page(text, content["root"], self.listed.get(page))
        elif shown is not None:
            content = self._sealed(fresh)
        try:
            rendered = html.render(self.plan, fresh, content)
        # a file may be damaged in any way
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            words = f"cannot be rendered again: {kind}{error}"
            found.append(Finding("stale", page, words))
            if self.intact and not same:
                found.append(Finding("edited", page, f"is not the page that {seal} lists"))
            return found
        return found + self._compare_page(text, rendered, changed, same)

    def _compare_page(self, text: str, rendered: str, changed: str, same: bool) -> list[Finding]:
        """What differs; `same` says that the page has its digest in verify.json."""
        page = str(self.page)
        if text == rendered:
            stale = self.intact and not same
            words = f"was rendered after {seal_path(self.plan)} was written; build both again"
            return [Finding("stale", page, words)] if stale else []
        differences = list(page_differences(text, rendered))
        if same and all(section == "Sample clips" for section, _ in differences):
            words = "its pictures of clips were not rendered again: the clips are not here as then"
            return [Finding("stale", page, words, problem=False)]
        if changed and same:
            words = f"{changed}it is not what the runs give now; build it again"
            # a page that is kept with its shards is that of the code which its seal names
            if self.plan.elsewhere:
                self.not_compared.append(
                    f"{page}: other code rendered it, so its numbers were not compared"
                )
            return [Finding("stale", page, words, problem=not self.plan.elsewhere)]
        kind = "stale" if same else "edited"
        found = [
            Finding(kind, f"{page}, {section}", words) for section, words in differences[:PASSAGES]
        ]
        more = len(differences) - PASSAGES
        return found + ([Finding(kind, page, f"{more} more passages differ")] if more > 0 else [])
