"""Snakemake's `--logger diccae`: a progress line, a table for a dry run, and a short summary."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from logging import WARNING, LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_diccae import summary
from snakemake_logger_plugin_diccae.progress import Job, Progress, clock, run_label
from snakemake_logger_plugin_diccae.terminal import Terminal

# Snakemake's messages at the end of every failure, which the summary replaces
REPEATED = (
    "Exiting because a job execution failed",
    "At least one job did not complete successfully",
    "CalledProcessError",
)
# Snakemake's messages at every start, which are not shown
START_MESSAGES = ("Building DAG of jobs", "Assuming unrestricted shared filesystem usage", "host:")
NOTHING_TO_DO = "Nothing to be done"
# Snakemake's messages after Ctrl-C and after SIGTERM
TERMINATING = "Terminating processes on user request"
FINISHING = "Will exit after finishing currently running jobs"
# a job that Ctrl-C ended; this message can precede Snakemake's own
INTERRUPTED = re.compile(r"died with <Signals\.SIGINT|non-zero exit status 130\b")


class LogHandler(LogHandlerBase):
    """Replaces Snakemake's messages on the terminal.

    With `--verbose`, `--debug-dag` or `--quiet`, Snakemake's own messages are printed instead.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.dry_run = settings.dryrun
        self.passthrough = bool(settings.verbose or settings.debug_dag or settings.quiet)
        self.terminal = Terminal(
            sys.stdout if settings.stdout else sys.stderr, quiet=self.dry_run or self.passthrough
        )
        self.progress = Progress(time.monotonic())
        # of the clock that files have
        self.began = time.time()
        self.planned: list[tuple[str, str]] = []
        self.failures: dict[int, dict[str, Any]] = {}
        self.errors: list[str] = []
        self.outputs: list[list[str]] = []
        self.inputs: set[str] = set()
        # a dict as an ordered set
        self.targets: dict[str, None] = {}
        self.started = self.stopping = self.killed = False
        self.ended = threading.Event()
        self.handlers: dict[LogEvent | None, Callable[[Any], None]] = {
            LogEvent.WORKFLOW_STARTED: self._workflow_started,
            LogEvent.RUN_INFO: self._run_info,
            LogEvent.RESOURCES_INFO: self._resources,
            LogEvent.JOB_INFO: self._job_info,
            LogEvent.JOB_FINISHED: self._job_finished,
            LogEvent.JOB_ERROR: self._job_error,
            LogEvent.GROUP_ERROR: self._group_error,
            LogEvent.SHELLCMD: self._shell_command,
        }

    def emit(self, record: LogRecord) -> None:
        """Handle one log record of Snakemake."""
        try:
            if self.passthrough:
                text = self.format(record)
                if text:
                    self.terminal.write(text)
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
        """Write the summary; further calls have no effect, as logging closes handlers again."""
        with self.lock:  # type: ignore[union-attr]
            if not self.ended.is_set():
                self.ended.set()
                self.terminal.clear()
                if not self.passthrough:
                    self._end()
                self.terminal.stream.flush()
        super().close()

    # events; the attributes of a record depend on its event, hence Any

    def _workflow_started(self, record: Any) -> None:
        self.started = True

    def _run_info(self, record: Any) -> None:
        # a dry run sends this event twice
        if not self.progress.total:
            self.progress.plan(record.stats)
            if self.terminal.live:
                threading.Thread(target=self._refresh_every_second, daemon=True).start()
            elif not self.dry_run:
                counts = summary.count_by_rule(self.progress.remaining)
                self.terminal.write(f"{self.progress.total} jobs to run: {counts}")

    def _resources(self, record: Any) -> None:
        self.progress.cores = getattr(record, "cores", None) or self.progress.cores

    def _job_info(self, record: Any) -> None:
        label = run_label(record.rule_name, record.wildcards)
        self.inputs.update(record.input)
        if record.output:
            self.outputs.append(list(record.output))
        else:
            self.targets.update(dict.fromkeys(record.input))
        if self.dry_run:
            self.planned.append((label, record.reason))
        else:
            self.progress.start(
                record.jobid, Job(record.rule_name, label, record.threads, time.monotonic())
            )

    def _job_finished(self, record: Any) -> None:
        now = time.monotonic()
        self.progress.page = summary.interim_page(self.outputs, self.began)
        job = self.progress.finish(record.job_id, now)
        # a failed job may have been run again
        self.failures.pop(record.job_id, None)
        if job is not None and not self.terminal.live:
            self.terminal.write(
                f"{self.progress.head()} · {job.label} done in {clock(now - job.started)} · "
                f"{self.progress.tail(now)}"
            )

    def _job_error(self, record: Any) -> None:
        self._failed(record.jobid, vars(record))

    def _group_error(self, record: Any) -> None:
        for job in record.job_error_info:
            self._failed(job["jobid"], {**job, "log": [*job["log"], *record.aux_logs]})

    def _failed(self, job_id: int, details: dict[str, Any]) -> None:
        if self.killed:
            # the job was terminated together with the workflow
            return
        job = self.progress.fail(job_id)
        label = job.label if job else details["rule_name"]
        self.failures[job_id] = {**details, "label": label}
        if not self.terminal.live:
            self.terminal.write(
                f"{self.progress.head()} · {label} FAILED · {self.progress.tail(time.monotonic())}"
            )

    def _shell_command(self, record: Any) -> None:
        # sent only with --printshellcmds
        command = getattr(record, "shellcmd", None) or getattr(record, "cmd", None)
        if command:
            self.terminal.write(f"  $ {command}")

    def _message(self, record: LogRecord) -> None:
        text = self.format(record).strip()
        if record.levelno > WARNING:
            self.errors.append(summary.explained(text))
            if INTERRUPTED.search(text):
                self._stop(killed=True)
        else:
            self.terminal.write(text)

    def _information(self, text: str) -> None:
        if text.startswith(NOTHING_TO_DO):
            self.terminal.write("Nothing to do: all requested files exist and are up to date.")
        elif text.startswith((TERMINATING, FINISHING)):
            self._stop(killed=text.startswith(TERMINATING))
        elif not self.started and not text.startswith(START_MESSAGES):
            # the output of --unlock, --lint and similar options
            self.terminal.write(text)

    def _stop(self, killed: bool) -> None:
        if not self.stopping:
            self.terminal.write(
                "Stopping: terminating the running jobs."
                if killed
                else "Stopping after the running jobs have finished."
            )
        self.stopping, self.killed = True, self.killed or killed

    # the end

    def _end(self) -> None:
        elapsed = clock(time.monotonic() - self.progress.started)
        explained = self.failures or self.stopping
        errors = [
            text
            for text in self.errors
            if not (explained and any(words in text for words in REPEATED))
        ]
        if self.failures:
            self.terminal.write(
                *summary.failure_lines(self.progress, self.failures.values(), elapsed)
            )
        for text in errors:
            self.terminal.write(summary.error_text(text))
        if self.dry_run and not errors and self.planned:
            self.terminal.write(*summary.dry_run_lines(self.planned, self.progress))
        elif self.failures or errors or self.dry_run or not self.progress.total:
            return
        elif self.progress.done < self.progress.total:
            self.terminal.write(
                f"Stopped after {elapsed} with {self.progress.done} of {self.progress.total} "
                "jobs done.",
                f"Resume with: {summary.command_line()}",
            )
        else:
            number = "1 job" if self.progress.done == 1 else f"{self.progress.done} jobs"
            self.terminal.write(f"Done: {number} in {elapsed}.")
            results = summary.results_line(self.targets, self.outputs, self.inputs)
            if results:
                self.terminal.write(results)

    def _refresh(self) -> None:
        if self.terminal.live and not self.ended.is_set() and self.progress.total:
            self.terminal.show(self.progress.line(time.monotonic(), self.terminal.width))

    def _refresh_every_second(self) -> None:
        while not self.ended.wait(1):
            with self.lock:  # type: ignore[union-attr]
                self._refresh()
