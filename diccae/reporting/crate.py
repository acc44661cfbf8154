"""The results of a plan as an RO-Crate: one zip with files, and metadata that other tools read, in the profile Workflow Run Crate 0.5.

The Snakefile is the main workflow. Tables, figures, report and what each run left (predictions, record, history; not the weights) are its outputs; plan,
configs and lock its inputs. Paths inside are those of the repository, so that an unpacked crate can be laid over a checkout of its commit.
"""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity, DataEntity, Person
from rocrate.rocrate import ROCrate

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan
from diccae.reporting import collect
from diccae.whole_file import whole_file

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
# the profiles above build on RO-Crate 1.1
RO_CRATE = "1.1"
OUTPUTS = ("*.csv", "ablations/*.csv", "*.svg", "*.html", "*.json")
RUN_FILES = ("record.json", "metrics.json", "predictions.parquet", "history.csv")
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


@dataclass(frozen=True)
class Exported:
    """What went into the crate, and what stayed out.

    Attributes:
        outputs: tables, figures and pages.
        runs: training runs, each with its small files.
        left_out: files of those runs that stay here (weights, confusion matrices, cluster assignments).
        left_out_bytes: their size.
        origin: whether workflow, lock and configs are those that the runs used.
    """

    outputs: int
    runs: int
    left_out: int
    left_out_bytes: int
    origin: str


def write_crate(
    plan: Plan, plan_file: Path, out: Path, root: Path = CONFIG_ROOT.parent
) -> Exported:
    """Write the crate of a plan's finished results; `root` is the checkout that holds Snakefile, lock and configs.

    Raises:
        UserError: results are not finished, `out` is no zip or cannot be written, or a file of the checkout is missing.
    """
    if out.suffix != ".zip":
        raise UserError(f"--out {out}: wanted a file name that ends in .zip")
    results = plan.results_root()
    records = collect.all_records(plan)
    if not records or not (results / "report.html").is_file():
        raise UserError(
            f"{results / 'report.html'} is missing: the results of plan {plan.name} are not finished; run `snakemake --cores all {results}/report.html` first"
        )
    citation = _citation(root)
    crate = ROCrate(version=RO_CRATE)
    origin = _same_sources(root, records)
    workflow = _add_workflow(crate, root, records, citation, origin)
    inputs = _add_inputs(crate, plan, plan_file, root)
    outputs = [
        _add_file(crate, path, path)
        for pattern in OUTPUTS
        for path in sorted(results.glob(pattern))
    ]
    runs, left_out = _add_runs(crate, results / "runs")
    for parameter, entities in (("input", inputs), ("output", [*outputs, runs])):
        for entity in entities:
            _link_parameter(crate, workflow, parameter, entity)
    action = _add_action(crate, plan, workflow, records, inputs, [*outputs, runs])
    _describe(crate, plan, root, citation, workflow, action)
    _write(crate, out)
    return Exported(
        len(outputs),
        len(records),
        len(left_out),
        sum(path.stat().st_size for path in left_out),
        origin,
    )


def _citation(root: Path) -> dict[str, Any]:
    path = root / "CITATION.cff"
    if not path.is_file():
        raise UserError(
            f"{path} is missing; it names the licence and the authors: export from a whole checkout"
        )
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    for key in ("license", "authors"):
        if not content.get(key):
            raise UserError(f"{path}: key {key!r} is missing; add it")
    return content


def _same_sources(root: Path, records: Sequence[dict[str, Any]]) -> str:
    """One sentence on whether the files in the crate are those that the runs used: a crate must not pass off later files as theirs."""
    changed = set()
    lock = root / "requirements.lock"
    if lock.is_file():
        current = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
        if any(record["lock_hash"] != current for record in records):
            changed.add(lock.name)
    commits = {record["commit"] for record in records}
    for commit in commits:
        different = _git(
            root,
            "diff",
            "--name-only",
            "--relative",
            commit,
            "--",
            "Snakefile",
            lock.name,
            "configs",
        )
        if different is None:
            return f"Could not be compared with commit {commit} of the runs." + _named(changed)
        changed.update(different.splitlines())
    return _named(changed).strip() or "Workflow, lock and configs are those of the runs."


def _named(changed: set[str]) -> str:
    return f" Changed since the runs: {', '.join(sorted(changed))}." if changed else ""


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None outside of a checkout and for a commit that it does not know."""
    command = ["git", "--no-optional-locks", *arguments]
    try:
        return subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _add_file(crate: ROCrate, source: Path, destination: Path, **properties: Any) -> DataEntity:
    if not source.is_file():
        raise UserError(f"{source} is missing; export from a whole checkout")
    described = {"name": destination.as_posix(), **properties}
    if source.suffix in MEDIA_TYPES:
        described["encodingFormat"] = MEDIA_TYPES[source.suffix]
    return crate.add_file(source, destination.as_posix(), properties=described, record_size=True)


def _add_workflow(
    crate: ROCrate,
    root: Path,
    records: Sequence[dict[str, Any]],
    citation: dict[str, Any],
    origin: str,
) -> DataEntity:
    if not (root / "Snakefile").is_file():
        raise UserError(f"{root / 'Snakefile'} is missing; export from a whole checkout")
    versions = sorted({item for record in records for item in record["versions"].items()})
    snakemake = next((version for name, version in versions if name == "snakemake"), None)
    workflow = crate.add_workflow(
        root / "Snakefile",
        "Snakefile",
        main=True,
        lang="snakemake",
        lang_version=snakemake,
        record_size=True,
    )
    workflow["name"] = citation["title"]
    workflow["encodingFormat"] = "text/plain"
    workflow["conformsTo"] = {
        "@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
    }
    workflow["description"] = (
        f"Data, warm-up, pre-training, fine-tuning, tables and figures, claims, report. {origin}"
    )
    workflow["version"] = " ".join(sorted({record["commit"] for record in records}))
    workflow["softwareRequirements"] = [
        crate.add(
            ContextEntity(
                crate,
                f"pkg:{'generic' if name == 'python' else 'pypi'}/{name}@{version}",
                properties={
                    "@type": "SoftwareApplication",
                    "name": name,
                    "softwareVersion": version,
                },
            )
        )
        for name, version in versions
    ]
    return workflow


def _add_inputs(crate: ROCrate, plan: Plan, plan_file: Path, root: Path) -> list[DataEntity]:
    named = Path("configs", "plans", f"{plan.name}.yaml")
    plan_entity = _add_file(crate, plan_file, named, description="What the experiment consists of")
    lock = _add_file(
        crate,
        root / "requirements.lock",
        Path("requirements.lock"),
        description="Every package, with hash",
    )
    files = [
        _add_file(crate, path, Path("configs") / path.relative_to(root / "configs"))
        for suffix in ("*.py", "*.yaml")
        for path in sorted((root / "configs").rglob(suffix))
        if path.parent.name != "plans"
    ]
    configs = crate.add_dataset(
        dest_path="configs",
        properties={
            "name": "configs",
            "description": "Data, models, method choices, schedules, variants, claims",
        },
    )
    configs["hasPart"] = [plan_entity, *files]
    return [plan_entity, lock, configs]


def _add_runs(crate: ROCrate, folder: Path) -> tuple[DataEntity, list[Path]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [_add_file(crate, path, path) for path in files if path.name in RUN_FILES]
    runs = crate.add_dataset(
        dest_path=folder.as_posix(),
        properties={
            "name": folder.as_posix(),
            "description": "Per-clip predictions, history and record of every training run",
        },
    )
    runs["hasPart"] = kept
    return runs, [path for path in files if path.name not in RUN_FILES]


def _link_parameter(crate: ROCrate, workflow: DataEntity, kind: str, entity: DataEntity) -> None:
    parameter = crate.add_formal_parameter(
        entity["name"],
        "Dataset" if entity.type == "Dataset" else "File",
        identifier=f"#{kind}-{entity.id.rstrip('/').replace('/', '-')}",
        description=f"{kind} {entity['name']} of the workflow",
        valueRequired=kind == "input",
    )
    entity["exampleOfWork"] = parameter
    workflow.append_to(kind, parameter)


def _add_action(
    crate: ROCrate,
    plan: Plan,
    workflow: DataEntity,
    records: Sequence[dict[str, Any]],
    inputs: list[DataEntity],
    outputs: list[DataEntity],
) -> ContextEntity:
    starts = [datetime.fromisoformat(record["started"]).astimezone(UTC) for record in records]
    ends = [
        start + timedelta(seconds=record["wall_seconds"])
        for start, record in zip(starts, records, strict=True)
    ]
    return crate.add_action(
        workflow,
        identifier=f"#run-{plan.name}",
        object=inputs,
        result=outputs,
        properties={
            "@type": "CreateAction",
            "name": f"Snakemake run of plan {plan.name}",
            "description": _origin(records)
            + " Start of the first and end of the last training run.",
            "startTime": min(starts).isoformat(timespec="seconds"),
            "endTime": max(ends).isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )


def _origin(records: Sequence[dict[str, Any]]) -> str:
    """Where the runs came from, one clause for each combination that occurs, so that a mixture shows."""
    kinds = Counter(
        (
            record["commit"] + (" with uncommitted changes" if record["dirty"] else ""),
            record["lock_hash"],
            record["data_hash"],
            f"{record['hardware']['cpu']}, {record['hardware']['cores']} cores, {record['hardware']['gpu'] or 'no GPU'}",
        )
        for record in records
    )
    return " ".join(
        f"{count} training runs of commit {commit}, lock {lock}, data {data}, on {machine}."
        for (commit, lock, data, machine), count in sorted(kinds.items())
    )


def _describe(
    crate: ROCrate,
    plan: Plan,
    root: Path,
    citation: dict[str, Any],
    workflow: DataEntity,
    action: ContextEntity,
) -> None:
    authors = {_author_name(author): _add_author(crate, author) for author in citation["authors"]}
    licence = crate.add(
        ContextEntity(
            crate,
            f"https://spdx.org/licenses/{citation['license']}",
            properties={
                "@type": "CreativeWork",
                "name": citation["license"],
                "description": f"SPDX licence {citation['license']}",
            },
        )
    )
    # who ran the workflow is known only where the author of the commit is one of the package's authors
    agent = authors.get(
        _git(root, "show", "--no-patch", "--format=%an", workflow["version"], "--") or ""
    )
    if agent is not None:
        action["agent"] = agent
    dataset = crate.root_dataset
    dataset["name"] = f"Results of plan {plan.name}: {citation['title']}"
    dataset["description"] = (
        f"Tables, figures, report and per-clip predictions of plan {plan.name} ({plan.scale}), with the workflow that made them."
    )
    dataset["datePublished"] = date.today().isoformat()
    dataset["license"] = workflow["license"] = licence
    dataset["author"] = workflow["creator"] = (
        list(authors.values())[0] if len(authors) == 1 else list(authors.values())
    )
    dataset["mentions"] = action
    dataset["conformsTo"] = [
        crate.add(
            ContextEntity(
                crate,
                uri,
                properties={"@type": ["CreativeWork", "Profile"], "name": name, "version": version},
            )
        )
        for uri, (name, version) in PROFILES.items()
    ]
    readme = _add_file(crate, root / "README.md", Path("README.md"))
    readme["about"] = dataset
    for name in ("LICENSE", "CITATION.cff"):
        _add_file(crate, root / name, Path(name), encodingFormat="text/plain")


def _author_name(author: dict[str, str]) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def _add_author(crate: ROCrate, author: dict[str, str]) -> ContextEntity:
    name = _author_name(author)
    identifier = author.get("orcid") or f"#{name.replace(' ', '-')}"
    if "name" in author:
        return crate.add(
            ContextEntity(crate, identifier, properties={"@type": "Organization", "name": name})
        )
    return crate.add(Person(crate, identifier, properties={"name": name}))


def _write(crate: ROCrate, out: Path) -> None:
    with whole_file(out) as temporary:
        crate.write_zip(temporary)
        # validators look for a folder by its own entry, which the library does not write
        with zipfile.ZipFile(temporary, "a") as archive:
            for folder in crate.get_by_type("Dataset", exact=True):
                if folder is not crate.root_dataset:
                    archive.mkdir(folder.id)
