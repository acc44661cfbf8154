"""Which runs an audit draws, and the chances that it states."""

from __future__ import annotations

import hashlib
import json

import pytest

from diccae.audit.draw import Draw, draw, quota
from diccae.audit.words import of_proof, percent
from diccae.errors import UserError
from diccae.plans import Plan
from diccae.reporting.listed_files import root_digest
from diccae.run_graph import Run
from diccae.seals.seal import seal_path, seal_text
from diccae.seals.shard_check import name_of

ALL = {f"{name}/seed{seed}" for name in ("full", "no_confusion_loss") for seed in (0, 1)}


def names(drawn: Draw) -> list[str]:
    return [name_of(stored.run) for stored in drawn.runs]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_draw_follows_from_root_digest_and_word(sealed: Plan) -> None:
    root = json.loads(seal_path(sealed).read_text())["root"]
    drawn = draw(sealed, 2, "rain")
    runs = [f"{each}/finetune/AV" for each in ALL]
    seed = sha256(f"{root}\nrain")
    assert names(drawn) == sorted(runs, key=lambda name: sha256(f"{seed}\n{name}"))[:2]
    assert (drawn.root, drawn.size) == (root, 4)
    # the same word draws the same, and words differ
    assert names(draw(sealed, 2, "rain")) == names(drawn)
    assert len({tuple(names(draw(sealed, 1, word))) for word in "abcdefgh"}) > 1
    assert set(names(draw(sealed, 4, "rain"))) == set(runs)


def test_primary_rows_come_first(sealed: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def primary(run: Run) -> bool:
        return run.variant == "no_confusion_loss"

    monkeypatch.setattr("diccae.audit.draw.is_primary", primary)
    for word in "abcdefgh":
        drawn = draw(sealed, 3, word)
        assert [primary(stored.run) for stored in drawn.runs] == [True, True, False]
        assert primary(draw(sealed, 1, word).runs[0].run)
    assert (drawn.primary, drawn.others, drawn.of_primary) == (2, 2, 2)


@pytest.mark.parametrize(
    ("primary", "others", "count", "own"),
    [
        (96, 404, 3, 2),
        (96, 404, 4, 2),
        (96, 404, 1, 1),
        # fewer of one group than its half
        (1, 404, 5, 1),
        (96, 1, 5, 4),
        (0, 404, 3, 0),
        (96, 0, 3, 3),
        (2, 3, 5, 2),
    ],
)
def test_half_of_a_draw_is_of_the_primary_rows(
    primary: int, others: int, count: int, own: int
) -> None:
    assert quota(primary, others, count) == own


def test_what_a_draw_proves() -> None:
    # of 500 runs without primary rows the chances are the hypergeometric ones
    alone = Draw("0" * 64, "rain", 0, 500, (None,) * 3)  # type: ignore[arg-type]
    words = list(of_proof(alone, 9))
    assert words == [
        "This proves that 9 runs are, to the byte, what code, data and plan give. Of the others it "
        "says:",
        "  If 1 of the 500 runs was forged, a draw of 3 would have met one with 0.6 %.",
        "  If 5 of the 500 runs were forged, a draw of 3 would have met one with 3 %.",
        "  If 50 of the 500 runs were forged, a draw of 3 would have met one with 27 %.",
    ]
    # two of 96, and one of 404: the forger forges those that are drawn less
    divided = Draw("0" * 64, "rain", 96, 404, (None,) * 3)  # type: ignore[arg-type]
    drawn = "a draw of 3, divided like this one, would have met one with at least"
    assert list(of_proof(divided, 9))[1:] == [
        f"  If 1 of the 500 runs was forged, {drawn} 0.2 %, or 2 % if it is of the primary rows.",
        f"  If 5 of the 500 runs were forged, {drawn} 1 %, or 10 % if all of them are of the "
        "primary rows.",
        f"  If 50 of the 500 runs were forged, {drawn} 12 %, or 77 % if all of them are of the "
        "primary rows.",
    ]


@pytest.mark.parametrize(
    ("chance", "words"),
    [(0, "0 %"), (1e-6, "under 0.1 %"), (0.06, "6 %"), (0.9999, "over 99 %"), (1, "100 %")],
)
def test_percent(chance: float, words: str) -> None:
    assert percent(chance) == words


def test_what_cannot_be_drawn(sealed: Plan) -> None:
    for count in (-1, 0, 5):
        words = f"^--retrain {count}: {seal_path(sealed)} covers 4 scored runs .* from 1 to 4$"
        with pytest.raises(UserError, match=words):
            draw(sealed, count, "rain")
    for word in ("", "  "):
        with pytest.raises(UserError, match="^--word: wanted a word that nobody knew .* an empty"):
            draw(sealed, 1, word)


def test_only_what_an_intact_seal_covers_is_drawn(sealed: Plan) -> None:
    content = json.loads(seal_path(sealed).read_text())
    # a run that was added after the seal
    assert content["files"].pop("results/small/runs/full/seed0/finetune/AV/record.json")
    seal_path(sealed).write_text(seal_text(content | {"root": root_digest(content)}))
    assert "full/seed0/finetune/AV" not in names(draw(sealed, 3, "rain"))
    with pytest.raises(UserError, match="covers 3 scored runs"):
        draw(sealed, 4, "rain")
    seal_path(sealed).write_text(seal_text(content | {"root": "0" * 64}))
    with pytest.raises(UserError, match="verify.json was edited, and the draw needs its root"):
        draw(sealed, 1, "rain")
    seal_path(sealed).unlink()
    with pytest.raises(UserError, match="verify.json is missing, and the draw needs its root dig"):
        draw(sealed, 1, "rain")
