"""A table or figure: its name, the runs that it is computed from, and the function that computes
it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.sections import Need

# folders of tables with a name of their own: one ablation of Table 2, one system of Table 1
ABLATIONS, SYSTEMS = "ablations/", "systems/"
FOLDERS = {ABLATIONS: "ablation", SYSTEMS: "system"}


@dataclass(frozen=True)
class Artifact:
    """A table, and the figure that shows it if there is one.

    Attributes:
        name: `results/<name>.csv`, and `results/<name>.svg` for a figure.
        runs: what of a plan it is computed from; nothing where the plan lacks it.
        write: `module:function` that computes the table of a plan, a DataFrame.
        columns: those that name a row; the others hold what was computed.
        help: one line.
        draw: `module:function` that draws the table into an SVG file; None for a table alone.
        section: name of the section of the plan; None for that of the artifact.
    """

    name: str
    runs: Callable[[Plan], list[Need]]
    write: str
    columns: tuple[str, ...]
    help: str
    draw: str | None = None
    section: str | None = None

    @property
    def command(self) -> str:
        """What stands behind `diccae` to make it."""
        folder, name = parts_of_name(self.name)
        return f"{FOLDERS[folder]} {name}" if folder else name.replace("_", "-")

    def table(self, plan: Plan) -> Any:
        """The table of a plan, computed from its runs.

        Raises:
            UserError: the plan lacks it, or a run is missing.
        """
        if not self.runs(plan):
            raise UserError(
                f"plan {plan.name} has no section {self.section or self.name!r}; "
                f"add it to configs/plans/{plan.unchanged.name}.yaml"
            )
        folder, name = parts_of_name(self.name)
        return _function(self.write)(plan, *((name,) if folder else ()))

    def make(self, plan: Plan, out: Path) -> None:
        """Write the CSV file and, for a figure, the SVG file beside it. Where the plan changes
        values, the table ends with the column `changed`, which states them in every row: it stays
        true in a copy of the file, and beside the rows of the plan as it is."""
        table, changes = self.table(plan), plan.name.split("@")[1:]
        named = {"changed": " ".join(changes)} if changes else {}
        _function("csv_file:save")(table.assign(**named), out)
        if self.draw is not None:
            _function(self.draw)(plan, table, out.with_suffix(".svg"))


def parts_of_name(name: str) -> tuple[str, str]:
    """Folder and name: `ablations/no_infonce` -> (`ablations/`, `no_infonce`), `table1` -> (empty,
    `table1`)."""
    folder, slash, last = name.rpartition("/")
    return folder + slash, last


def _function(reference: str) -> Callable[..., Any]:
    module, name = reference.split(":")
    return getattr(importlib.import_module(f"diccae.reporting.{module}"), name)
