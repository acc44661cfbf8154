"""Report, tables and claims of plans that lack modalities or tables."""

from __future__ import annotations

import base64
import io
import re
import wave
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import yaml

from diccae.artifacts import artifacts_of
from diccae.datasets.clips import write_index
from diccae.errors import UserError
from diccae.functional.verdicts import TOO_FEW
from diccae.plans import Plan, load_plan
from diccae.reporting import claims, collect, html
from diccae.reporting.ambiguities import ambiguities
from diccae.reporting.clip_sound import SAMPLE_RATE, log_bands
from diccae.reporting.sample_clips import sample_clips

SECTIONS = (
    "table1",
    "table2",
    "cluster_ce",
    "figure2",
    "figure3",
    "mechanism",
    "leakage",
    "learning_rates",
)


def plan_of(fake: Plan, **sections: object) -> Plan:
    """The plan of the synthetic results with other sections."""
    content = yaml.safe_load(Path("fake.yaml").read_text())
    content |= dict.fromkeys(SECTIONS) | {"sensitivity": None} | sections
    Path("fake.yaml").write_text(yaml.safe_dump(content))
    return load_plan("fake.yaml")


def page_of(plan: Plan) -> str:
    for name, artifact in artifacts_of(plan).items():
        artifact.make(plan, plan.results_root() / f"{name}.csv")
    html.write_report(plan, plan.results_root() / "report.html")
    return (plan.results_root() / "report.html").read_text()


def test_a_plan_of_sound_with_table_2_alone(fake: Plan) -> None:
    plan = plan_of(fake, table2={"variants": ["full", "no_infonce"], "modalities": ["A"]})
    page = page_of(plan)
    assert "This plan uses sound alone" in page
    assert "does not include Table 1" in page
    assert "This plan has none of the primary A-V rows: all of these are exploratory" in page
    assert "sound has a single view" in page
    assert "Full method, A, seed 0" in page
    table = pd.read_csv(plan.results_root() / "table2.csv")
    assert table["family"].fillna("").tolist() == ["", "exploratory"]
    verdicts = claims.evaluate(plan).set_index("id")
    # three seeds are too few for a drop that is measured
    assert verdicts.loc["table2/no_infonce/A", "verdict"] == TOO_FEW
    for claim, evidence in {
        "table1/DICCAE/AV": "full is not scored in A-V",
        "table2/no_kmeans/A": "no_kmeans_audioset is not scored in A",
        "fig3/threshold": "the plan has no section figure3",
        "text/avgain": "full is not scored in V",
    }.items():
        assert verdicts.loc[claim, "verdict"] == claims.NOT_IN_PLAN == "not part of this plan"
        assert verdicts.loc[claim, "evidence"] == evidence
    record = collect.record(plan, "full", 0, "A")
    entries = {e["key"]: e for e in ambiguities(plan, record["settings"])}
    assert entries["pretrain_modality"]["value"] == "A"


def test_a_plan_of_pictures_without_both_tables(fake: Plan) -> None:
    plan = plan_of(fake, sensitivity={"variants": ["full"], "modalities": ["AV"]})
    assert "Full method, A-V, seed 0" in page_of(plan)
    sweep = {"variant": "fixed_weight", "dynamic": "no_kmeans", "modality": "A", "weights": [0, 1]}
    plan = plan_of(fake, reference="no_kmeans", figure3=sweep)
    page = page_of(plan)
    assert set(artifacts_of(plan)) == {"figure3", "effects", "feature_quality", "claims"}
    assert "Figure 3. Audio accuracy" in page
    assert "does not include Table 2" in page


def write_sound(path: Path, seconds: float) -> np.ndarray:
    """A tone of 1 kHz as a WAV file; returns its samples in [-1, 1]."""
    times = np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    sound = 0.5 * np.sin(2 * np.pi * 1000 * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return sound.astype(np.float32)


def heard(uri: str) -> np.ndarray:
    """The samples of a player."""
    kind, content = uri.split(";base64,")
    assert kind == "data:audio/mpeg"
    with av.open(io.BytesIO(base64.b64decode(content))) as container:
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


def test_a_clip_of_sound_has_a_player_and_a_spectrogram(fake: Plan) -> None:
    plan = plan_of(fake, table1={"variants": ["full"], "modalities": ["A"]})
    write_sound(Path("data/a.wav"), 8.0)
    index = pd.read_parquet(plan.cache_dir / "index.parquet")
    row = {"path": "a.wav", "start": 1.0}
    write_index(plan.cache_dir, index.assign(**row, end=np.nan))
    shown = sample_clips(plan)[0]
    assert (shown["name"], shown["strip"]) == ("class 0", None)
    sound = heard(shown["sound"])
    # five of the eight seconds, and what the encoder adds; 20 kB a clip
    assert 5.0 <= len(sound) / SAMPLE_RATE < 5.3
    assert len(shown["sound"]) < 30_000
    power = np.abs(np.fft.rfft(sound))
    assert power.argmax() * SAMPLE_RATE / len(sound) == pytest.approx(1000, abs=2)
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.05)
    stored = shown["spectrogram"]
    # without the cache's own, as where clips are decoded while training
    (plan.cache_dir / "fbank.npy").unlink()
    write_index(plan.cache_dir, index.assign(**row, end=1.5))
    again = sample_clips(plan)[0]
    assert again["spectrogram"] not in (None, stored)
    assert len(heard(again["sound"])) / SAMPLE_RATE < 0.8
    page = page_of(plan)
    assert re.search(r'<audio controls [^>]*src="data:audio/mpeg;base64,[^"]+"></audio>', page)
    assert "its first 5 seconds in mono" in page

    Path("data/a.wav").write_bytes(b"no sound")
    with pytest.raises(UserError, match="a.wav: .* replace the file or remove its row"):
        sample_clips(plan)


def test_the_spectrogram_of_a_tone_is_a_line(tmp_path: Path) -> None:
    bands = log_bands(write_sound(tmp_path / "a.wav", 1.0))
    assert bands.shape == (128, 50)
    # 160 Hz a band
    assert set(bands.argmax(axis=1)) == {1000 // 160}
    # a clip shorter than a window, and silence
    for sound in (np.ones(3, np.float32), np.zeros(SAMPLE_RATE, np.float32)):
        assert np.isfinite(log_bands(sound)).all()
