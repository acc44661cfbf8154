"""Outputs of the workflow that are there and not true any more. Snakemake looks at times alone."""

from __future__ import annotations

from collections.abc import Iterable

from diccae.datasets.clip_files import replaced_clips
from diccae.jobs import Job
from diccae.plans import Plan


def drop_untrue(jobs: Iterable[Job], plans: Iterable[Plan]) -> None:
    """Remove what Snakemake would take for finished.

    These are the stamp of every job whose runs are not all there any more, and meta.json of every
    clip cache of which a clip has been replaced by another file of its name.

    Args:
        jobs: all jobs.
        plans: all plans.
    """
    for job in jobs:
        if job.stamp.is_file() and any(run.record() is None for run in job.runs):
            job.stamp.unlink()
    for folder in {plan.cache_dir for plan in plans}:
        meta = folder / "meta.json"
        if meta.is_file() and replaced_clips(folder):
            meta.unlink()
