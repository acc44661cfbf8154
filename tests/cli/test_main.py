"""How a command ends that cannot go on."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable

import pytest
import typer

from diccae.cli import main

Ending = Callable[[BaseException], tuple[object, str]]


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ending:
    """Exit code and message of a command that raises an exception."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr("sys.argv", ["diccae"])

    def end(error: BaseException) -> tuple[object, str]:
        app = typer.Typer(pretty_exceptions_enable=False)

        @app.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(main, "app", app)
        with pytest.raises(SystemExit) as ended:
            main.main()
        return ended.value.code, capsys.readouterr().err

    return end


def test_ctrl_c_says_that_the_same_command_continues(ending: Ending) -> None:
    words = "diccae: interrupted; run the same command again to continue\n"
    assert ending(KeyboardInterrupt()) == (130, words)


def test_a_full_disk_and_a_missing_permission_are_one_sentence(ending: Ending) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "last_checkpoint")
    code, words = ending(full)
    assert code == 2
    assert words.startswith("diccae: last_checkpoint: the disk is full; free some space, then run")
    # as torch raises it
    error = RuntimeError("[enforce fail at inline_container.cc:668] . unexpected pos 704 vs 598")
    error.__context__ = full
    assert ending(error) == (code, words)
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "media/a.csv")
    words = "diccae: media/a.csv: no permission; change its owner or mode\n"
    assert ending(denied) == (2, words)


def test_help_keeps_the_names_in_angle_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    for words, command in (
        ("configs/plans/<name>.yaml", "train"),
        ("shards/seed<k>.npz", "export"),
        ("build/look/<plan>", "look"),
    ):
        with pytest.raises(SystemExit):
            main.app([command, "--help"])
        assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("table2", "CSV file to write. "),
        ("figure2", "CSV file to write; the figure, an SVG file, lies beside it."),
        ("compose", "of a plan with data.folds; by default the first."),
        ("compose", "By default that of pre-training."),
        ("train", "or system, one in configs/systems"),
        ("verify", "as its default_seeds says, or all; with --results all."),
        ("report", "as its default_seeds says, or all; with --results all."),
        ("look", "by default all or, where one has no shard, as many as its default_seeds says."),
    ],
)
def test_help_says_what_an_option_does_in_this_command(
    command: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main.app([command, "--help"])
    text = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    assert words in text
