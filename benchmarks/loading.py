"""How many clips a second one core loads for training, where the time goes, and what faster ways
would gain.

The data set is that of a run of the plan `vggsound`: files are decoded on access, one frame of ten
is drawn and resized to 224 pixels, and sound becomes log-mels. All times are CPU time of this
process. The ways take turns, each loads a clip once for each of its frames, and the median of the
repetitions is printed; gains are ratios to decoding all frames in the same run. Frames are compared
with those where all are decoded, at 224 pixels.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import av
import cv2
import numpy as np
import torch
from loading_decode import frame_error
from loading_files import Case, case_of, datasets, like_vggsound
from loading_ways import Way, suits, ways
from mmengine.dataset import pseudo_collate

from diccae import registry  # noqa: F401
from diccae.datasets import frame_alone, live_clips, pyav_media
from diccae.engine.records import hardware
from diccae.planning.speeds import kinds
from diccae.plans import load_plan
from diccae.settings import plan_settings

# functions of the pipeline, and the stage that their time counts as; one that another calls is
# left out of the caller's
STAGES: list[tuple[Any, str, str]] = [
    (live_clips, "decode_frames", "picture: decode"),
    (frame_alone, "upright", "to RGB"),
    (frame_alone, "fit", "resize"),
    (pyav_media, "upright", "to RGB"),
    (pyav_media, "fit", "resize"),
    (live_clips, "decode_sound", "sound: decode, resample"),
    (pyav_media, "mix", "to mono"),
    (live_clips, "log_mels", "log-mels"),
]
REST = "check file, crop, pack, collate"


class Stages:
    """CPU seconds by stage, each without those of the stages that it calls."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {name: 0.0 for _, _, name in STAGES} | {REST: 0.0}
        self.inner = [0.0]

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The function, whose time counts as a stage."""

        def call(*args: Any, **options: Any) -> Any:
            self.inner.append(0.0)
            started = time.process_time()
            try:
                return function(*args, **options)
            finally:
                whole = time.process_time() - started
                self.spent[name] += whole - self.inner.pop()
                self.inner[-1] += whole

        return call

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count the stages of the pipeline."""
        with ExitStack() as stack:
            for module, name, stage in STAGES:
                function = self.timed(getattr(module, name), stage)
                stack.enter_context(mock.patch.object(module, name, function))
            yield


def load(dataset: Any, row: int) -> Any:
    """A collated batch of one clip."""
    return pseudo_collate([dataset[row]])


def epochs_of(dataset: Any, row: int, frames: int) -> list[int]:
    """For each frame of a clip, an epoch in which `RandomFrames` draws it, one of `frames`."""
    found: dict[int, int] = {}
    for epoch in range(10_000):
        rng = np.random.default_rng((dataset.augmentation_seed, epoch, row))
        found.setdefault(int(rng.integers(frames)), epoch)
    return [found[number] for number in range(frames)]


def spent(dataset: Any, row: int, epochs: list[int]) -> float:
    """CPU seconds of a clip, averaged over epochs."""
    started = time.process_time()
    for epoch in epochs:
        dataset.set_epoch(epoch)
        load(dataset, row)
    return (time.process_time() - started) / len(epochs)


def show_stages(case: Case, dataset: Any, row: int, epochs: list[int]) -> None:
    """Print the share of each stage."""
    stages = Stages()
    with stages.watched():
        stages.timed(spent, REST)(dataset, row, epochs)
    whole = sum(stages.spent.values())
    shares = " | ".join(f"{100 * value / whole:.0f} %" for value in stages.spent.values())
    seconds = whole / len(epochs)
    print(f"| {case.name} | {1000 * seconds:.1f} | {1 / seconds:.1f} | {shares} |", flush=True)


def show_ways(
    case: Case, row: int, dataset: Any, choices: list[Way], epochs: list[int], repeats: int
) -> None:
    """Print time, gain and error of each way."""
    plain = dataset.cache
    frames, fbank = np.asarray(plain.frames[row]), plain.fbank[row].astype(np.float32)
    caches, errors = {}, {}
    for way in choices:
        cache = replace(
            plain,
            frames=plain.frames if way.frames is None else way.frames,
            fbank=plain.fbank if way.fbank is None else way.fbank,
        )
        images = [cache.frames[row][[number]] for number in range(len(frames))]
        mels = float(np.abs(cache.fbank[row].astype(np.float32) - fbank).max())
        caches[way.name], errors[way.name] = (
            cache,
            (frame_error(np.concatenate(images), frames), mels),
        )
    times: dict[str, list[float]] = {way.name: [] for way in choices}
    for _ in range(repeats):
        for way in choices:
            dataset.cache = caches[way.name]
            times[way.name].append(spent(dataset, row, epochs))
    dataset.cache = plain
    whole = statistics.median(times[choices[0].name])
    for way in choices:
        seconds = statistics.median(times[way.name])
        (mean, most, worst), mels = errors[way.name]
        print(
            f"| {way.name} | {1000 * seconds:.1f} | {1 / seconds:.1f} | {whole / seconds:.2f} | "
            + (f"{mean:.2f} | {most:.0f} | {worst} | " if most else "0 | 0 | - | ")
            + f"{mels:.3g} | {'-' if way.disk is None else f'{way.disk(row) / 1000:.0f}'} |",
            flush=True,
        )


def main() -> None:
    """Print the stages of the pipeline for each clip, and a table of ways for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", help="clips; the first 10 s are loaded")
    parser.add_argument(
        "--like-vggsound",
        type=Path,
        nargs=2,
        metavar=("PICTURE", "SOUND"),
        help="encode the picture of one file and the sound of another as VGGSound's clips",
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stages", action="store_true", help="print the stages alone")
    options = parser.parse_args()
    if not (options.files or options.like_vggsound):
        parser.error("name files of clips, or --like-vggsound PICTURE SOUND")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = load_plan("vggsound")
    settings = plan_settings(plan)["cache"]
    frames = settings["num_frames"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = [case_of(path) for path in options.files]
        if options.like_vggsound:
            cases += like_vggsound(*options.like_vggsound, folder)
        config = kinds(plan)[0].config().train_dataloader.dataset
        live, stored, packed = datasets(cases, folder / "caches", settings, config)
        print(
            f"{hardware()['cpu']}, PyAV {av.__version__}, OpenCV {cv2.__version__}, "
            f"torch {torch.__version__}, {date.today()}; one core, CPU time\n"
        )
        names = [*Stages().spent]
        print(f"| clip | ms | clips/s | {' | '.join(names)} |")
        print("|---" * (len(names) + 3) + "|")
        for row, case in enumerate(cases):
            load(live, row)
            show_stages(case, live, row, epochs_of(live, row, frames) * options.repeats)
        if options.stages:
            return
        if find_spec("torchcodec") is None:
            print("\ntorchcodec is not installed, so it is not compared")
        choices = ways(cases, live, stored, packed, settings, folder)
        for row, case in enumerate(cases):
            print(f"\n{case.name}\n")
            print(
                "| way | ms | clips/s | gain | mean error, grey levels | largest | of frame | "
                "log-mels, largest error | kB stored |"
            )
            print("|---" * 9 + "|")
            suited = [way for way in choices if suits(way, case)]
            show_ways(case, row, live, suited, epochs_of(live, row, frames), options.repeats)


if __name__ == "__main__":
    main()
