"""The names under which download tools store the clips of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from diccae.datasets.readers.columns import join, map_text


@dataclass(frozen=True)
class Layout:
    """A way to name files.

    Attributes:
        pattern: the name for messages, without folder and suffix.
        stems: rows (N,) -> names without folder and suffix, text (N,).
        cut: whether a file holds the clip alone (True) or the whole recording (False); None where
            the name does not say.
    """

    pattern: str
    stems: Callable[[pd.DataFrame], pd.Series]
    cut: bool | None


def youtube_layouts(prefixes: Sequence[str] = ("",)) -> list[Layout]:
    """The names that download tools give to spans of YouTube videos.

    Args:
        prefixes: what the id may be preceded by.
    """
    styles: list[tuple[str, Callable[[float], str]]] = [
        ("6 digits", lambda time: f"{time:06.0f}"),
        ("s", lambda time: f"{time:g}"),
        ("s.0", lambda time: f"{time:.1f}"),
        ("s.000", lambda time: f"{time:.3f}"),
        ("ms", lambda time: f"{time * 1000:.0f}"),
    ]
    layouts = []
    for prefix in prefixes:
        for style, show in styles:
            layouts.append(
                Layout(
                    f"{prefix}<id>_<start {style}>",
                    partial(_start_stems, prefix=prefix, show=show),
                    True,
                )
            )
            for dash in "_-":
                stems = partial(_span_stems, prefix=prefix, show=show, dash=dash)
                layouts.append(Layout(f"{prefix}<id>_<start {style}>{dash}<end>", stems, True))
        layouts.append(Layout(f"{prefix}<id>", partial(_video_stems, prefix=prefix), None))
    return layouts


def _video_stems(rows: pd.DataFrame, prefix: str) -> pd.Series:
    return join(prefix, rows["video"])


def _start_stems(rows: pd.DataFrame, prefix: str, show: Callable[[float], str]) -> pd.Series:
    return join(prefix, rows["video"], "_", map_text(rows["start"], show))


def _span_stems(
    rows: pd.DataFrame, prefix: str, show: Callable[[float], str], dash: str
) -> pd.Series:
    return join(_start_stems(rows, prefix, show), dash, map_text(rows["end"], show))
