"""Whether a plan gives the same bytes on this processor and on an emulated one.

    python benchmarks/another_processor.py --folder /tmp/a --emulator "qemu-x86_64 -cpu Haswell-v4"

A shortened chain (clips, cache, warm-up, pre-training and A-V fine-tuning, two epochs each) runs
here and in the emulator, and every file that holds numbers is compared. An emulated operation takes
20 to 40 times as long. `--kernels` chooses the plan's `runtime.kernels`. The emulator is a command
that runs a program of this machine, such as qemu's user mode (Debian's package `qemu-user`), and
must know AVX2 (qemu from 7.2).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
COUNTS = {"unlabelled": 96, "train": 48, "update": 36, "validation": 12, "test": 48}
BUDGET = {"epochs": 2, "batch_size": 16}
# what is computed from clips alone, and what from these by training
DATA = ("clips/**/*.mp4", "cache/*.npy")
RUNS = (
    "runs/**/predictions.parquet",
    "runs/**/weights.pth",
    "runs/**/*.npz",
    "runs/**/history.csv",
)


def write_plan(folder: Path, kernels: str) -> Path:
    """A plan with few clips that trains one variant with one seed."""
    stages = ("warmup", "pretrain", "finetune")
    plan = {
        "name": "chain",
        "scale": "embedded",
        "dataset": "embedded",
        "data_root": "results/data/chain",
        "seeds": [0],
        "tuning": {"variants": ["full"], "modalities": ["AV"]},
        "runtime": {"kernels": kernels, "threads": 1},
        "overrides": {
            "benchmark.counts": COUNTS,
            "data.train_per_class": 4,
            "data.update_per_class": 3,
            "data.update_unlabelled": 24,
            "method.kmeans_k": 12,
            "method.kmeans_restarts": 2,
            "method.refine_every": 1,
            **{f"schedule.{name}.{key}": BUDGET[key] for name in stages for key in BUDGET},
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "chain.yaml"
    path.write_text(yaml.safe_dump(plan))
    return path


def run(folder: Path, kernels: str, emulator: list[str]) -> float:
    """Run the chain in a folder; returns the wall seconds."""
    plan, started = write_plan(folder, kernels), time.monotonic()
    # the interpreter itself: an emulator cannot start the links of a virtual environment
    python = str(Path(sys.executable).resolve())
    places = [str(ROOT), sysconfig.get_paths()["purelib"]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    for command in (
        ["data", "render", "--jobs", "1"],
        ["data", "cache", "--jobs", "1"],
        ["train", "--variant", "full", "--seed", "0"],
    ):
        words = [*emulator, python, "-m", "diccae.cli.main", *command, "--plan", plan.name]
        with open(folder / f"{command[-3]}.log", "w") as log:
            subprocess.run(
                words, cwd=folder, env=environment, check=True, stdout=log, stderr=subprocess.STDOUT
            )
        print(f"{folder.name}: {' '.join(command)} done", flush=True)
    return time.monotonic() - started


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that holds numbers, by its path."""
    places = (("results/data/chain", DATA), ("results/chain", RUNS))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for place, patterns in places
        for pattern in patterns
        for path in sorted((folder / place).glob(pattern))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--emulator", required=True, help="command that runs a program")
    parser.add_argument("--folder", type=Path, required=True, help="where both chains are kept")
    parser.add_argument("--kernels", default="portable", choices=("portable", "fastest"))
    options = parser.parse_args()
    here, there = (options.folder.resolve() / name for name in ("here", "emulated"))
    seconds = run(here, options.kernels, [])
    seconds_there = run(there, options.kernels, shlex.split(options.emulator))
    first, second = digests(here), digests(there)
    other = sorted(
        name for name in first.keys() | second.keys() if first.get(name) != second.get(name)
    )
    for name in other:
        print("differs:", name)
    trained = [name for name in first if name.endswith(".parquet")]
    print(
        f"{options.kernels}: {len(first) - len(other)} of {len(first)} files are the same bytes, "
        f"{len(trained)} of them predictions; {seconds:.0f} s here, {seconds_there:.0f} s emulated"
    )
    sys.exit(bool(other) or not trained)


if __name__ == "__main__":
    main()
