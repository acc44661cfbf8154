"""Sample clips of the report: frames, spectrogram, and a player where a plan has sound alone."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import matplotlib as mpl
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diccae.datasets.containers import unreadable
from diccae.datasets.pyav_media import decode_audio
from diccae.plans import Plan
from diccae.reporting import sources
from diccae.reporting.pictures import data_uri, jpeg, png
from diccae.reporting.scored_clips import tested
from diccae.stored_file import CACHE_AGAIN, reading

mpl.use("Agg")

# length and quality of a player's sound: 20 kB for 5 seconds
SECONDS, SAMPLE_RATE, BIT_RATE = 5.0, 16_000, 32_000
# time frames and frequency bands of a spectrogram that is not in the cache
SPECTROGRAM = (128, 50)


def sample_clips(
    plan: Plan, classes: int = 12, frames: int = 6, height: int = 96
) -> list[dict[str, Any]]:
    """The first usable test clip of each class, for the first `classes` classes.

    Args:
        plan: the plan, whose manifest and cache index name the clips.
        classes: largest number of clips.
        frames: number of evenly spaced frames of a clip, joined into one picture.
        height: largest height of a frame in pixels.

    Returns:
        Dicts with `name` (of the class), `id`, and data URIs: `strip` (JPEG of the frames; None for
        a plan of sound alone), `sound` (MP3 of the first seconds; None for other plans) and
        `spectrogram` (PNG; None for a plan of pictures alone, and for one of both whose cache
        stores none). Clips whose files do not exist are left out.

    Raises:
        UserError: a file cannot be decoded any more.
    """
    path = plan.cache_dir / "index.parquet"
    if any(sources.data_file(plan, file) is None for file in (plan.manifest, path)):
        return []
    with reading(path, CACHE_AGAIN):
        index = pd.read_parquet(path)
    usable = index[tested(plan, index) & (index["status"] == "ok")]
    stored = plan.cache_dir / "fbank.npy"
    with reading(stored, CACHE_AGAIN):
        fbank = np.load(stored, mmap_mode="r") if stored.is_file() else None
    clips = []
    for row, clip in usable.groupby("label").head(1).sort_values("label").head(classes).iterrows():
        path = plan.manifest.parent / clip["path"]
        if not path.is_file():
            continue
        shown: dict[str, Any] = {"name": clip["label_name"], "id": clip["id"]}
        shown |= {"strip": None, "sound": None, "spectrogram": None}
        bands = None if fbank is None or "A" not in plan.modality else fbank[row]
        try:
            if "V" in plan.modality:
                shown["strip"] = _strip(path, frames, height)
            else:
                sound = _sound(path, clip.get("start", 0.0), clip.get("end", math.inf))
                shown["sound"] = mp3(sound)
                bands = log_bands(sound) if bands is None else bands
        except av.FFmpegError as error:
            raise unreadable(path, error) from None
        if bands is not None:
            shown["spectrogram"] = spectrogram(bands)
        clips.append(shown)
    return clips


def _strip(path: Path, frames: int, height: int) -> str:
    with av.open(str(path)) as container:
        images = [_frame(frame, height) for frame in container.decode(video=0)]
    chosen = np.linspace(0, len(images) - 1, frames).round().astype(int)
    return jpeg(np.concatenate([images[i] for i in chosen], axis=1))


def _frame(frame: Any, height: int) -> NDArray[np.uint8]:
    if frame.height <= height:
        return frame.to_ndarray(format="rgb24")
    return frame.reformat(
        width=round(frame.width * height / frame.height), height=height
    ).to_ndarray(format="rgb24")


def _sound(path: Path, start: float, end: float) -> NDArray[np.float32]:
    """Sound (S,) of the first SECONDS of a span."""
    return decode_audio(path, start, float(np.fmin(end, start + SECONDS)), SAMPLE_RATE, "A")


def mp3(sound: NDArray[np.float32]) -> str:
    """Mono sound (S,) in [-1, 1] at SAMPLE_RATE as an MP3 data URI, which every browser plays."""
    samples = (np.clip(sound, -1, 1) * (2**15 - 1)).astype(np.int16)
    buffer = BytesIO()
    # without the names and versions of libraries
    bare = {"id3v2_version": "0", "write_xing": "0"}
    with av.open(buffer, "w", format="mp3", options=bare) as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16p", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in (frame, None):
            container.mux(stream.encode(part))
    return data_uri(buffer.getvalue(), "audio/mpeg")


def log_bands(sound: NDArray[np.float32]) -> NDArray[np.float16]:
    """Log power of mono sound (S,) at SAMPLE_RATE, (frames, bands) in SPECTROGRAM's size, in linear
    bands up to half the sample rate."""
    frames, bands = SPECTROGRAM
    window = np.hanning(SAMPLE_RATE // 40)
    padded = np.pad(sound, (0, max(0, len(window) - len(sound))))
    starts = np.linspace(0, len(padded) - len(window), frames).astype(int)
    pieces = np.stack([padded[start : start + len(window)] for start in starts])
    power = np.abs(np.fft.rfft(pieces * window)[:, 1:]) ** 2
    pooled = power.reshape(frames, bands, -1).mean(axis=2)
    # 80 dB below the loudest band is silence
    return np.log(np.maximum(pooled, 1e-8 * pooled.max() + 1e-12)).astype(np.float16)


def spectrogram(fbank: NDArray[np.float16]) -> str:
    """Log-mel spectrogram (frames, n_mels) as a PNG data URI, low frequencies at the bottom."""
    image = fbank.astype(np.float32).T[::-1]
    scaled = (image - image.min()) / max(1e-6, float(np.ptp(image)))
    return png(
        (mpl.colormaps["magma"](scaled)[..., :3] * 255).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    )
