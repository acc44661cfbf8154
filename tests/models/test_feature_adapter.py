"""The network over stored features, and the preprocessor before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from diccae.errors import UserError
from diccae.models.feature_adapter import FeatureAdapter
from diccae.models.feature_preprocessor import FeaturePreprocessor


def test_the_mlp_reads_the_mean_of_the_vectors() -> None:
    adapter = FeatureAdapter(in_features=3, out_features=2, hidden=4).eval()
    clips = torch.randn(5, 1, 6, 3)
    hidden = clips[:, 0].mean(1) @ adapter.layers[0].weight.T + adapter.layers[0].bias
    # batch norm has seen nothing yet
    active = (hidden / (1 + 1e-5) ** 0.5).clamp(min=0)
    wanted = active @ adapter.layers[4].weight.T + adapter.layers[4].bias
    assert torch.allclose(adapter(clips), wanted, atol=1e-6)
    assert torch.allclose(adapter(clips[:, :, torch.randperm(6)]), wanted, atol=1e-6)


def test_the_transformer_knows_the_order_of_the_vectors() -> None:
    adapter = FeatureAdapter(3, 2, kind="transformer", tokens=4, width=8, heads=2, hidden=8).eval()
    clips = torch.randn(2, 1, 4, 3)
    found = adapter(clips)
    assert found.shape == (2, 2)
    assert not torch.allclose(adapter(clips.flip(2)), found)
    adapter.positions.data.zero_()
    assert torch.allclose(adapter(clips.flip(2)), adapter(clips), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "shape", "words"),
    [
        ({"kind": "mpl"}, (1, 1, 1, 3), "kind: wanted mlp or transformer, got 'mpl'"),
        ({"kind": "transformer", "heads": 3, "width": 8}, (1, 1, 1, 3), "heads 3 does not divide"),
        ({}, (2, 1, 5, 4), "wanted any number of vectors of 3 values a clip, got 5 of 4"),
        ({"kind": "transformer", "tokens": 2}, (1, 1, 5, 3), "wanted 2 vectors of 3 values"),
    ],
)
def test_mistakes(settings: dict[str, object], shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        FeatureAdapter(3, 2, **settings)(torch.zeros(shape))


def preprocessor(folder: Path, **settings: object) -> FeaturePreprocessor:
    path = folder / "meta.json"
    stored = {"mean": [1.0, 2.0], "std": [0.5, 4.0]}
    path.write_text(json.dumps({"features": {"audio": stored, "video": stored}}))
    return FeaturePreprocessor(str(path), **settings)


def batch(audio: torch.Tensor, video: torch.Tensor) -> dict[str, object]:
    return {"inputs": {"audio": [*audio], "video": [*video]}, "data_samples": None}


def test_values_are_normalised_and_vectors_lie_in_one_row(tmp_path: Path) -> None:
    audio = torch.arange(24).reshape(2, 3, 2, 2).half()
    video = torch.arange(48).reshape(2, 4, 3, 1, 2).half()
    for training in (False, True):
        inputs = preprocessor(tmp_path)(batch(audio, video), training)["inputs"]
        assert inputs["audio"].shape == (2, 1, 6, 2)
        assert inputs["video"].shape == (2, 4, 1, 3, 2)
        assert inputs["audio"][1, 0, 3].tolist() == [(18 - 1) / 0.5, (19 - 2) / 4]
        assert inputs["video"][0, 1, 0, 2].tolist() == [(10 - 1) / 0.5, (11 - 2) / 4]


def test_training_adds_noise_and_drops_values_and_makes_two_views(tmp_path: Path) -> None:
    audio = torch.full((4, 50, 50, 2), 3.0).half()
    made = preprocessor(tmp_path, dropout=0.25, noise=0.5, two_views=True)
    exact = made({"inputs": {"audio": [*audio]}}, False)["inputs"]
    assert list(exact) == ["audio"]
    inputs = made({"inputs": {"audio": [*audio]}}, True)["inputs"]
    first, second = inputs["audio"], inputs["second_audio"]
    assert not torch.equal(first, second)
    for view in (first, second):
        kept = view != 0
        assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.02)
        difference = (view * 0.75 - exact["audio"])[kept]
        assert float(difference.mean()) == pytest.approx(0, abs=0.02)
        assert float(difference.std()) == pytest.approx(0.5, abs=0.02)
