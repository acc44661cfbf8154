"""`diccae verify --retrain` and `--rescore`."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diccae.errors import UserError
from diccae.plans import Plan
from diccae.whole_file import write_error

if TYPE_CHECKING:
    from diccae.audit.draw import Draw
    from diccae.run_graph import Run


@dataclass(frozen=True)
class Request:
    """What an auditor asks for.

    Attributes:
        retrain: number of runs to draw and train again; None for none.
        word: seeds the draw.
        work: folder to train in; None for a temporary one.
        rescore: whether to score all runs again.
        out: file for a verdict; None for none.

    Raises:
        UserError: options that do not go together.
    """

    retrain: int | None
    word: str | None
    work: Path | None
    rescore: bool
    out: Path | None

    def __post_init__(self) -> None:
        if self.retrain is not None and self.rescore:
            raise UserError("--retrain and --rescore are two audits; ask for one after the other")
        if self.retrain is not None and self.word is None:
            raise UserError(
                "--retrain: the draw needs a word that nobody knew when the root digest was "
                "published; add one, such as --word rain"
            )
        for option, value in (("--word", self.word), ("--work", self.work)):
            if value is not None and self.retrain is None:
                raise UserError(
                    f"{option}: it belongs to --retrain; add --retrain 3, or leave {option} out"
                )
        if self.out is not None and (self.rescore or self.retrain is not None):
            audit = "--rescore" if self.rescore else "--retrain"
            raise UserError(f"{audit}: an audit writes no verdict and makes no seal; omit --out")

    def prepare(self, plan: Plan, clips: bool) -> Retraining | Rescoring | None:
        """Everything that takes no training: the draw, and whether equal bytes can be expected.

        Args:
            plan: the plan.
            clips: whether to read every clip.

        Returns:
            The audit that is asked for; None for none.

        Raises:
            UserError: it is not possible; names the reason and the way out.
        """
        if self.retrain is not None:
            return Retraining(plan, self.retrain, self.word or "", self.work, clips)
        return Rescoring(plan, clips) if self.rescore else None


class Retraining:
    """Trains drawn runs again, with all that they start from, and compares them.

    Raises:
        UserError: the draw is not possible, or equal bytes cannot be expected here.
    """

    def __init__(self, plan: Plan, count: int, word: str, work: Path | None, clips: bool) -> None:
        from diccae.audit.draw import draw
        from diccae.audit.later_code import of_later_code
        from diccae.audit.obstacles import require_data, require_same_bytes
        from diccae.audit.stored import require_stored
        from diccae.audit.words import of_draw
        from diccae.run_graph import with_parents

        self.draw: Draw = draw(plan, count, word)
        print(*of_draw(self.draw), sep="\n")
        self.last = [stored.run for stored in self.draw.runs]
        self.stored = {run: require_stored(run) for run in with_parents(self.last)}
        require_data(plan, clips)
        require_same_bytes(self.stored.values())
        self.note = of_later_code([*self.stored.values()])
        self.work = work
        if work is not None:
            require_empty(work)

    def run(self) -> bool:
        """Train and compare; whether all runs are equal."""
        from diccae.audit.compare import differences
        from diccae.audit.retrain import train_again
        from diccae.audit.words import of_proof

        folder = tempfile.TemporaryDirectory() if self.work is None else nullcontext(self.work)
        with folder as name:
            place = train_again(self.last, Path(name))
            found = {
                run: differences(stored, place / run.folder) for run, stored in self.stored.items()
            }
        for run, words in found.items():
            print(_verdict(run, words))
        if self.note is not None:
            print(self.note)
        if any(found.values()):
            return False
        print(*of_proof(self.draw, len(found)), sep="\n")
        return True


class Rescoring:
    """Scores all runs again from their weights and compares them.

    Raises:
        UserError: there are no weights, or equal bytes cannot be expected here.
    """

    def __init__(self, plan: Plan, clips: bool) -> None:
        from diccae.audit.later_code import of_later_code
        from diccae.audit.obstacles import require_data, require_same_bytes
        from diccae.audit.rescore import runs_with_weights

        self.runs, self.in_shards = runs_with_weights(plan)
        require_data(plan, clips)
        require_same_bytes(self.runs)
        self.note = of_later_code(self.runs)

    def run(self) -> bool:
        """Score and compare; whether all runs are equal."""
        from diccae.audit.rescore import rescore

        differ = 0
        for stored, words in rescore(self.runs):
            differ += bool(words)
            print(_verdict(stored.run, words), flush=True)
        more = f"; {self.in_shards} more are in shards, without weights" if self.in_shards else ""
        print(f"{len(self.runs)} runs scored again from their weights: {differ} differ{more}")
        if self.note is not None:
            print(self.note)
        if not differ:
            print(
                "This proves that these predictions are those of these weights. That the weights "
                "come from the training that the records describe, --retrain shows."
            )
        return not differ


def require_empty(work: Path) -> None:
    """Make the folder of `--work`.

    Raises:
        UserError: it is a file, has files, or cannot be made.
    """
    if work.exists() and (not work.is_dir() or any(work.iterdir())):
        raise UserError(
            f"--work {work}: wanted a new or empty folder, since an audit may use nothing that was "
            "there before; name another one, or leave --work out"
        )
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(work, error) from None


def _verdict(run: Run, words: list[str]) -> str:
    return f"DIFFERS: {run}: {'; '.join(words)}" if words else f"equal: {run}"
