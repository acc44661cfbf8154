"""The tables of `benchmarks/on_a_gpu.sh`, from files as its steps leave them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_rows
from benchmarks.gpu_rows import END, outcome, replace_section, section, title
from benchmarks.measured import Measured

NAME = "2 x Chip -- 9000 (80 GB); Processor"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    machine = {"name": NAME, "gpus": 2, "rows": ["GPU: Chip", "versions: torch"]}
    (tmp_path / "hardware.json").write_text(json.dumps(machine))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_rows.py", *words])
    gpu_rows.main()


def tried(monkeypatch: pytest.MonkeyPatch, folder: Path, step: str, code: int) -> None:
    options = ["--step", step, "--code", str(code), "--seconds", "7", "--commit", "abc"]
    run(monkeypatch, "tried", str(folder), *options)


def test_a_section_has_every_step_its_tables_and_its_notes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "kmeans.log").write_text("some output\nValueError: a | b in `c`\n\n")
    tried(monkeypatch, folder, "kmeans", 1)
    tried(monkeypatch, folder, "plan", 124)
    tried(monkeypatch, folder, "plan", 124)
    tried(monkeypatch, folder, "step", 0)
    out = Measured(folder / "step.jsonl")
    out.row("Step", batch=8, rate=1234.5678, memory=None)
    out.row("Step", batch=16, rate=0.123456, memory=3.0, more="x|y")
    out.note("One note.")
    text = section(folder)
    assert "| K-means | failed: ValueError: a / b in 'c' | 7 |" in text
    assert "| default plan, one seed | stopped at its time limit of try 2 | 14 |" in text
    assert "| training step at ViT-B | done | 7 |" in text
    assert "| tests of what computes with PyTorch, on the GPU | not tried | |" in text
    assert "commit abc" in text
    assert text.endswith(
        "Step, 2 x Chip - 9000 (80 GB):\n\n"
        "| batch | rate | memory | more |\n|---|---|---|---|\n"
        "| 8 | 1235 | – | – |\n| 16 | 0.123 | 3 | x/y |\n\n- One note.\n"
    )


def test_a_step_is_done_when_its_last_try_succeeded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []
    for code in (0, 1):
        tried(monkeypatch, folder, "tests", code)
        with pytest.raises(SystemExit) as end:
            run(monkeypatch, "done", str(folder), "--step", "tests")
        codes.append(end.value.code)
    assert codes == [0, 1]


def test_tests_and_audit_are_told_in_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "tests.xml").write_text(
        '<testsuites><testsuite><testcase classname="a" name="b"><failure/></testcase>'
        '<testcase classname="a" name="c"/><testcase classname="a" name="d"><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    words = outcome(folder, "tests", [{"code": 1}])
    assert words == "failed: 1 passed, 1 failed, 1 skipped: a.b"
    (folder / "portable.log").write_text("a table\nequal: finetune full AV seed 200\nThis proves\n")
    words = outcome(folder, "portable", [{"code": 0}])
    assert words == "equal: finetune full AV seed 200"
    (folder / "portable.log").write_text("the draw\ndiccae: 3 runs cannot be audited here: why\n")
    words = outcome(folder, "portable", [{"code": 2}])
    assert words == "failed: diccae: 3 runs cannot be audited here: why"


def test_a_section_replaces_that_of_the_same_hardware(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = replace_section(f"before\n\n{END}\n\nbehind\n", "other", "Another chip")
    path = tmp_path / "page.md"
    path.write_text(page)
    for step in ("tests", "step"):
        tried(monkeypatch, folder, step, 0)
        run(monkeypatch, "write", str(folder), "--page", str(path))
    text = path.read_text()
    name = title(folder)
    assert text.count(f"<!-- {name} -->") == text.count(f"<!-- end of {name} -->") == 1
    assert text.count("training step at ViT-B | done") == 1
    assert text.index("before") < text.index("other") < text.index(f"<!-- {name} -->")
    assert text.index(f"end of {name}") < text.index(END) < text.index("behind")


@pytest.mark.parametrize(
    ("page", "message"), [("no line", "stand above"), (f"<!-- a -->\n{END}\n", "end of a")]
)
def test_a_page_without_its_markers_is_refused(page: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        replace_section(page, "text", "a")
