"""Which copies of rendered clips the search for near-duplicates finds, and how many pairs it shows
that are no copies.

Test clips of a benchmark seed are written as MP4 files, and a changed copy of each, with other
clips, to the unlabelled pool. The limits of the search were chosen on seed 77, not on the default.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from diccae.datasets.benchmark.designs import PAIRS
from diccae.datasets.benchmark.figure import SIZE, render_frames
from diccae.datasets.benchmark.scene import draw_scene
from diccae.datasets.benchmark.sound import render_audio
from diccae.datasets.duplicates.find import find_duplicates
from tests.datasets.duplicates.conftest import copy_of, plan_on, write, write_data

Clip = tuple[np.ndarray, np.ndarray]
KINDS = ("encoded again", "shifted by 0.5 s", "louder or quieter", "cropped by 8 %")
LOST = 4


def changed(kind: str, frames: np.ndarray, sound: np.ndarray, rng: np.random.Generator) -> Clip:
    """A copy of frames (T, SIZE, SIZE, 3) and sound (S,); a shifted one goes on backwards."""
    if kind == "shifted by 0.5 s":
        frames, sound = copy_of("shifted", frames, sound)
    elif kind == "louder or quieter":
        sound = sound * rng.choice([0.4, 2.0])
    elif kind == "cropped by 8 %":
        top, left = rng.integers(0, 2 * LOST + 1, 2)
        side = SIZE - 2 * LOST
        cut = frames[:, top : top + side, left : left + side]
        frames = np.stack([cv2.resize(frame, (SIZE, SIZE)) for frame in cut])
    return frames, sound


def plant(number: int, kind: str | None, seed: int, folder: Path) -> bool:
    """Write clip `number` of the test split and its copy, or without a kind one of the unlabelled
    pool; False if it cannot be seen or heard, and is left out."""
    scene = draw_scene(PAIRS, seed, "test" if kind else "unlabelled", number)
    if scene.blind or scene.deaf:
        return False
    frames, sound = render_frames(scene), render_audio(scene)
    write(folder / f"clips/{'test' if kind else 'other'}{number}.mp4", frames, sound)
    if kind:
        rng = np.random.default_rng([seed, number])
        write(folder / f"clips/copy{number}.mp4", *changed(kind, frames, sound, rng), "32")
    return True


def main() -> None:
    """Print what was found by kind of copy, and the bound for false pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=3600)
    parser.add_argument("--others", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=78, help="of the benchmark")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    copies, others = range(options.copies), range(options.others)
    kinds: list[str | None] = [KINDS[number % len(KINDS)] for number in copies]
    numbers, wanted = [*copies, *others], [*kinds, *([None] * options.others)]
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(options.jobs) as pool:
        folder = Path(name)
        written = pool.map(
            plant, numbers, wanted, repeat(options.seed), repeat(folder), chunksize=50
        )
        rows = []
        planted: dict[str, set[tuple[str, str]]] = {kind: set() for kind in KINDS}
        for number, kind, there in zip(numbers, wanted, written, strict=True):
            if there and kind:
                rows.append((f"test{number}", "test", "embedded-b", number % 2))
                rows.append((f"copy{number}", "unlabelled", "embedded-b", -1))
                planted[kind].add((f"test{number}", f"copy{number}"))
            elif there:
                rows.append((f"other{number}", "unlabelled", "embedded-b", -1))
        write_data(folder, pd.DataFrame(rows, columns=["id", "split", "source", "label"]))
        result = find_duplicates(plan_on(folder, folder), options.jobs)
    pairs = set(zip(result.table["first"], result.table["second"], strict=True))
    for kind, of_kind in planted.items():
        found = len(of_kind & pairs)
        print(f"{kind}: {found} of {len(of_kind)} found ({100 * found / len(of_kind):.2f} %)")
    false = pairs - set().union(*planted.values())
    print(f"{result.clips} clips, {len(pairs)} pairs shown, {len(false)} of them no copies")
    for first, second in sorted(false):
        print("no copy:", first, second)
    if pairs and not false:
        print(
            f"with 95 % confidence, less than {300 / len(pairs):.3f} % of the pairs are no copies"
        )


if __name__ == "__main__":
    main()
