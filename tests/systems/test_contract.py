"""What every system keeps to, in each of its stages and modalities, with its default choices.

A system that does not exist in a modality refuses it when a run is composed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

from diccae import registry  # noqa: F401
from diccae.engine.compute import inference_cost, training_cost
from diccae.errors import UserError
from diccae.models.recogniser import Recogniser
from diccae.run_graph import Run
from diccae.settings import known_systems, system_of
from tests.systems.composed import Case, all_cases, random_clips, run_of, write_cache_meta

CLIPS = 8
CASES = all_cases()
SCORED = [case for case in CASES if system_of(case.system).stage(case.stage).scored]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    init_default_scope("mmaction")
    root = tmp_path_factory.mktemp("contract")
    write_cache_meta(root)
    return root


@lru_cache
def composed(case: Case, folder: Path, scale: str = "embedded") -> tuple[Run, Config] | str:
    """The run and its config without the weights that it starts from; the error if there is
    none."""
    run = run_of(case, folder, scale)
    try:
        config = run.config()
    except UserError as error:
        return str(error)
    import_modules_from_strings(**config.custom_imports)
    config.model.pop("init_cfg", None)
    return run, config


def composed_or_skipped(case: Case, folder: Path, scale: str = "embedded") -> tuple[Run, Config]:
    result = composed(case, folder, scale)
    if isinstance(result, str):
        pytest.skip(result)
    return result


@lru_cache
def _network(case: Case, folder: Path) -> Recogniser:
    torch.manual_seed(0)
    return MODELS.build(composed_or_skipped(case, folder)[1].model)


def network(case: Case, folder: Path) -> tuple[Recogniser, Run, Config]:
    """The network of a stage, built once, in evaluation mode."""
    run, config = composed_or_skipped(case, folder)
    return _network(case, folder).eval(), run, config


def scored_inputs(model: Recogniser, config: Config, run: Run, views: int) -> dict[str, Any]:
    return model.data_preprocessor(random_clips(config, run, CLIPS, views), False)["inputs"]


@torch.no_grad()
def predicted(model: Recogniser, inputs: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What `predict` sets, stacked over clips."""
    samples = model(inputs, [ActionDataSample() for _ in range(CLIPS)], mode="predict")
    return {
        name: torch.stack([sample.get(name) for sample in samples])
        for name in ("pred_score", "single_score", "embedding")
    }


@pytest.mark.parametrize("system", known_systems())
def test_it_has_both_modalities_and_refuses_others_in_one_sentence(
    system: str, folder: Path
) -> None:
    for case in (case for case in CASES if case.system == system):
        result = composed(case, folder)
        if isinstance(result, str):
            assert case.modality != "AV", result
            assert "\n" not in result
            assert ". " not in result
            assert case.modality in result


@pytest.mark.parametrize("case", CASES, ids=str)
def test_losses_are_finite_and_every_parameter_has_a_gradient_or_is_declared(
    case: Case, folder: Path
) -> None:
    model, run, config = network(case, folder)
    batch = model.data_preprocessor(random_clips(config, run, CLIPS), True)
    loss, by_name = model.train().parse_losses(model(**batch, mode="loss"))
    assert all(torch.isfinite(value).all() for value in by_name.values())
    model.zero_grad()
    loss.backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert {name for name, grad in trained.items() if grad is None} == set(
        model.unused_parameters()
    )
    assert all(torch.isfinite(grad).all() for grad in trained.values() if grad is not None)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_its_operations_and_parameters_are_counted(case: Case, folder: Path) -> None:
    model, run, config = network(case, folder)
    batch = random_clips(config, run, CLIPS)
    operations, parameters = training_cost(model, batch)
    used = {n: p for n, p in model.named_parameters() if p.requires_grad}
    for name in model.unused_parameters():
        del used[name]
    assert operations > 0
    assert parameters == sum(value.numel() for value in used.values())
    if run.spec.scored:
        operations, needed = inference_cost(model, batch)
        assert operations > 0
        assert 0 < needed <= parameters


@pytest.mark.parametrize("case", SCORED, ids=str)
def test_scores_are_averaged_over_views(case: Case, folder: Path) -> None:
    model, run, config = network(case, folder)
    inputs = scored_inputs(model, config, run, views=3)
    scores = predicted(model, inputs)
    classes = run.settings.base["data"]["num_classes"]
    assert scores["pred_score"].shape == (CLIPS, classes)
    torch.testing.assert_close(scores["pred_score"].sum(1), torch.ones(CLIPS))
    views = [
        predicted(model, {n: v[:, i : i + 1] if n == "video" else v for n, v in inputs.items()})
        for i in range(3 if "video" in inputs else 1)
    ]
    mean = torch.stack([view["pred_score"] for view in views]).mean(0)
    torch.testing.assert_close(scores["pred_score"], mean)
    torch.testing.assert_close(scores["single_score"], views[0]["single_score"])


@pytest.mark.parametrize("case", SCORED, ids=str)
def test_clips_of_a_batch_do_not_touch_each_other(case: Case, folder: Path) -> None:
    model, run, config = network(case, folder)
    inputs = scored_inputs(model, config, run, views=2)
    swapped = predicted(model, {name: value.flip(0) for name, value in inputs.items()})
    for name, value in predicted(model, inputs).items():
        torch.testing.assert_close(swapped[name], value.flip(0))
    assert swapped["embedding"].std(0).max() > 0


@pytest.mark.parametrize("case", SCORED, ids=str)
def test_the_embedding_of_one_view_is_that_of_its_prediction(case: Case, folder: Path) -> None:
    model, run, config = network(case, folder)
    inputs = scored_inputs(model, config, run, views=1)
    with torch.no_grad():
        embedding = model.embed(inputs)
    assert embedding.ndim == 2
    assert len(embedding) == CLIPS
    torch.testing.assert_close(embedding, predicted(model, inputs)["embedding"])


@pytest.mark.parametrize("case", SCORED, ids=str)
def test_inputs_that_lack_a_modality_are_refused(case: Case, folder: Path) -> None:
    model, run, config = network(case, folder)
    inputs = scored_inputs(model, config, run, views=1)
    for lacking in model.modalities:
        rest = {name: value for name, value in inputs.items() if name != lacking}
        for mode in ("loss", "predict", "tensor"):
            with pytest.raises(
                UserError, match=f"the inputs lack {lacking}; add it to `modalities`"
            ):
                model(rest, [], mode=mode)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_starts_from_the_weights_of_the_runs_before_it(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, _ = composed_or_skipped(case, folder)
    config = run.config()
    if "init_cfg" not in config.model:
        return
    monkeypatch.chdir(tmp_path)
    states = {}
    for parent, source in run.parents.items():
        if parent.file.endswith(".pth"):
            before = case._replace(stage=source.stage, modality=source.modality)
            path = source.folder / parent.file
            path.parent.mkdir(parents=True)
            states[path] = network(before, folder)[0].state_dict()
            torch.save(states[path], path)
    assert states
    model = MODELS.build(config.model)
    model.init_weights()
    taken = model.state_dict()
    for state in states.values():
        same = [n for n, value in state.items() if n in taken and torch.equal(taken[n], value)]
        assert any(name.startswith("encoders.") for name in same)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_composes_at_the_scale_of_the_paper(case: Case, folder: Path) -> None:
    run, config = composed_or_skipped(case, folder, "vggsound")
    if case.modality != "AV":
        return
    for name in ("audio_encoder", "video_encoder"):
        if "init" in config.model.get(name, {}):
            config.model[name].init = "scratch"
    with torch.device("meta"):
        model = MODELS.build(config.model).to("meta").eval()
        if run.spec.scored:
            inputs = scored_inputs(model, config, run, views=1)
            scores = model(inputs, mode="tensor")
            assert scores.shape == (CLIPS, run.settings.base["data"]["num_classes"])
