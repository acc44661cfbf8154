"""The texts at the end of a workflow: failures, results, and the jobs of a dry run."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

from snakemake_logger_plugin_diccae.progress import Progress

LAST_LINES = 15
MAX_RESULTS = 3
# what the executor plugin (snakemake-executor-plugin-slurm 2.8) says of a failed job
STATUS = re.compile(r"SLURM status is: '(\w+)'")
# lines of a log in which Slurm's own messages are looked for
STATUS_LINES = 50
# Slurm's status, its words in a log, the key of the profile, and what it limits
LIMITS = (
    ("OUT_OF_MEMORY", re.compile("oom[-_]kill event"), "mem_mb", "memory"),
    ("TIMEOUT", re.compile("DUE TO TIME LIMIT"), "runtime", "time"),
)
# what `diccae train` calls it
INTERIM = "interim.html"


def failure_lines(
    progress: Progress, failures: Iterable[dict[str, Any]], elapsed: str
) -> Iterator[str]:
    """Each failed job with the last lines of its logs, and how to resume.

    Args:
        progress: counts of the workflow.
        failures: fields of Snakemake's error records, each with the `label` of its job.
        elapsed: time since the start, as text.
    """
    failures = list(failures)
    left = progress.total - progress.done - len(failures)
    yield (
        f"\n{len(failures)} of {progress.total} jobs failed after {elapsed}; "
        f"{progress.done} done, {left} not run."
    )
    for failure in failures:
        yield f"\nFAILED  {failure['label']} (rule {failure['rule_name']})"
        limit = limit_reached(failure)
        if limit:
            yield f"  {limit}"
        if not failure["log"]:
            yield "  This rule has no log file; its messages are above."
        for path in failure["log"]:
            yield last_lines(path)
        if failure.get("shellcmd"):
            yield f"  To run this job alone: {without_redirection(failure['shellcmd'])}"
    yield f"\nFix the cause, then resume with: {command_line()}\nFinished jobs are kept."


def limit_reached(failure: dict[str, Any]) -> str | None:
    """A sentence on the limit of Slurm's that ended a job, and on the key of the profile that
    raises it; None if none did.

    Args:
        failure: fields of Snakemake's error record.
    """
    found = STATUS.search(str(failure.get("rule_msg") or ""))
    lines: list[str] = []
    for path in failure["log"] if found else ():
        with suppress(OSError):
            # a limit that a step of the job has reached is no status of the job
            lines += Path(path).read_text(errors="replace").splitlines()[-STATUS_LINES:]
    for status, words, key, name in LIMITS:
        if found and (found[1] == status or any(map(words.search, lines))):
            return (
                f"Slurm ended it at its limit of {name}: raise {key} of {failure['rule_name']} "
                f"under set-resources in {_profile()}."
            )
    return None


def _profile() -> str:
    """The file of the profile that was asked for."""
    words = sys.argv[1:]
    named = [word.partition("=")[2] for word in words if word.startswith("--workflow-profile=")]
    named += [words[k + 1] for k, word in enumerate(words[:-1]) if word == "--workflow-profile"]
    return f"{named[0].rstrip('/')}/profile.yaml" if named else "the profile"


def results_line(
    targets: Iterable[str], outputs: Iterable[Sequence[str]], inputs: Iterable[str]
) -> str | None:
    """Where the results are, HTML files first; None if the workflow has none.

    Results are the files that were asked for, by the name of a rule or by their own. By-products of
    jobs whose other files are read by other jobs are not listed.

    Args:
        targets: files that the workflow was asked for by the names of rules.
        outputs: files that each job wrote.
        inputs: files that jobs read.
    """
    used, words = set(inputs), set(sys.argv[1:])
    asked = [*targets, *(path for files in outputs for path in files if path in words)]
    last = [path for files in outputs if used.isdisjoint(files) for path in files]
    files = list(dict.fromkeys(asked or last))
    if not files:
        return None
    files.sort(key=lambda path: PurePath(path).suffix != ".html")
    shown = ", ".join(files[:MAX_RESULTS])
    if len(files) > MAX_RESULTS:
        shown += f" and {len(files) - MAX_RESULTS} more"
    return f"Results: {shown}, in {Path.cwd()}"


def interim_page(outputs: Iterable[Sequence[str]], began: float) -> str:
    """The interim page that a job of training wrote since this workflow began; empty without one.

    Args:
        outputs: files that each job writes.
        began: start of the workflow in seconds since 1970.
    """
    parts = (path.partition("/runs/") for files in outputs for path in files)
    roots = dict.fromkeys(root for root, runs, _ in parts if runs)
    pages = [Path(root) / INTERIM for root in roots]
    found = [str(page) for page in pages if page.is_file() and page.stat().st_mtime >= began]
    return ", ".join(found)


def error_text(text: str) -> str:
    """An error of Snakemake's; one sentence where it can be told in one."""
    if text.startswith("LockException"):
        return (
            "Another Snakemake works on the same files in this folder; wait for it or end it, "
            f"then: {command_line()}"
        )
    if os.strerror(errno.ENOSPC) in text:
        return f"The disk is full; free some space, then: {command_line()}"
    return text


def dry_run_lines(planned: list[tuple[str, str]], progress: Progress) -> Iterator[str]:
    """A dry run's jobs with their reasons, and the number of jobs of each rule.

    Args:
        planned: label and Snakemake's reason of each job.
        progress: counts of the workflow.
    """
    width = max(len(label) for label, _ in planned)
    for label, reason in planned:
        yield f"  {label:<{width}}  {short_reason(reason)}"
    counts = progress.remaining
    width = max(map(len, [*counts, "total"]))
    yield ""
    for rule, count in [*counts.items(), ("total", progress.total)]:
        yield f"  {rule:<{width}} {count:>6}"
    yield "\nDry run: no job was run. Run the same command without -n to run these jobs."


def count_by_rule(counts: Counter[str]) -> str:
    """`2 table, 1 report`."""
    return ", ".join(f"{count} {rule}" for rule, count in counts.items())


def explained(error: str) -> str:
    """Snakemake's error, or, for a target that no rule makes, a sentence with the known ones."""
    unknown = re.search(r"No rule to produce (.+?) \(if you use input functions", error)
    if unknown is None:
        return error
    from diccae.snakemake_request import unknown_target
    from diccae.workflow import load_workflow

    return f"diccae: {unknown_target(unknown[1], load_workflow())}"


def command_line() -> str:
    """The command that the user typed: Snakemake's, or that of make, which sets DICCAE_COMMAND."""
    return os.environ.get("DICCAE_COMMAND") or shlex.join(["snakemake", *sys.argv[1:]])


def without_redirection(command: str) -> str:
    """A rule's command without the redirection to its log, so that its messages are visible."""
    return re.sub(r"\s*>\s*\S+\s+2>&1\s*$", "", command.strip())


def last_lines(path: str) -> str:
    """The last lines of a log file, indented; a sentence if it is empty or cannot be read."""
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError as error:
        return f"  {path} cannot be read: {error.strerror}"
    if not lines:
        full = shutil.disk_usage(Path(path).parent).free < 2**20
        return f"  {path} is empty" + (": the disk is full; free some space" if full else "")
    # a progress bar overwrites its line: only the text after the last carriage return was visible
    kept = [line.rsplit("\r", 1)[-1] for line in lines[-LAST_LINES:]]
    count = f"the last {len(kept)} of {len(lines)} lines" if len(lines) > LAST_LINES else "complete"
    return "\n".join([f"  {path}, {count}:", *(f"    | {line}" for line in kept)])


def short_reason(reason: str) -> str:
    """Snakemake's reason for a job; lists of files are replaced by the number of files."""
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
