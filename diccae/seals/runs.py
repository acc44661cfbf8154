"""Every run against its files, its parents, and today's configs, code, lock and data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diccae.clips_folder import clips_folder
from diccae.clips_hash import clips_hash
from diccae.errors import UserError
from diccae.executed_code import is_code_of
from diccae.hashes import lock_hash
from diccae.jobs import jobs
from diccae.plans import Plan
from diccae.reporting.shards import Shard
from diccae.reporting.stored_scores import FILE as PREDICTIONS
from diccae.run_graph import Run
from diccae.seals.file_digests import FileDigests
from diccae.seals.finding import Finding
from diccae.seals.record import check_keys, doubts, read_record
from diccae.seals.shard_check import check_run, name_of
from diccae.source import SourceTree, present_tree, tree_of_commit


@dataclass(frozen=True)
class Checked:
    """The record of a run, and its file with the tables that are computed from it, in words."""

    record: dict[str, Any]
    where: str


class RunChecks:
    """Checks runs and all that they start from, each once.

    Args:
        digests: of files.
        sealed: digests of files in verify.json, by path. A file that has its digest there is not
            accused where an edited record says otherwise.
        shards: by seed, for the runs whose own folder is not there.

    Attributes:
        checked: runs whose record can be read.
        in_shards: those of them that are in a shard.
        findings: what was found.
    """

    def __init__(
        self, digests: FileDigests, sealed: Mapping[str, str], shards: Mapping[int, Shard]
    ) -> None:
        self._digests, self._sealed, self._shards = digests, sealed, shards
        self._seen: set[Run] = set()
        self.checked: dict[Run, Checked] = {}
        self.in_shards: set[Run] = set()
        self.findings: list[Finding] = []

    def check(self, run: Run, used_by: list[str]) -> None:
        """A run and the runs that it started from; `used_by` are tables, for the findings."""
        if run in self._seen:
            return
        self._seen.add(run)
        self._check_record(run, f"(for {run} in {', '.join(used_by)})")
        for source in run.parents.values():
            self.check(source, used_by)

    def _check_record(self, run: Run, users: str) -> None:
        path = run.folder / "record.json"
        where = f"{path} {users}"
        here = path.is_file() and not run.plan.elsewhere
        shard = self._shards.get(run.seed)
        if not here and shard is not None and name_of(run) in shard.records:
            self._check_shard(run, shard, users)
            return
        if not here:
            words = "there is no record.json, so these numbers have no source"
            self.findings.append(Finding("missing", where, words))
            return
        try:
            record = read_record(path)
        except ValueError as error:
            self.findings.append(Finding("edited", where, str(error)))
            return
        self.checked[run] = Checked(record, where)
        self.findings += [Finding(kind, where, words) for kind, words in doubts(run, path, record)]
        if record["plan"] == run.plan.name:
            self._check_configs(run, record, where)
            self._check_files(run, record, users)

    def _check_shard(self, run: Run, shard: Shard, users: str) -> None:
        record, where = shard.records[name_of(run)], f"{shard.path}, {name_of(run)}/record.json"
        try:
            check_keys(record)
        except ValueError as error:
            self.findings.append(Finding("edited", where, str(error)))
            return
        self.checked[run] = Checked(record, f"{where} {users}")
        self.in_shards.add(run)
        self.findings += check_run(run, shard, f"{where} {users}")

    def _check_configs(self, run: Run, record: dict[str, Any], where: str) -> None:
        if record["config_hash"] != run.config_hash:
            words = f"made with other configs ({record['config_hash']}, now {run.config_hash})"
            self.findings.append(Finding("stale", where, words))

    def _check_files(self, run: Run, record: dict[str, Any], users: str) -> None:
        own = run.folder / "record.json"
        edited = bool(self._sealed) and self._sealed.get(str(own)) != self._digests.of(own)
        for name, digest in record["files"].items():
            path = run.folder / name
            if edited and str(path) not in self._sealed:
                # an edited record may name any file
                continue
            words = f"is not the file that the run wrote {users}"
            self._compare(path, digest, "edited", str(path), words)
        stated = record["parents"] | record.get("weights", {})
        for name in [*map(str, run.parent_files.values()), *run.weight_files]:
            words = f"{name} is not the file that the run started from"
            self._compare(Path(name), stated.get(name, ""), "stale", f"{own} {users}", words)
        known = {*record["files"], own.name}
        self.findings += [
            Finding("extra", str(path), "is not a file of this run")
            for path in sorted(run.folder.iterdir())
            if path.is_file() and path.name not in known and str(path) not in self._sealed
        ]

    def _compare(self, path: Path, digest: str, kind: str, where: str, words: str) -> None:
        found = self._digests.of(path)
        if found is None:
            words = words.replace("is not", "is gone,")
            kind = "missing" if kind == "edited" else kind
            self.findings.append(Finding(kind, where, words))
        elif found[:16] != digest and found != self._sealed.get(str(path)):
            self.findings.append(Finding(kind, where, words))


def check_surroundings(plan: Plan, checked: dict[Run, Checked]) -> list[Finding]:
    """Lock and data that the runs were made with, against those that are here now."""
    here = [("lock_hash", "lock", "requirements.lock", lock_hash())]
    data = _data_here(plan)
    if data is not None:
        place = f"{plan.manifest} and {clips_folder(plan) / 'meta.json'}"
        here.append(("data_hash", "data", place, data))
    elif checked:
        # what is missing is a finding of its own; the runs must still agree with each other
        first = next(iter(checked.values()))
        here.append(("data_hash", "data", first.where, first.record["data_hash"]))
    findings = []
    for key, name, where, now in here:
        other = [each for each in checked.values() if each.record[key] != now]
        made = {each.record[key] for each in other}
        if 1 < len(other) == len(checked) and len(made) == 1:
            words = f"all {len(checked)} runs were made with other {name} ({made.pop()}, now {now})"
            findings.append(Finding("stale", where, words))
            continue
        findings += [
            Finding("stale", each.where, f"made with other {name} ({each.record[key]}, now {now})")
            for each in other
        ]
    return findings


def _data_here(plan: Plan) -> str | None:
    """The digest of a plan's data; None where it is not here, as beside a folder of shards."""
    if plan.elsewhere:
        return None
    try:
        return clips_hash(plan)
    except UserError:
        return None


def check_jobs(plan: Plan, as_sealed: Callable[[Path], bool]) -> list[Finding]:
    """The stamp of every job that has one, against the runs that the plan gives it; `as_sealed`
    says whether a file has its digest in verify.json."""
    words = "does not list the runs that the plan gives this job"
    return [
        Finding("stale" if as_sealed(job.stamp) else "edited", str(job.stamp), words)
        for job in jobs(plan).values()
        if job.stamp.is_file() and job.stamp.read_bytes() != job.stamp_text.encode()
    ]


def check_code(checked: dict[Run, Checked]) -> list[Finding]:
    """All runs by today's code, or all by the code of one commit that they name; that later code
    differs is a note."""
    changed = _made_by_other_code(checked, present_tree())
    if not changed:
        return []
    for commit in dict.fromkeys(each.record["commit"] for each in checked.values()):
        tree = tree_of_commit(commit)
        if tree is not None and not _made_by_other_code(checked, tree):
            words = (
                f"{len(checked)} runs were made by the code of commit {commit[:10]}; today's code "
                f"differs in what {len(changed)} of them execute"
            )
            return [Finding("code", str(changed[0].folder), words, problem=False)]
    if 1 < len(changed) == len(checked):
        words = f"all {len(checked)} runs were made with other code than today's"
        return [Finding("stale", "diccae", words)]
    return [
        Finding("stale", checked[run].where, "made with other code than today's") for run in changed
    ]


def _made_by_other_code(checked: dict[Run, Checked], tree: SourceTree) -> list[Run]:
    return [
        run
        for run, each in checked.items()
        if not is_code_of(tree, run, each.record["source_hash"])
    ]


def check_mixture(checked: dict[Run, Checked]) -> list[Finding]:
    """Runs of several commits stand side by side: no number depends on it while their code agrees
    (`_check_code`), but a reader should know."""
    findings = []
    by_commit: dict[str, list[Run]] = defaultdict(list)
    for run, each in checked.items():
        by_commit[each.record["commit"]].append(run)
    if len(by_commit) > 1:
        most = max(by_commit, key=lambda commit: len(by_commit[commit]))
        findings += [
            Finding(
                "mixed",
                str(runs[0].folder),
                f"made at commit {commit[:10]}{_as_were(runs)}; most runs at {most[:10]}",
                problem=False,
            )
            for commit, runs in by_commit.items()
            if commit != most
        ]
    dirty = [run for run, each in checked.items() if each.record["dirty"]]
    if dirty:
        message = f"made from a working tree with changes{_as_were(dirty)}"
        findings.append(Finding("mixed", str(dirty[0].folder), message, problem=False))
    return findings


def check_copies(checked: dict[Run, Checked]) -> list[Finding]:
    """Scored runs that have the scores of another seed to the byte: no two trainings have, so one
    was copied."""
    first: dict[tuple[object, ...], Run] = {}
    findings = []
    for run, each in checked.items():
        digest = each.record["files"].get(PREDICTIONS)
        if digest is None:
            continue
        other = first.setdefault((run.variant, run.modality, run.fold, digest), run)
        if other.seed != run.seed:
            words = f"{PREDICTIONS} is that of seed {other.seed} to the byte: one is a copy"
            findings.append(Finding("edited", each.where, words))
    return findings


def _as_were(runs: list[Run]) -> str:
    return f", as were {len(runs) - 1} more runs" if len(runs) > 1 else ""
