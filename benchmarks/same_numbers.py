"""Whether two commits give the same predictions, bit for bit, on this machine.

    python benchmarks/same_numbers.py HEAD~1 HEAD --folder /tmp/same

Each commit is checked out into a folder of its own and trains there, with the Python environment at
hand: the plan `smoke` whole, and of the default plan seed 0 of three variants with A and A-V. The
folders stay, so a second call resumes where the first one stopped. `--share-clips` takes the
rendered clips and their cache from the first commit, for changes that do not concern them. Threads
and instruction sets are those of the default plan, also for a commit that does not set them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from diccae import kernels

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ("full", "no_confusion_loss", "no_kmeans_audioset")
Key = tuple[str, str, int, str]


def targets(tree: Path) -> list[str]:
    """What Snakemake is asked for; before jobs existed, files of single runs."""
    jobs = "rule train:" in (tree / "Snakefile").read_text()
    if jobs:
        return ["smoke", *(f"results/runs/{name}/seed0/job.json" for name in VARIANTS)]
    files = [
        f"results/runs/finetune/{name}/seed0/{modality}/predictions.parquet"
        for name in VARIANTS
        for modality in ("A", "AV")
    ]
    return ["smoke", *files]


def checkout(commit: str, folder: Path) -> Path:
    """A worktree of the commit below `folder`, made if it is not there."""
    name = (
        subprocess.run(
            ["git", "rev-parse", "--short=10", commit], cwd=ROOT, capture_output=True, check=True
        )
        .stdout.decode()
        .strip()
    )
    tree = folder.resolve() / name
    if not tree.is_dir():
        command = ["git", "worktree", "add", "--detach", str(tree), commit]
        subprocess.run(command, cwd=ROOT, check=True)
    return tree


def share_clips(source: Path, tree: Path) -> None:
    """Copies of the rendered clips and their cache, with their time stamps."""
    for name in ("embedded", "smoke"):
        data = source / "results" / "data" / name
        if data.is_dir() and not (tree / "results" / "data" / name).is_dir():
            shutil.copytree(data, tree / "results" / "data" / name)


def train(tree: Path) -> None:
    """Run the workflow of a checkout with its own code."""
    kernels.fix()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tree),
    }
    snakemake = Path(sys.executable).parent / "snakemake"
    command = [str(snakemake), "--cores", "all", *targets(tree)]
    subprocess.run(command, cwd=tree, env=environment, check=True)


def predictions(tree: Path) -> dict[Key, pd.DataFrame]:
    """The predictions of every scored run, by (plan, variant, seed, modality)."""
    found = {}
    for path in (tree / "results").rglob("predictions.parquet"):
        record = json.loads(path.with_name("record.json").read_text())
        key = (record["plan"], record["variant"], record["seed"], record["modality"])
        found[key] = pd.read_parquet(path)
    return found


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether the columns that both commits write are the same."""
    common = [name for name in one if name in other]
    return one[common].equals(other[common])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("commits", nargs=2, help="as git names them")
    parser.add_argument("--folder", type=Path, required=True, help="where the checkouts lie")
    parser.add_argument("--share-clips", action="store_true", help="render once")
    arguments = parser.parse_args()
    trees = [checkout(commit, arguments.folder) for commit in arguments.commits]
    found = []
    for tree in trees:
        if arguments.share_clips:
            share_clips(trees[0], tree)
        train(tree)
        found.append(predictions(tree))
    first, second = found
    wanted = [key for key in first if key in second]
    alone = sorted(set(first) ^ set(second))
    other = sorted(key for key in wanted if not _same(first[key], second[key]))
    for key in other:
        print("differs:", *key)
    for key in alone:
        print("trained by one commit alone:", *key)
    print(f"{len(wanted) - len(other)} of {len(wanted)} runs have the same predictions")
    sys.exit(bool(other) or not wanted)


if __name__ == "__main__":
    main()
