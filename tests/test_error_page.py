"""docs/errors.md has every message of the code, and is current."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.documents import MESSAGES, ROOT, load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(ROOT / "docs" / "write_errors.py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_the_page_is_current(script: ModuleType) -> None:
    assert MESSAGES.read_text() == script.page(), (
        "docs/errors.md does not have the messages of the code; run `python docs/write_errors.py`"
    )


def test_every_written_word_of_every_error_is_on_the_page(script: ModuleType) -> None:
    page = " ".join(MESSAGES.read_text().replace("\\", "").split())
    missing, found = [], 0
    for path in sorted((ROOT / "diccae").rglob("*.py")):
        for node in ast.walk(script.tree_of(module_of(path))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith(
                ("UserError", "ArgumentError", "MediaError")
            ):
                # the name of an argument or of a reason is no sentence
                texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                written = [t for t in texts if isinstance(t, str) and " " in t.strip()]
                found += bool(written)
                missing += [t for t in written if " ".join(t.split()) not in page]
    assert not missing
    assert found > 350


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            'UserError(f"{self.path}: wanted {len(rows)} rows")',
            "⟨path⟩: wanted ⟨number of rows⟩ rows",
        ),
        ('UserError("one; " + ("a" if x else "b"))', "one; a *or* b"),
        ('UserError(f"no {name!r}{choices(name, known)}")', "no ⟨name⟩" + "; did you mean"),
        ('ArgumentError("rate", f"got {value:g}")', "rate: got ⟨value⟩"),
        (
            'MediaError(path, "no_audio", f"there is no {kind} stream")',
            "⟨file⟩: there is no ⟨kind⟩",
        ),
    ],
)
def test_a_message_with_placeholders(script: ModuleType, source: str, message: str) -> None:
    call = ast.parse(source, mode="eval").body
    first, before = script.ERRORS[call.func.id]
    words = script.Words("diccae.errors", None)
    text = before + ": ".join(words.text(node) for node in call.args[first:])
    assert re.sub(r"\[|\]", "", text).startswith(message)


def test_a_constant_and_a_local_text_stand_as_they_are(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "ROOT", tmp_path)
    (tmp_path / "errors_of_a_test.py").write_text(
        'AGAIN = "make it again"\n\n\n'
        "def refuse(path, error, more):\n"
        '    others = f" (and {more} more)" if more else ""\n'
        '    raise UserError(f"{path} is damaged{others}; {AGAIN}")\n\n\n'
        "def pass_on(error):\n"
        "    raise UserError(str(error))\n"
    )
    found = script.messages("errors_of_a_test")
    assert found == ["⟨path⟩ is damaged[ (and ⟨more⟩ more)]; make it again"]
