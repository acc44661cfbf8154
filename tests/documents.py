"""The commands that README and docs show."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
# the commands in messages have placeholders
MESSAGES = ROOT / "docs" / "errors.md"
# its commands need its files: tests/test_changing_page.py
CHANGING = ROOT / "docs" / "changing.md"
PAGES = sorted(
    {
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "results/README.md")),
        *(path for folder in ("docs", "benchmarks") for path in (ROOT / folder).glob("*.md")),
        *ROOT.glob("tests/*/README.md"),
    }
    - {CHANGING, MESSAGES}
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", flags=re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n(?:\n(?= {4}))*)+")
INLINE = re.compile(r"`([^`]+)`")
ASSIGNMENT = re.compile(r"\w+=")
# commands that run as they are written on synthetic results, in
# tests/reporting/test_documented_commands.py
ON_RESULTS = ("compare", "verify", "export")
# what stands in a page for a value that the reader chooses
EXAMPLES = {"<name>": "no_infonce"}


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Attributes:
        page: path from the root of the repository.
        text: as written, without comment.
        words: as a shell splits them, without assignments; `[--option]` is taken with the option,
            and of `srun`, `torchrun` and `docker run` the command that they start.
        alone: whether it stands in a code block; otherwise it is a part of a sentence.
    """

    page: str
    text: str
    words: tuple[str, ...]
    alone: bool

    @property
    def program(self) -> str:
        """The program without its folder."""
        return re.sub(r"^python3.*", "python", Path(self.words[0]).name)

    @property
    def arguments(self) -> list[str]:
        """The words behind the program."""
        return list(self.words[1:])


def load_script(path: Path) -> ModuleType:
    """A script beside the pages, as a fresh module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # where dataclasses look for it
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def started(words: list[str]) -> list[str]:
    """The command that another one starts: `srun ... diccae doctor` starts `diccae doctor`."""
    if words[:1] == ["srun"]:
        return next((words[n:] for n, word in enumerate(words) if "/" in word), words)
    if words[:1] == ["torchrun"] and "diccae.cli.main" in words:
        return ["diccae", *words[words.index("diccae.cli.main") + 1 :]]
    if words[:2] == ["docker", "run"] and "diccae-repro" in words:
        inside = words[words.index("diccae-repro") + 1 :]
        # without a command, the image runs the workflow
        return inside if inside[:1] == ["diccae"] else ["snakemake", *inside]
    return words


def commands(line: str, page: str, alone: bool) -> list[Command]:
    """The commands of a line, which may be joined by `&&`."""
    found = []
    line = re.sub(r"\s+#\s.*|^#.*", "", line).strip()
    for text in line.split(" && ") if line else ():
        plain = re.sub(r"\[(--.*?)\]", r"\1", text).replace(" ...", "")
        for mark, example in EXAMPLES.items():
            plain = plain.replace(mark, example)
        try:
            words = shlex.split(plain)
        except ValueError:
            # an apostrophe: words of a sentence
            words = plain.split()
        while words and ASSIGNMENT.match(words[0]):
            words.pop(0)
        if words:
            found.append(Command(page, text, tuple(started(words)), alone))
    return found


def blocks(page: Path) -> list[list[str]]:
    """Lines of every indented block and every shell block of a page; scripts are none."""
    text = page.read_text()
    shell = [content for language, content in FENCED.findall(text) if language in ("", "sh")]
    fenced = [content for content in shell if not content.startswith("#!")]
    indented = INDENTED.findall(FENCED.sub("", text))
    return [
        [line.strip() for line in block.splitlines() if line.strip()]
        for block in [*fenced, *indented]
    ]


def in_blocks() -> list[list[Command]]:
    """The commands of every block of every page."""
    return [
        [
            command
            for line in lines
            for command in commands(line, str(page.relative_to(ROOT)), alone=True)
        ]
        for page in PAGES
        for lines in blocks(page)
    ]


def example_plan() -> str:
    """The plan of docs/data.md."""
    page = ROOT / "docs" / "data.md"
    (block,) = (block for block in INDENTED.findall(page.read_text()) if "name: kitchen" in block)
    return re.sub("^    ", "", block.split("\n    diccae ")[0] + "\n", flags=re.MULTILINE)


def every_command() -> list[Command]:
    """All of both; some are no commands, see tests/test_commands.py."""
    return [*(command for block in in_blocks() for command in block), *in_sentences()]


def in_sentences() -> list[Command]:
    """Everything in backticks that is longer than one word."""
    found = []
    for page in PAGES:
        text = INDENTED.sub("", FENCED.sub("", page.read_text()))
        for span in INLINE.findall(text):
            line = " ".join(span.split())
            if " " in line:
                found += commands(line, str(page.relative_to(ROOT)), alone=False)
    return found
