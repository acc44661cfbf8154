"""The entities of an RO-Crate of results: files, workflow, inputs, runs, action and authors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, DataEntity, Person
from rocrate.rocrate import ROCrate

from diccae.errors import UserError
from diccae.evaluation.withheld import FILE
from diccae.plans import Plan
from diccae.reporting.crate_origin import origin_of_runs

RUN_FILES = ("record.json", "metrics.json", "predictions.parquet", FILE, "history.csv")
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def add_file(crate: ROCrate, source: Path, destination: Path, **properties: Any) -> DataEntity:
    """Add a file with its size and media type.

    Raises:
        UserError: `source` does not exist.
    """
    if not source.is_file():
        raise UserError(f"{source} is missing; export from a complete checkout")
    described = {"name": destination.as_posix(), **properties}
    if source.suffix in MEDIA_TYPES:
        described["encodingFormat"] = MEDIA_TYPES[source.suffix]
    return crate.add_file(source, destination.as_posix(), properties=described, record_size=True)


def add_workflow(
    crate: ROCrate,
    root: Path,
    records: Sequence[dict[str, Any]],
    citation: dict[str, Any],
    origin: str,
) -> DataEntity:
    """Add the Snakefile as the main workflow, with the packages that the runs used.

    Raises:
        UserError: the checkout `root` has no Snakefile.
    """
    if not (root / "Snakefile").is_file():
        raise UserError(f"{root / 'Snakefile'} is missing; export from a complete checkout")
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


def add_inputs(crate: ROCrate, plan: Plan, plan_file: Path, root: Path) -> list[DataEntity]:
    """Add plan, lock and configs; the plan is stored as configs/plans/<name>.yaml.

    Raises:
        UserError: the plan or the lock does not exist.
    """
    named = Path("configs", "plans", f"{plan.unchanged.name}.yaml")
    plan_entity = add_file(crate, plan_file, named, description="What the experiment consists of")
    lock = add_file(
        crate,
        root / "requirements.lock",
        Path("requirements.lock"),
        description="Every package, with hash",
    )
    files = [
        add_file(crate, path, Path("configs") / path.relative_to(root / "configs"))
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


def add_runs(crate: ROCrate, folder: Path) -> tuple[DataEntity, list[Path]]:
    """Add the small files of all runs; returns their dataset and the files that were left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kept = [add_file(crate, path, path) for path in files if path.name in RUN_FILES]
    runs = crate.add_dataset(
        dest_path=folder.as_posix(),
        properties={
            "name": folder.as_posix(),
            "description": "Per-clip predictions, history and record of every training run",
        },
    )
    runs["hasPart"] = kept
    return runs, [path for path in files if path.name not in RUN_FILES]


def link_parameter(crate: ROCrate, workflow: DataEntity, kind: str, entity: DataEntity) -> None:
    """Declare an entity as a parameter of the workflow; `kind` is input or output."""
    parameter = crate.add_formal_parameter(
        entity["name"],
        "Dataset" if entity.type == "Dataset" else "File",
        identifier=f"#{kind}-{entity.id.rstrip('/').replace('/', '-')}",
        description=f"{kind} {entity['name']} of the workflow",
        valueRequired=kind == "input",
    )
    entity["exampleOfWork"] = parameter
    workflow.append_to(kind, parameter)


def add_action(
    crate: ROCrate,
    plan: Plan,
    workflow: DataEntity,
    records: Sequence[dict[str, Any]],
    inputs: list[DataEntity],
    outputs: list[DataEntity],
) -> ContextEntity:
    """Add the execution of the workflow, with its start and end, inputs and outputs."""
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
            "description": origin_of_runs(records)
            + " Start of the first and end of the last training run.",
            "startTime": min(starts).isoformat(timespec="seconds"),
            "endTime": max(ends).isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )


def author_name(author: dict[str, str]) -> str:
    """Name of an author in CITATION.cff, a person or an organisation."""
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def add_author(crate: ROCrate, author: dict[str, str]) -> ContextEntity:
    """Add an author of CITATION.cff, identified by the ORCID iD where there is one."""
    name = author_name(author)
    identifier = author.get("orcid") or f"#{name.replace(' ', '-')}"
    if "name" in author:
        return crate.add(
            ContextEntity(crate, identifier, properties={"@type": "Organization", "name": name})
        )
    return crate.add(Person(crate, identifier, properties={"name": name}))
