"""Sound of a sample clip as a player and as a spectrogram."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import av
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from diccae.datasets.pyav_media import decode_audio
from diccae.reporting.pictures import data_uri, png

mpl.use("Agg")

# length and quality of a player's sound: 20 kB for 5 seconds
SECONDS, SAMPLE_RATE, BIT_RATE = 5.0, 16_000, 32_000
# time frames and frequency bands of a spectrogram that is not in the cache
SPECTROGRAM = (128, 50)


def first_seconds(path: Path, start: float, end: float) -> NDArray[np.float32]:
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
