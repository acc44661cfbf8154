"""The results of `on_a_gpu.sh` as a section of a page: what became of each step, and the tables
that the benchmarks wrote (`measured.py`). A section replaces that of the same hardware."""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

# sections stand above this line of the page
END = "<!-- results of on_a_gpu.sh stand above this line -->"
STEPS = {
    "tests": "tests of what computes with PyTorch, on the GPU",
    "step": "training step at ViT-B",
    "compiled": "training step at ViT-B, encoders compiled",
    "kmeans": "K-means",
    "plan": "default plan, one seed",
    "systems": "training step of each system",
    "ranks": "two processes",
    "deterministic": "deterministic training step",
    "portable": "audit of the reference on this processor",
}
# exit codes of `timeout`, of a process that it had to kill
OUT_OF_TIME = (124, 137)


def main() -> None:
    """One of three commands, see the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("done", "tried", "write"))
    parser.add_argument("folder", type=Path, help="where the results of the steps are kept")
    parser.add_argument("--step", choices=tuple(STEPS), help="the step, of `done` and `tried`")
    parser.add_argument("--seconds", type=int, default=0, help="how long it took")
    parser.add_argument("--code", type=int, default=0, help="its exit code")
    parser.add_argument("--commit", default="unknown", help="of the code that ran")
    parser.add_argument("--page", type=Path, help="the page to write to")
    options = parser.parse_args()
    if options.command == "done":
        tries = read_tries(options.folder).get(options.step, [])
        sys.exit(0 if tries and tries[-1]["code"] == 0 else 1)
    if options.command == "tried":
        line = {
            "step": options.step,
            "seconds": options.seconds,
            "code": options.code,
            "commit": options.commit,
            "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        with open(options.folder / "tries.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{options.step}: {outcome(options.folder, options.step, [line])}", flush=True)
        return
    text = options.page.read_text()
    options.page.write_text(replace_section(text, section(options.folder), title(options.folder)))


def read_tries(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The tries of each step, oldest first."""
    tries: dict[str, list[dict[str, Any]]] = {}
    for line in _lines(folder / "tries.jsonl"):
        tries.setdefault(line["step"], []).append(line)
    return tries


def title(folder: Path) -> str:
    """Name of the hardware, which may stand in a comment of HTML."""
    name = json.loads((folder / "hardware.json").read_text())["name"]
    return re.sub("-{2,}", "-", plain(name))


def section(folder: Path) -> str:
    """The section of a folder in Markdown, without its markers: hardware, outcome of each step,
    tables, notes."""
    machine, tries = json.loads((folder / "hardware.json").read_text()), read_tries(folder)
    every = [each for of_step in tries.values() for each in of_step]
    commits = ", ".join(dict.fromkeys(each["commit"] for each in every)) or "unknown"
    days = ", ".join(dict.fromkeys(each["day"] for each in every))
    out = [f"### {title(folder)}", ""]
    out += [f"- {plain(row)}" for row in machine["rows"]]
    out += [f"- commit {plain(commits)}, {days}", ""]
    out += ["| step | outcome | seconds |", "|---|---|---|"]
    for step, words in STEPS.items():
        if step in tries:
            seconds = sum(each["seconds"] for each in tries[step])
            out.append(f"| {words} | {outcome(folder, step, tries[step])} | {seconds} |")
        else:
            out.append(f"| {words} | not tried | |")
    for step in STEPS:
        out += tables(_lines(folder / f"{step}.jsonl"), title(folder).split(";")[0])
    return "\n".join(out) + "\n"


def tables(lines: list[dict[str, Any]], hardware: str) -> list[str]:
    """Lines of Markdown: each table with its hardware, then the notes as a list."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        if "table" in line:
            found.setdefault(line["table"], []).append(line["cells"])
    out: list[str] = []
    for name, rows in found.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        out += ["", f"{plain(name)}, {hardware}:", "", _row(columns), "|---" * len(columns) + "|"]
        out += [_row([_cell(row.get(column)) for column in columns]) for row in rows]
    notes = [f"- {plain(line['note'])}" for line in lines if "note" in line]
    return [*out, "", *notes] if notes else out


def outcome(folder: Path, step: str, tries: list[dict[str, Any]]) -> str:
    """What became of a step, in words: its own for tests and the audit, the reason of a failure
    from the end of its log."""
    last = tries[-1]
    log = folder / f"{step}.log"
    written = log.read_text(errors="replace") if log.is_file() else ""
    said = _of_tests(folder / "tests.xml") if step == "tests" else ""
    if step == "portable":
        found = re.findall(r"^(?:equal|DIFFERS): .*$", written, flags=re.MULTILINE)
        said = "; ".join(found)
    if last["code"] == 0:
        return plain(said or "done")
    if last["code"] in OUT_OF_TIME:
        tried = "" if len(tries) == 1 else f" of try {len(tries)}"
        return plain(f"stopped at its time limit{tried}" + (f"; {said}" if said else ""))
    ends = [line.strip() for line in written.splitlines() if line.strip()]
    return plain(f"failed: {said or (ends[-1] if ends else 'no output')}")


def _of_tests(path: Path) -> str:
    """Numbers of tests by outcome, and the names of those that failed, from pytest's XML."""
    if not path.is_file():
        return ""
    cases = list(ElementTree.parse(path).iter("testcase"))
    bad = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = sum(c.find("skipped") is not None for c in cases)
    text = f"{len(cases) - len(bad) - skipped} passed, {len(bad)} failed, {skipped} skipped"
    names = ", ".join(f"{c.get('classname')}.{c.get('name')}" for c in bad)
    return f"{text}: {names}" if names else text


def replace_section(page: str, text: str, name: str) -> str:
    """The page with a section between the markers of its hardware, in place of an earlier one.

    Raises:
        SystemExit: the page has no line above which sections stand, or the end of a section was
            removed.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    block = f"{begin}\n\n{text.strip()}\n\n{end}"
    if page.count(END) != 1:
        raise SystemExit(f"gpu_rows: wanted one line '{END}' in the page; write it again")
    if begin not in page:
        return page.replace(END, f"{block}\n\n{END}")
    before, after = page.split(begin, 1)
    if end not in after:
        raise SystemExit(f"gpu_rows: the section of {name} has no line '{end}'; write it again")
    return before + block + after.split(end, 1)[1]


def plain(text: str) -> str:
    """Text without characters that would end a cell or a line, or that mark code or a tag; at most
    500 of them."""
    flat = re.sub(r"\s+", " ", text.replace("|", "/").replace("`", "'").replace("<", "&lt;"))
    return flat if len(flat) <= 500 else f"{flat[:500]} ..."


def _cell(value: float | str | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return plain(str(value))


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()
