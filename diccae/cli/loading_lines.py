"""What `diccae plan` prints of the cores that feed a GPU."""

from __future__ import annotations

from typing import Any


def loading_lines(answer: dict[str, Any]) -> list[str]:
    """One line about the cores that decode clips for one GPU; none where clips are stored.

    Args:
        answer: of `estimate`.
    """
    need = answer["loading"]
    if need is None:
        return []
    kinds = [f"{clips:.3g} ({kind})" for kind, clips in need["core_clips"].items()]
    cores = sorted(set(need["cores"].values()))
    workers = need["workers"]
    return [
        f"loading: {need['work']} takes about {need['gpu_clips']:,.0f} clips/s on a GPU "
        f"({need['gpu_source']}), a core decodes about {' or '.join(kinds)} clips/s "
        f"({need['core_source']}): {' to '.join(map(str, cores))} cores for each GPU"
        + (
            ""
            if workers is None
            else f"; a run has {workers} (schedule.num_workers); where clips are stored "
            "(cache.mode) one is enough"
        )
    ]
