"""Data card, model card and contact sheet: numbers as in the code, and links that work."""

from __future__ import annotations

import re
from collections import Counter
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from diccae.datasets.benchmark.figure import FPS, SIZE
from diccae.datasets.benchmark.scene import SECONDS
from diccae.datasets.benchmark.sound import RATE
from diccae.plans import load_plan
from diccae.settings import plan_settings
from tests.documents import ROOT, load_script

DOCS = ROOT / "docs"
PAGES = [DOCS / f"{name}.md" for name in ("data_card", "model_card", "artifact", "errors")]


def test_the_numbers_on_the_cards_are_those_of_the_default_plan() -> None:
    settings = plan_settings(load_plan("embedded"))
    counts, data, cache = settings["benchmark"]["counts"], settings["data"], settings["cache"]
    card = (DOCS / "data_card.md").read_text()
    assert f"{sum(counts.values()):,} clips" in card
    assert f"{SECONDS:g} seconds, {SIZE} x {SIZE} pixels at {FPS} frames a second" in card
    assert f"{RATE // 1000} kHz mono" in card
    assert set(re.findall(r"\w+", card.partition("| splits | ")[2].partition(";")[0])) == set(
        counts
    )
    card = (DOCS / "model_card.md").read_text()
    size = data["frame_size"]
    assert f"{data['num_frames']} frames of {size} x {size}" in card
    assert f"spectrogram of {cache['fbank_frames']} x {cache['n_mels']}" in card
    assert f"{counts['unlabelled']:,} clips without labels" in card
    assert f"{data['update_unlabelled']} are withheld" in card
    assert f"{data['train_per_class']} labelled clips a class" in card
    assert f"{counts['test']:,} test clips" in card


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script(DOCS / "draw_clips.py")


def test_the_contact_sheet_shows_two_clips_of_each_class_and_is_current(script: ModuleType) -> None:
    clips = script.scenes()
    assert set(Counter(scene.activity.name for scene in clips).values()) == {2}
    assert len(clips) == 24
    assert script.PICTURE.stat().st_size < 300_000
    buffer = BytesIO()
    script.draw(clips).savefig(buffer)
    drawn, kept = (
        np.asarray(Image.open(file).convert("RGB"), np.float32) for file in (buffer, script.PICTURE)
    )
    # JPEG loses three grey levels; two other clips differ by five
    assert drawn.shape == kept.shape, "run `python docs/draw_clips.py`"
    assert np.abs(drawn - kept).mean() < 4, "run `python docs/draw_clips.py`"


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
