"""Time of the search for near-duplicates among made-up clips, by their number.

Descriptors are random walks around common scenes and sounds, so that clips have neighbours that are
no copies; every hundredth clip is a copy in another split. Reading the cache is timed by clip and
added.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from diccae.datasets.duplicates import picture, sound
from diccae.datasets.duplicates.likeness import PictureLikeness, SoundLikeness
from diccae.datasets.duplicates.search import near_duplicates

FRAMES, SIZE, SCENES = 16, 36, 50


class Clips:
    """Made-up clips by number: frames uint8 (FRAMES, SIZE, SIZE, 3) and log-mels float16 (64, 64).

    Clip 100 k + 1 is a copy of clip 100 k.
    """

    def _generator(self, number: int) -> np.random.Generator:
        original = number - 1 if number % 100 == 1 else number
        return np.random.default_rng([7, original])

    def frames(self, number: int) -> np.ndarray:
        """The frames of a clip: one of SCENES still pictures, and what is its own."""
        rng = self._generator(number)
        scene = np.random.default_rng([8, int(rng.integers(SCENES))])
        still = scene.integers(60, 200, (6, 6, 3)) + rng.normal(0, 25, (6, 6, 3))
        image = np.kron(np.clip(still, 0, 255), np.ones((6, 6, 1))).astype(np.uint8)
        return np.broadcast_to(image, (FRAMES, SIZE, SIZE, 3))

    def fbank(self, number: int) -> np.ndarray:
        """The log-mels of a clip: one of SCENES sounds, and what is its own."""
        rng = self._generator(number)
        common = np.random.default_rng([9, int(rng.integers(SCENES))])
        levels = common.normal(0, 1, (64, 64)) + rng.normal(0, 1, (64, 64))
        return levels.astype(np.float16)


def main() -> None:
    """Print CPU seconds of reading and of the search, and the memory at its peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[5000, 10000])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    clips, times = Clips(), []
    for count in options.clips:
        start = time.process_time()
        levels = [clips.fbank(number) for number in range(count)]
        stills = [clips.frames(number) for number in range(count)]
        made = time.process_time()
        patches = [sound.sound_patch(each) for each in levels]
        sounds = SoundLikeness(
            np.stack(patches), np.stack([*map(sound.windows, patches)]), np.ones(count, bool)
        )
        medians = [picture.still(picture.looked_at(each)) for each in stills]
        pictures = PictureLikeness(
            np.stack(medians),
            lambda number: picture.looked_at(clips.frames(number)),
            np.stack([*map(picture.crops, medians)]),
            np.ones(count, bool),
        )
        read = time.process_time()
        # every second clip is in the other split
        pairs = near_duplicates([sounds, pictures], np.arange(count) % 2, options.threads)
        searched = time.process_time()
        copies = int(((pairs.second - pairs.first == 1) & (pairs.first % 100 == 0)).sum())
        times.append(searched - read)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{count} clips: made {made - start:.1f} s, described {read - made:.1f} s, searched "
            f"{searched - read:.1f} s of CPU; {copies} of {count // 100} copies among "
            f"{len(pairs.first)} pairs; peak {peak:.2f} GB",
            flush=True,
        )
    if len(times) > 1:
        ratio = np.log(times[-1] / times[0]) / np.log(options.clips[-1] / options.clips[0])
        whole = times[-1] * (200_000 / options.clips[-1]) ** max(ratio, 1.0)
        print(f"time grows with clips ** {ratio:.2f}; 200,000 clips: {whole / 60:.0f} min of CPU")


if __name__ == "__main__":
    main()
