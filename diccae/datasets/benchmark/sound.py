"""The sound of a scene: synthesised events, echo and ambient noise; 16 kHz, mono."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diccae.datasets.benchmark.scene import SECONDS, Scene

RATE = 16000
# sounds that occur once per clip even if the motion repeats: otherwise the number of events would
# distinguish a fall from a jump
SINGLE = ("rustle", "thud")


def _band(noise: np.ndarray, low: float, high: float) -> np.ndarray:
    # imported here, since every run that has a control knows the scenes, and few render sound
    from scipy.signal import butter, lfilter

    b, a = butter(2, [max(low, 20.0) / (RATE / 2), min(high, 7800.0) / (RATE / 2)], btype="band")
    return lfilter(b, a, noise)


def _decay(seconds: float, tail: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    time = np.arange(int(seconds * tail * RATE)) / RATE
    return time, np.exp(-time / seconds)


def rustle(rng: np.random.Generator, manner: float) -> np.ndarray:
    """Cloth or bristles; the manner is the rate at which it swells."""
    time = np.arange(int(0.9 * RATE)) / RATE
    speed = 3.0 + 9.0 * manner
    envelope = np.sin(np.pi * time / time[-1]) * (
        0.15 + np.sin(np.pi * speed * time + rng.uniform(0, np.pi)) ** 2
    )
    return _band(rng.normal(size=len(time)), 1800, 6500) * envelope


def thud(rng: np.random.Generator, manner: float) -> np.ndarray:
    """A body on the floor; the manner is the decay time."""
    time, envelope = _decay(0.03 + 0.09 * manner)
    pitch = rng.uniform(65, 95)
    return envelope * (
        np.sin(2 * np.pi * pitch * time) + 0.6 * _band(rng.normal(size=len(time)), 60, 350)
    )


def footfall(rng: np.random.Generator, manner: float) -> np.ndarray:
    """A step; the manner is the centre frequency."""
    time, envelope = _decay(0.022)
    centre = 260 * 2 ** (1.6 * manner)
    return envelope * _band(rng.normal(size=len(time)), 0.6 * centre, 1.5 * centre)


def tap(rng: np.random.Generator, manner: float) -> np.ndarray:
    """Metal on wood; the manner is the pitch."""
    time, envelope = _decay(0.016)
    pitch = 1500 * 2 ** (1.3 * manner) * rng.uniform(0.97, 1.03)
    return envelope * (
        np.sin(2 * np.pi * pitch * time)
        + 0.5 * np.sin(2 * np.pi * 1.52 * pitch * time)
        + 0.15 * rng.normal(size=len(time))
    )


def slap(rng: np.random.Generator, manner: float) -> np.ndarray:
    """A slap with the flat hand; the manner is the decay time."""
    time, envelope = _decay(0.006 + 0.03 * manner)
    return envelope * _band(rng.normal(size=len(time)), 700, 5200)


def voice(rng: np.random.Generator, manner: float) -> np.ndarray:
    """A cough or sneeze; the manner is the duration."""
    length = 0.10 + 0.32 * manner
    time = np.arange(int(length * RATE)) / RATE
    pitch = rng.uniform(110, 230) * (1 - 0.25 * time / length)
    source = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) * 0.5 + 0.8 * rng.normal(
        size=len(time)
    )
    throat = _band(source, 500, 1100) + 0.7 * _band(source, 1300, 2600)
    return (
        throat * np.minimum(1, time / 0.012) * np.sin(np.pi * np.clip(time / length, 0, 1) ** 0.6)
    )


VOICES: tuple[Callable[[np.random.Generator, float], np.ndarray], ...] = (
    rustle,
    thud,
    footfall,
    tap,
    slap,
    voice,
)


def ambience(rng: np.random.Generator, source: int) -> np.ndarray:
    """Ambient noise of unit power, (32000,): wind, traffic, a crowd or a machine."""
    samples = int(SECONDS * RATE)
    kind = int(rng.integers(4)) if source != 2 else int(rng.integers(2))
    low, high = ((20, 400), (40, 1200), (300, 3000), (100, 5000))[kind]
    noise = _band(rng.normal(size=samples), low, high)
    time = np.arange(samples) / RATE
    if kind == 3:
        noise = noise + 0.5 * np.std(noise) * np.sin(2 * np.pi * rng.uniform(50, 300) * time)
    noise *= 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.2, 1.5) * time + rng.uniform(0, 6.28))
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-9)


def render_audio(scene: Scene) -> np.ndarray:
    """Synthesise the sound of a scene, float32 (32000,) in [-1, 1].

    Loudness, ambient noise, echo and person carry no information on the class; they are drawn from
    the seed of the clip.
    """
    rng = scene.rng(2)
    samples = int(SECONDS * RATE)
    background = ambience(rng, scene.source)
    snr, loudness, echo = rng.uniform(6, 22), rng.uniform(0.15, 0.6), rng.uniform(0.05, 0.25)
    event = np.zeros(samples)
    family = scene.activity.sound
    make = VOICES[family]
    times = [scene.first_event] if make.__name__ in SINGLE else scene.events
    for time in times:
        grain = make(rng, scene.sound_manner) * rng.uniform(0.8, 1.2)
        # a rustle begins with the movement, other sounds with the event
        start = int((time - (0.6 if make is rustle else 0.0)) * RATE)
        stop = min(start + len(grain), samples)
        event[max(start, 0) : stop] += grain[max(-start, 0) : stop - start]
    tail = (
        np.exp(-np.arange(int(0.25 * RATE)) / (echo * RATE / 3))
        * rng.normal(size=int(0.25 * RATE))
        * 0.05
    )
    from scipy.signal import fftconvolve

    event = event + fftconvolve(event, tail)[:samples]
    peak = np.sqrt(np.mean(np.sort(event**2)[-samples // 10 :])) + 1e-9
    mixed = background if scene.deaf else event / peak + background * 10 ** (-snr / 20)
    return (mixed / np.abs(mixed).max() * loudness).astype(np.float32)
