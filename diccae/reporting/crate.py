"""The results of a plan as an RO-Crate (profile Workflow Run Crate 0.5).

A crate is one zip file with results and with metadata that other tools can read. The Snakefile is
its main workflow. Plan, configs and lock are the inputs of the workflow. Tables, figures, report
and the small files of each run (predictions, record, history; not the weights) are its outputs.
Paths in the crate are those of the repository, so that a crate can be unpacked over a checkout of
its commit.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity, DataEntity
from rocrate.rocrate import ROCrate

from diccae.errors import UserError
from diccae.plans import CONFIG_ROOT, Plan
from diccae.reporting import collect
from diccae.reporting.crate_entities import (
    add_action,
    add_author,
    add_file,
    add_inputs,
    add_runs,
    add_workflow,
    author_name,
    link_parameter,
)
from diccae.reporting.crate_origin import changes_since_runs, git_output
from diccae.reporting.make_command import make_command
from diccae.whole_file import whole_file

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
# the profiles above build on RO-Crate 1.1
RO_CRATE = "1.1"
OUTPUTS = (
    "*.csv",
    "ablations/*.csv",
    "systems/*.csv",
    "*.svg",
    "report.html",
    "*.json",
    "shards/*.npz",
)


@dataclass(frozen=True)
class Exported:
    """Content of a crate.

    Attributes:
        outputs: number of tables, figures and pages.
        runs: number of training runs, each with its small files.
        left_out: number of files of these runs that are not in the crate (weights, confusion
            matrices, cluster assignments).
        left_out_bytes: size of these files.
        origin: a sentence on whether workflow, lock and configs are those that the runs used.
    """

    outputs: int
    runs: int
    left_out: int
    left_out_bytes: int
    origin: str


def write_crate(
    plan: Plan, plan_file: Path, out: Path, root: Path = CONFIG_ROOT.parent
) -> Exported:
    """Write the results of a plan as a crate.

    Args:
        plan: a plan whose results are finished.
        plan_file: its YAML file.
        out: the zip file to write.
        root: the checkout with Snakefile, lock and configs.

    Raises:
        UserError: the results are not finished, `out` does not end in .zip or cannot be written, or
            a file of the checkout is missing.
    """
    if out.suffix != ".zip":
        raise UserError(f"--out {out}: wanted a file name that ends in .zip")
    results = plan.results_root()
    records = collect.all_records(plan)
    if not records or not (results / "report.html").is_file():
        raise UserError(
            f"{results / 'report.html'} is missing: the results of plan {plan.name} are not "
            f"finished; run `{make_command(plan, 'report.html')}` first"
        )
    citation = _citation(root)
    crate = ROCrate(version=RO_CRATE)
    origin = changes_since_runs(root, records)
    workflow = add_workflow(crate, root, records, citation, origin)
    inputs = add_inputs(crate, plan, plan_file, root)
    outputs = [
        add_file(crate, path, path) for pattern in OUTPUTS for path in sorted(results.glob(pattern))
    ]
    runs, left_out = add_runs(crate, results / "runs")
    for parameter, entities in (("input", inputs), ("output", [*outputs, runs])):
        for entity in entities:
            link_parameter(crate, workflow, parameter, entity)
    action = add_action(crate, plan, workflow, records, inputs, [*outputs, runs])
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
            f"{path} is missing; it names the licence and the authors: "
            "export from a complete checkout"
        )
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    for key in ("license", "authors"):
        if not content.get(key):
            raise UserError(f"{path}: key {key!r} is missing; add it")
    return content


def _describe(
    crate: ROCrate,
    plan: Plan,
    root: Path,
    citation: dict[str, Any],
    workflow: DataEntity,
    action: ContextEntity,
) -> None:
    authors = {author_name(author): add_author(crate, author) for author in citation["authors"]}
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
    # the person who ran the workflow is known only if the author of the commit is in CITATION.cff
    agent = authors.get(
        git_output(root, "show", "--no-patch", "--format=%an", workflow["version"], "--") or ""
    )
    if agent is not None:
        action["agent"] = agent
    dataset = crate.root_dataset
    dataset["name"] = f"Results of plan {plan.name}: {citation['title']}"
    dataset["description"] = (
        f"Tables, figures, report and per-clip predictions of plan {plan.name} ({plan.scale}), "
        "with the workflow that created them."
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
    readme = add_file(crate, root / "README.md", Path("README.md"))
    readme["about"] = dataset
    for name in ("LICENSE", "CITATION.cff"):
        add_file(crate, root / name, Path(name), encodingFormat="text/plain")


def _write(crate: ROCrate, out: Path) -> None:
    with whole_file(out) as temporary:
        chunks = crate.stream_zip()
        with open(temporary, "wb") as handle:
            try:
                handle.writelines(chunks)
            except OSError:
                # an archive that is not written to its end prints a traceback when it is collected
                for _ in chunks:
                    pass
                raise
        # validators expect an entry for each folder, which the library does not write
        with zipfile.ZipFile(temporary, "a") as archive:
            for folder in crate.get_by_type("Dataset", exact=True):
                if folder is not crate.root_dataset:
                    archive.mkdir(folder.id)
