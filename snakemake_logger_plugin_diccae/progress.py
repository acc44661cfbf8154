"""Finished, running and remaining jobs of a workflow, the estimated time, and the progress line."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from statistics import mean, median

# finished jobs after which the estimate is shown even if most of the remaining rules are unknown
MIN_FINISHED = 5


@dataclass(frozen=True)
class Job:
    """A started job; `started` in seconds of the caller's clock."""

    rule: str
    label: str
    threads: int
    started: float


def run_label(rule: str, wildcards: Mapping[str, str]) -> str:
    """A short name of a job.

    `train full seed0` if a wildcard is the folder of a job, otherwise the rule and the last part of
    each wildcard.
    """
    values = [str(value) for value in wildcards.values()]
    for value in values:
        if "/runs/" in value:
            return f"{rule} {value.split('/runs/', 1)[1].replace('/', ' ')}"
    names = [PurePath(value).name for value in values]
    # `results`, the folder of the default plan, is left out
    return " ".join([rule, *(name for name in names if name and name != "results")])


def clock(seconds: float) -> str:
    """`3:10`, `1:02:33`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def in_words(seconds: float) -> str:
    """`less than a minute`, `about 22 min`, `about 3 h 05 min`."""
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return (
        f"about {minutes} min" if minutes < 90 else f"about {minutes // 60} h {minutes % 60:02} min"
    )


@dataclass
class Progress:
    """Counts and times of one workflow; times are in seconds of the caller's clock.

    Attributes:
        started: start of the workflow.
        cores: CPU cores of the workflow; None if Snakemake did not state them.
        total: number of jobs.
        done: number of finished jobs.
        remaining: number of unfinished jobs by rule.
        running: running jobs by job id.
        failed: ids of failed jobs that have not been started again.
        costs: core-seconds of finished jobs by rule.
        recent: core-seconds of the last ten finished jobs.
        most_at_once: largest number of jobs that ran at the same time.
        page: the interim page of the results, once there is one.
    """

    started: float
    cores: int | None = None
    total: int = 0
    done: int = 0
    remaining: Counter[str] = field(default_factory=Counter)
    running: dict[int, Job] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    costs: dict[str, list[float]] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=10))
    most_at_once: int = 1
    page: str = ""

    def plan(self, stats: Mapping[str, int]) -> None:
        """Jobs to run by rule, with their sum under `total`, as Snakemake counts them."""
        self.remaining = Counter({rule: count for rule, count in stats.items() if rule != "total"})
        self.total = self.remaining.total()

    def start(self, job_id: int, job: Job) -> None:
        """Count a job as running."""
        self.running[job_id] = job
        self.failed.discard(job_id)
        self.most_at_once = max(self.most_at_once, len(self.running))

    def finish(self, job_id: int, now: float) -> Job | None:
        """Count a job as done and return it; None if its start was not reported."""
        self.done += 1
        job = self.running.pop(job_id, None)
        if job is not None:
            self.remaining[job.rule] -= 1
            cost = (now - job.started) * job.threads
            self.costs.setdefault(job.rule, []).append(cost)
            self.recent.append(cost)
        return job

    def fail(self, job_id: int) -> Job | None:
        """Count a job as failed and return it; None if its start was not reported."""
        self.failed.add(job_id)
        return self.running.pop(job_id, None)

    def seconds_left(self, now: float) -> float | None:
        """Estimated seconds until the workflow is done; None while too little is known.

        This is the remaining work in core-seconds divided by the number of cores. A remaining job
        costs the mean of the finished jobs of its rule, or, if there are none, the median of the
        last finished jobs. There is no estimate until MIN_FINISHED jobs are finished or half of the
        remaining jobs belong to rules with finished jobs.
        """
        known = sum(count for rule, count in self.remaining.items() if rule in self.costs)
        if not self.recent or (self.done < MIN_FINISHED and 2 * known < self.remaining.total()):
            return None
        unknown = median(self.recent)
        cost = {
            rule: mean(self.costs[rule]) if rule in self.costs else unknown
            for rule in self.remaining
        }
        work = sum(count * cost[rule] for rule, count in self.remaining.items())
        # time already spent in running jobs, each limited to its expected cost
        spent = sum(
            min((now - job.started) * job.threads, cost.get(job.rule, unknown))
            for job in self.running.values()
        )
        return max(work - spent, 0.0) / (self.cores or self.most_at_once)

    def head(self) -> str:
        """`[3/40] 7 %`."""
        return f"[{self.done}/{self.total}] {100 * self.done // max(self.total, 1)} %"

    def tail(self, now: float) -> str:
        """Number of failed jobs, elapsed time and estimated time left, as text."""
        left = self.seconds_left(now)
        parts = [f"{len(self.failed)} failed"] if self.failed else []
        parts += [f"see {self.page}"] if self.page else []
        parts.append(f"{clock(now - self.started)} elapsed")
        if self.done < self.total or not self.total:
            parts.append("time left unknown" if left is None else f"{in_words(left)} left")
        return " · ".join(parts)

    def line(self, now: float, width: int) -> str:
        """The progress line, at most `width` characters; jobs that do not fit are counted."""
        labels = [job.label for job in self.running.values()]
        for shown in range(len(labels), -1, -1):
            hidden = len(labels) - shown
            jobs = labels[:shown] + (
                [f"{hidden} more" if shown else f"{hidden} running"] if hidden else []
            )
            text = " · ".join([self.head(), ", ".join(jobs) or "waiting", self.tail(now)])
            if len(text) <= width:
                return text
        return text[:width]
