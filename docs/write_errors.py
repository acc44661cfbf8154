"""Writes docs/errors.md: every message with which `diccae` refuses something, read from the code.

    python docs/write_errors.py

The messages are the arguments of the package's error classes, and of `ValueError` where pydantic
turns it into the message about a key. Nothing is imported or run: the source is parsed.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
PACKAGE = "diccae"
# name of an error class -> the first of its arguments that is a part of the message, and a mark of
# what the class puts before it
ERRORS = {"UserError": (0, ""), "ArgumentError": (0, ""), "MediaError": (2, "⟨file⟩: ")}
# headings, and the packages and modules below each; the last one takes all others
AREAS = {
    "Command line and workflow": ("cli", "snakemake_request", "workflow", "checkout", "kernels"),
    "Clips, lists and caches": ("datasets", "clip_counts", "clips_of_plan", "clips_folder"),
    "Training and stored features": ("engine", "checkpoints", "feature_jobs"),
    "Models and losses": ("models", "compat"),
    "Functions on tensors and arrays": ("functional",),
    "Systems and their choices": ("systems",),
    "Tables, figures, report and shards": ("reporting", "evaluation", "artifact", "artifacts"),
    "Verification and audit": ("seals", "audit", "untrue_outputs"),
    "Plans, configs, runs and files": (),
}
HEAD = """\
# Error messages

Made from the code by `python docs/write_errors.py`; do not edit.

A mistake that you can correct ends a command with exit code 2 and one sentence, without a
traceback: the place, what was wanted, what was found, and the way out. These are all such
sentences. ⟨Angle brackets⟩ hold what is filled in, [square brackets] what is there only in some
cases, and *or* stands between alternatives. A traceback is a defect of this package; please report
it.

A message about a key of a plan or config starts with its file and key
(`configs/plans/embedded.yaml: schedule.finetune.lr: ...`), and so does one of pydantic's, such as
*Input should be greater than 0*, which are not listed here. Functions on tensors and arrays raise
`ArgumentError`, a `ValueError`, whose message starts with the name of the argument.
"""
# functions of diccae.validation whose result is a part of many messages
CLOSE = "[; did you mean ⟨known name⟩?]"
SHARED = ("choices", "did_you_mean")
# calls that change how a value is written, and not what it is
WRITTEN = {"str", "sorted", "list", "set", "tuple", "map", "repr", "int", "float", "next", "iter"}
# methods whose result is named after the object
METHODS = {"strip", "splitlines", "split", "sum", "nunique", "get", "tolist", "max", "min"}
ENDS = {"min": "smallest of", "max": "largest of", "first_line": "first line of"}


@cache
def tree_of(module: str) -> ast.Module | None:
    """The parsed source of a module by its dotted name; None for one that is not of the package."""
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_text()) if path.is_file() else None


def constant(module: str, name: str) -> ast.expr | None:
    """What a name of a module stands for, if it is assigned or imported there."""
    tree = tree_of(module)
    for node in tree.body if tree else ():
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and name in {a.name for a in node.names}
        ):
            return constant(node.module, name)
        names = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(names, ast.Name) and names.id == name:
            return node.value
        if isinstance(names, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for target, value in zip(names.elts, node.value.elts, strict=True):
                if getattr(target, "id", "") == name:
                    return value
    return None


class Words:
    """Expressions of one function of a module as words."""

    def __init__(self, module: str, function: ast.AST | None) -> None:
        self.module = module
        self.local: dict[str, list[ast.expr]] = defaultdict(list)
        for node in ast.walk(function) if function else ():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.local[node.targets[0].id].append(node.value)

    def text(self, node: ast.expr) -> str:
        """A message, or a part of one."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else f"{node.value:g}"
        if isinstance(node, ast.JoinedStr):
            return "".join(map(self.text, node.values))
        if isinstance(node, ast.FormattedValue):
            return self.text(node.value)
        if isinstance(node, ast.BinOp) and is_text(node):
            return self.text(node.left) + self.text(node.right)
        if isinstance(node, ast.BoolOp) and is_text(node.values[-1]):
            return " *or* ".join(map(self.text, node.values))
        if isinstance(node, ast.IfExp):
            one, other = self.text(node.body), self.text(node.orelse)
            return f"{one} *or* {other}" if one and other else f"[{one or other}]"
        if isinstance(node, ast.Name):
            known = constant(self.module, node.id) if node.id.isupper() else None
            if known is not None:
                return self.text(known)
            written = self.local.get(node.id, [])
            if written and all(map(is_text, written)):
                # each is read once: a text may be made from its own former value
                self.local[node.id] = []
                found = " *or* ".join(dict.fromkeys(map(self.text, written)))
                self.local[node.id] = written
                return found
        if isinstance(node, ast.Call) and name_of(node.func) in SHARED:
            label = self.text(node.args[2]) if len(node.args) > 2 else "known"
            names = f"; {label}: ⟨known names⟩"
            return CLOSE + (names if name_of(node.func) == "choices" else "")
        return f"⟨{self.value(node)}⟩"

    def value(self, node: ast.expr) -> str:
        """A value that is filled in, by its name."""
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            if node.attr == "shape":
                return f"shape of {base}"
            if node.attr in ("name", "path", "iloc") and base != "self":
                return base
            return node.attr.replace("_", " ").strip()
        if isinstance(node, ast.Subscript):
            key = getattr(node.slice, "value", None)
            base = self.value(node.value)
            return f"{key} of {base}".replace("_", " ") if isinstance(key, str) else base
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            return self.value(node.left)
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return self.value(node.generators[0].iter)
        if isinstance(node, ast.BoolOp):
            return " or ".join(dict.fromkeys(map(self.value, node.values)))
        if isinstance(node, ast.Starred | ast.Await):
            return self.value(node.value)
        name = getattr(node, "id", "") or getattr(node, "value", "")
        return str(name).replace("_", " ").strip().lower() or "value"

    def _call(self, node: ast.Call) -> str:
        name = name_of(node.func)
        if name == "len" and node.args:
            return f"number of {self.value(node.args[0])}"
        if name in WRITTEN | {"join"} and node.args:
            return self.value(node.args[-1])
        if name == "type" and node.args:
            return f"type of {self.value(node.args[0])}"
        if isinstance(node.func, ast.Attribute) and name in METHODS:
            return self.value(node.func.value)
        if name in ENDS and node.args:
            return f"{ENDS[name]} {self.value(node.args[0])}"
        return name.replace("_", " ").strip()


def name_of(node: ast.expr) -> str:
    """The name of what is called."""
    return getattr(node, "id", "") or getattr(node, "attr", "")


def is_text(node: ast.expr) -> bool:
    """Whether an expression is written out as a text."""
    if isinstance(node, ast.IfExp):
        return is_text(node.body) and is_text(node.orelse)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (is_text(node.left) or is_text(node.right))
    if isinstance(node, ast.Call):
        return name_of(node.func) in SHARED
    return isinstance(node, ast.JoinedStr) or isinstance(getattr(node, "value", None), str)


def errors(module: str) -> Iterator[tuple[ast.AST | None, ast.Call]]:
    """(the function around it, the call) of each error of a module."""
    tree = tree_of(module)
    assert tree is not None
    of_keys = any(getattr(node, "module", "") == "pydantic" for node in tree.body)

    below: list[tuple[ast.AST | None, ast.AST]] = [(None, tree)]
    while below:
        function, node = below.pop()
        name = name_of(node.func) if isinstance(node, ast.Call) else ""
        if name in ERRORS or (name == "ValueError" and of_keys):
            yield function, node
        inner = node if isinstance(node, ast.FunctionDef) else function
        below += ((inner, child) for child in ast.iter_child_nodes(node))


def messages(module: str) -> list[str]:
    """The messages of a module."""
    found = []
    for function, call in errors(module):
        first, before = ERRORS.get(name_of(call.func), (0, ""))
        words = Words(module, function)
        text = before + ": ".join(words.text(node) for node in call.args[first:])
        # what passes on another message has no words of its own
        if re.search(r"\w", re.sub(r"⟨.*?⟩", "", text)):
            found.append(" ".join(text.split()))
    return found


def area_of(module: str) -> str:
    """The heading that a module stands below."""
    part = module.split(".")[1]
    return next((area for area, parts in AREAS.items() if part in parts), list(AREAS)[-1])


def page() -> str:
    """The page as Markdown."""
    found: dict[str, dict[tuple[str, str], None]] = {area: {} for area in AREAS}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "Error(" in path.read_text():
            for text in messages(module):
                found[area_of(module)][text, path.relative_to(ROOT).as_posix()] = None
    lines = [HEAD]
    for area, texts in found.items():
        lines += [f"## {area}", ""]
        ordered = sorted(texts, key=lambda entry: (re.sub(r"\W", "", entry[0]).lower(), entry))
        lines += [f"- {escaped(text)} (`{path}`)" for text, path in ordered]
        lines.append("")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """A message as Markdown shows it, with its code as code."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"(?<!\*or)([*<])(?!or\*)", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
