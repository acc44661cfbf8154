"""Snakemake's `--logger diccae`: one progress line, a table for a dry run, and a short ending that says what failed and what to do."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from logging import WARNING, LogRecord
from pathlib import Path, PurePath
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_diccae.progress import Job, Progress, clock, run_label

LAST_LINES = 15
# What Snakemake says at the end of every failure, and what repeats a job's failure that is told here
REPEATED = (
    "Exiting because a job execution failed",
    "At least one job did not complete successfully",
    "CalledProcessError",
)
# Chatter of a normal start
CHATTER = ("Building DAG of jobs", "Assuming unrestricted shared filesystem usage", "host:")
NOTHING = "Nothing to be done"
# Ctrl-C, and SIGTERM
KILLED, ASKED_TO_STOP = (
    "Terminating processes on user request",
    "Will exit after finishing currently running jobs",
)
# What a job says that Ctrl-C ended; it may be told before Snakemake's own word
INTERRUPTED = re.compile(r"died with <Signals\.SIGINT|non-zero exit status 130\b")


class LogHandler(LogHandlerBase):
    """Takes the place of Snakemake's own stream handler; `--verbose`, `--debug-dag` and `--quiet` bring its text back."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.stream: TextIO = sys.stdout if settings.stdout else sys.stderr
        self.dry, self.raw = (
            settings.dryrun,
            bool(settings.verbose or settings.debug_dag or settings.quiet),
        )
        self.live = (
            self.stream.isatty()
            and os.environ.get("TERM") != "dumb"
            and not self.dry
            and not self.raw
        )
        self.progress = Progress(time.monotonic())
        self.planned: list[tuple[str, str]] = []
        self.failures: dict[int, dict[str, Any]] = {}
        self.errors: list[str] = []
        self.made: dict[str, None] = {}
        self.used: set[str] = set()
        self.targets: dict[str, None] = {}
        self.began = self.stopping = self.killed = self.ended = False
        self.ticking = threading.Event()
        self.handlers: dict[LogEvent | None, Callable[[Any], None]] = {
            LogEvent.WORKFLOW_STARTED: self._workflow_started,
            LogEvent.RUN_INFO: self._run_info,
            LogEvent.RESOURCES_INFO: self._resources,
            LogEvent.JOB_INFO: self._job_info,
            LogEvent.JOB_FINISHED: self._job_finished,
            LogEvent.JOB_ERROR: self._job_error,
            LogEvent.GROUP_ERROR: self._group_error,
            LogEvent.PROGRESS: self._progress,
            LogEvent.SHELLCMD: self._shell_command,
        }

    def emit(self, record: LogRecord) -> None:
        try:
            if self.raw:
                text = self.format(record)
                if text:
                    self._say(text)
                return
            handler = self.handlers.get(getattr(record, "event", None))
            if handler is not None:
                handler(record)
            elif record.levelno >= WARNING:
                self._message(record)
            else:
                self._information(str(record.msg or ""))
            self._refresh()
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """The ending; Snakemake closes its handlers on every way out, and logging does it once more."""
        with self.lock:  # type: ignore[union-attr]
            if not self.ended:
                self.ended = True
                self.ticking.set()
                self._clear()
                if not self.raw:
                    self._ending()
                self.stream.flush()
        super().close()

    # events: their records carry what Snakemake put there, so they are Any

    def _workflow_started(self, record: Any) -> None:
        self.began = True

    def _run_info(self, record: Any) -> None:
        # a dry run tells it twice
        if not self.progress.total:
            self.progress.plan(record.stats)
            if self.live:
                threading.Thread(target=self._tick, daemon=True).start()
            elif not self.dry:
                self._say(f"{self.progress.total} jobs to run: {_counted(self.progress.remaining)}")

    def _resources(self, record: Any) -> None:
        self.progress.cores = getattr(record, "cores", None) or self.progress.cores

    def _job_info(self, record: Any) -> None:
        label = run_label(record.rule_name, record.wildcards)
        self.used.update(record.input)
        if record.output:
            self.made.update(dict.fromkeys(record.output))
        else:
            self.targets.update(dict.fromkeys(record.input))
        if self.dry:
            self.planned.append((label, record.reason))
        else:
            self.progress.start(
                record.jobid, Job(record.rule_name, label, record.threads, time.monotonic())
            )

    def _job_finished(self, record: Any) -> None:
        now = time.monotonic()
        job = self.progress.finish(record.job_id, now)
        # a job that failed may have been tried again
        self.failures.pop(record.job_id, None)
        if job is not None and not self.live:
            self._say(
                f"{self.progress.head()} · {job.label} done in {clock(now - job.started)} · {self.progress.tail(now)}"
            )

    def _job_error(self, record: Any) -> None:
        self._failed(record.jobid, vars(record))

    def _group_error(self, record: Any) -> None:
        for job in record.job_error_info:
            self._failed(job["jobid"], {**job, "log": [*job["log"], *record.aux_logs]})

    def _failed(self, job_id: int, told: dict[str, Any]) -> None:
        if self.killed:
            # it did not fail, it was ended with the workflow
            return
        job = self.progress.fail(job_id)
        label = job.label if job else told["rule_name"]
        self.failures[job_id] = {**told, "label": label}
        if not self.live:
            self._say(
                f"{self.progress.head()} · {label} FAILED · {self.progress.tail(time.monotonic())}"
            )

    def _progress(self, record: Any) -> None:
        # the number of jobs changes when a checkpoint is evaluated
        self.progress.total = record.total

    def _shell_command(self, record: Any) -> None:
        # passes the filter with --printshellcmds only
        command = getattr(record, "shellcmd", None) or getattr(record, "cmd", None)
        if command:
            self._say(f"  $ {command}")

    def _message(self, record: LogRecord) -> None:
        text = self.format(record).strip()
        if record.levelno > WARNING:
            self.errors.append(text)
            if INTERRUPTED.search(text):
                self._stop(killed=True)
        else:
            self._say(text)

    def _information(self, text: str) -> None:
        if text.startswith(NOTHING):
            self._say("Nothing to do: every file that was asked for exists and is up to date.")
        elif text.startswith((KILLED, ASKED_TO_STOP)):
            self._stop(killed=text.startswith(KILLED))
        elif not self.began and not text.startswith(CHATTER):
            # answers of --unlock, --lint and the like
            self._say(text)

    def _stop(self, killed: bool) -> None:
        if not self.stopping:
            self._say(
                "Stopping: running jobs are ended."
                if killed
                else "Stopping when the running jobs are done."
            )
        self.stopping, self.killed = True, self.killed or killed

    # endings

    def _ending(self) -> None:
        elapsed = clock(time.monotonic() - self.progress.started)
        told = self.failures or self.stopping
        errors = [
            text for text in self.errors if not (told and any(words in text for words in REPEATED))
        ]
        if self.failures:
            self._end_failed(elapsed)
        for text in errors:
            self._say(text)
            if text.startswith("LockException"):
                self._say(f"That is: snakemake --unlock, then {_command()}")
        if self.dry and not errors and self.planned:
            self._job_table()
        elif self.failures or errors or self.dry or not self.progress.total:
            return
        elif self.progress.done < self.progress.total:
            self._say(
                f"Stopped after {elapsed} with {self.progress.done} of {self.progress.total} jobs done."
            )
            self._say(f"Go on with: {_command()}")
        else:
            self._say(f"Done: {self.progress.done} jobs in {elapsed}.")
            self._results()

    def _results(self) -> None:
        """Where the files are that nothing in this run reads; the report first."""
        files = list(self.targets) or [path for path in self.made if path not in self.used]
        if not files:
            return
        files.sort(key=lambda path: PurePath(path).suffix != ".html")
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        self._say(f"Results: {shown}, in {Path.cwd()}")

    def _end_failed(self, elapsed: str) -> None:
        progress, failures = self.progress, self.failures.values()
        left = progress.total - progress.done - len(failures)
        self._say(
            f"\n{len(failures)} of {progress.total} jobs failed after {elapsed}; {progress.done} done, {left} not run."
        )
        for told in failures:
            self._say(f"\nFAILED  {told['label']} (rule {told['rule_name']})")
            if not told["log"]:
                self._say("  This rule keeps no log; its messages are above.")
            for path in told["log"]:
                self._say(_last_lines(path))
            if told.get("shellcmd"):
                self._say(f"  This job alone: {_without_redirection(told['shellcmd'])}")
        self._say(f"\nMend the cause, then go on with: {_command()}\nFinished jobs are kept.")

    def _job_table(self) -> None:
        width = max(len(label) for label, _ in self.planned)
        for label, reason in self.planned:
            self._say(f"  {label:<{width}}  {_short(reason)}")
        counts = self.progress.remaining
        width = max(map(len, [*counts, "total"]))
        self._say("")
        for rule, count in [*counts.items(), ("total", self.progress.total)]:
            self._say(f"  {rule:<{width}} {count:>6}")
        self._say(
            "\nDry run: nothing was run. Without -n these jobs run, in an order that keeps the cores busy."
        )

    # the stream

    def _say(self, text: str) -> None:
        self._clear()
        self.stream.write(text + "\n")
        self.stream.flush()

    def _clear(self) -> None:
        if self.live:
            self.stream.write("\r\x1b[K")

    def _refresh(self) -> None:
        if self.live and not self.ended and self.progress.total:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r\x1b[K" + self.progress.line(time.monotonic(), width))
            self.stream.flush()

    def _tick(self) -> None:
        while not self.ticking.wait(1):
            with self.lock:  # type: ignore[union-attr]
                self._refresh()


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {rule}" for rule, count in counts.items())


def _command() -> str:
    """The command as it was typed, however Snakemake was started."""
    return shlex.join(["snakemake", *sys.argv[1:]])


def _without_redirection(command: str) -> str:
    """A rule's command without its log, so that a user who runs it sees its messages."""
    return re.sub(r"\s*>\s*\S+\s+2>&1\s*$", "", command.strip())


def _last_lines(path: str) -> str:
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError as error:
        return f"  {path} cannot be read: {error.strerror}"
    if not lines:
        return f"  {path} is empty"
    # a progress bar rewrites its line: what it showed last counts
    kept = [line.rsplit("\r", 1)[-1] for line in lines[-LAST_LINES:]]
    count = (
        f"the last {len(kept)} of {len(lines)} lines" if len(lines) > LAST_LINES else "all of it"
    )
    return "\n".join([f"  {path}, {count}:", *(f"    | {line}" for line in kept)])


def _short(reason: str) -> str:
    """Why a job runs, with a list of files cut down to their number and other details left out."""
    parts = []
    for part in reason.split("; "):
        words, _, detail = part.partition(": ")
        files = detail.split(", ") if detail else []
        if len(files) > 1:
            words += f": {len(files)} files"
        elif files and " " not in files[0].strip():
            words += f": {files[0].strip()}"
        parts.append(words[:1].lower() + words[1:])
    return "; ".join(parts)
