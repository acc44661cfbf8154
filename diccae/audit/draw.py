"""Which runs an audit trains again, and what a draw of that size proves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diccae.audit.stored import StoredRun, scored_and_stored
from diccae.digests import text_digest
from diccae.errors import UserError
from diccae.functional.drawing import chance_to_meet, least_chance_to_meet
from diccae.plans import Plan
from diccae.reporting import paper
from diccae.reporting.verdicts import primary_rows
from diccae.run_graph import Run
from diccae.seals.seal import Seal, read_seal, seal_path
from diccae.seals.shard_check import name_of

# shares of all runs for which the chance of the draw is stated, beside a single run
SHARES = (0.01, 0.10)


@dataclass(frozen=True, eq=False)
class Draw:
    """A draw of scored runs without replacement.

    Attributes:
        root: root digest of the seal.
        word: the auditor's word.
        primary: number of runs of the primary rows of Table 2 and of the method that their drops
            are measured from, all in the modality of these rows.
        others: number of all other scored runs.
        runs: the drawn ones, those of the primary rows first.
    """

    root: str
    word: str
    primary: int
    others: int
    runs: tuple[StoredRun, ...]

    @property
    def size(self) -> int:
        """Number of runs that it is drawn from."""
        return self.primary + self.others

    @property
    def of_primary(self) -> int:
        """Number of drawn runs of the primary rows."""
        return quota(self.primary, self.others, len(self.runs))

    def chances(self) -> Iterator[tuple[int, float, float | None]]:
        """(number of forged runs, the least chance that this draw has one of them, the chance if
        all of them are of the primary rows or None if there are fewer)."""
        of_primary = self.of_primary
        counts = (of_primary, len(self.runs) - of_primary)
        for forged in sorted({1, *(math.ceil(share * self.size) for share in SHARES)}):
            least = least_chance_to_meet((self.primary, self.others), forged, counts)
            inside = forged <= self.primary
            yield (
                forged,
                least,
                chance_to_meet(self.primary, forged, of_primary) if inside else None,
            )


def quota(primary: int, others: int, count: int) -> int:
    """How many of `count` drawn runs are of the primary rows: a half, rounded up, or as many as
    there are; more where there are too few others."""
    return max(min(math.ceil(count / 2), primary), count - others)


def draw(plan: Plan, count: int, word: str) -> Draw:
    """Draw runs by the root digest of the seal and a word.

    The seed is the SHA-256 of the root digest, a line break and the word, in hexadecimal digits.
    Each run has the SHA-256 of the seed, a line break and its folder below `runs`. Of the runs of
    the primary rows, and of all others, those with the smallest digests are drawn, see `quota`.

    Raises:
        UserError: there is no intact seal, the word is empty, or there are not that many runs.
    """
    if not word.strip():
        raise UserError(
            "--word: wanted a word that nobody knew when the root digest was published, got an "
            "empty one; type any word, such as --word rain"
        )
    seal = _intact_seal(plan)
    runs = [each for each in scored_and_stored(plan) if _covered(seal, each)]
    if not 1 <= count <= len(runs):
        raise UserError(
            f"--retrain {count}: {seal.path} covers {len(runs)} scored runs of plan {plan.name}; "
            f"name a number from 1 to {len(runs)}"
        )
    root = str(seal.content["root"])
    primary = [each for each in runs if is_primary(each.run)]
    others = [each for each in runs if not is_primary(each.run)]
    first = quota(len(primary), len(others), count)
    seed = text_digest(f"{root}\n{word}")
    drawn = *_smallest(primary, seed, first), *_smallest(others, seed, count - first)
    return Draw(root, word, len(primary), len(others), drawn)


def is_primary(run: Run) -> bool:
    """Whether a run is of one of the primary rows, or of the method that they are measured from."""
    rows = primary_rows(run.plan)
    family = paper.claims()["primary"]
    return (
        bool(rows)
        and run.modality == family["modality"]
        and run.variant in (run.plan.reference, *rows)
    )


def _smallest(runs: Sequence[StoredRun], seed: str, count: int) -> list[StoredRun]:
    return sorted(runs, key=lambda each: text_digest(f"{seed}\n{name_of(each.run)}"))[:count]


def _covered(seal: Seal, stored: StoredRun) -> bool:
    path = stored.run.folder / "record.json" if stored.shard is None else stored.shard.path
    return str(path) in seal.files


def _intact_seal(plan: Plan) -> Seal:
    seal, _ = read_seal(plan)
    if seal is None or not seal.intact:
        state = "is missing" if seal is None else "was edited"
        raise UserError(
            f"--retrain: {seal_path(plan)} {state}, and the draw needs its root digest; copy it "
            "from where the results come from, or seal results of your own with "
            f"`diccae verify --plan {plan.name} --out {seal_path(plan)}`"
        )
    return seal
