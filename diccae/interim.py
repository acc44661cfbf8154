"""The interim page of a plan, until there is a report.

Each job of the first seed writes it, and then each job that completes a seed.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diccae.clips_hash import clips_hash
from diccae.hashes import lock_hash
from diccae.jobs import jobs
from diccae.plans import SEEDS_ASKED, Plan
from diccae.reporting.interim_page import SeedProgress, interim_path, render_interim
from diccae.reporting.sources import is_in_shard
from diccae.run_graph import Run
from diccae.whole_file import whole_file


def write_interim(plan: Plan, seed: int) -> None:
    """Write the interim page, if a job of the first seed has finished or one that completes a seed.
    Seeds that are not asked for do not count.

    A page that is there stays where a new one cannot be written; the reason is printed, and the job
    that calls this has not failed.

    Args:
        plan: the plan with all of its seeds.
        seed: that of the job that has just finished.
    """
    try:
        asked = plan.first_seeds(int(os.environ.get(SEEDS_ASKED) or 0) or None)
        stamps = [job.stamp for job in jobs(asked).values() if job.seed == seed]
        complete = bool(stamps) and all(stamp.is_file() for stamp in stamps)
        if not complete and seed != asked.seeds[0]:
            return
        page = interim_path(plan)
        with _alone(page.parent):
            # others may have finished while this one waited
            progress = progress_of(asked)
            if not any(each.complete or each.variants for each in progress):
                return
            text = render_interim(asked, progress)
            with whole_file(page) as temporary:
                temporary.write_text(text, encoding="utf-8")
        print(f"{page}: written", flush=True)
    # the runs are trained, whatever is wrong with a page
    except Exception as error:
        print(f"the interim page of plan {plan.name} is not written: {error}", flush=True)


def progress_of(plan: Plan) -> list[SeedProgress]:
    """Finished jobs of each seed of a plan; a seed that is read from a shard has all.

    A job does not count whose runs were made from other clips, configs, code or packages: the
    workflow trains them again.
    """
    finished, every = Counter[int](), Counter[int]()
    begun, lacking = defaultdict[int, set[str]](set), defaultdict[int, set[str]](set)
    data = clips_hash(plan)
    for job in jobs(plan).values():
        every[job.seed] += 1
        made = job.stamp.is_file() and all(_is_current(run, data) for run in job.runs)
        made = made or is_in_shard(plan, job.seed)
        finished[job.seed] += made
        (begun if made else lacking)[job.seed].update(run.variant for run in job.runs)
    return [
        # with folds, a variant has several jobs
        SeedProgress(seed, finished[seed], every[seed], frozenset(begun[seed] - lacking[seed]))
        for seed in plan.seeds
    ]


def _is_current(run: Run, data_hash: str) -> bool:
    record = run.record() or {}
    now = {
        "config_hash": run.config_hash,
        "data_hash": data_hash,
        "source_hash": run.source_hash,
        "lock_hash": lock_hash(),
    }
    return now.items() <= record.items()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, where its file system has locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
