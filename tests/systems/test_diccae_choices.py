"""What choices of DICCAE change in the composed configs, and in the optimiser that is built."""

from __future__ import annotations

import pytest
from mmaction.registry import MODELS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from diccae import registry  # noqa: F401
from diccae.errors import UserError
from diccae.plans import Plan, load_plan
from diccae.run_graph import Run


@pytest.fixture(scope="module")
def full() -> Plan:
    """The plan with the rows that the default plan leaves out."""
    return load_plan("embedded-full")


def test_scale_and_bias_of_the_similarity_have_a_rate_of_their_own(full: Plan) -> None:
    init_default_scope("mmaction")
    config = Run(full, "finetune", "full@rate=100", 0, "A").config()
    model = MODELS.build(
        {k: v for k, v in config.model.items() if k not in ("init_cfg", "data_preprocessor")}
    )
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(g["params"][0])]: g["lr"] for g in wrapper.optimizer.param_groups}
    lr = config.optim_wrapper.optimizer.lr
    own = {name for name, rate in rates.items() if rate != lr}
    assert own == {"confusion_loss.scale", "confusion_loss.bias"}
    assert rates["confusion_loss.bias"] == pytest.approx(100 * lr)
    # the warm-up has no confusion loss, and is the same run
    warmups = [Run(full, "warmup", name, 0).config_hash for name in ("full", "full@rate=100")]
    assert warmups[0] == warmups[1]


def test_a_value_in_the_name_acts_where_no_stage_sets_the_key(full: Plan) -> None:
    def weight(stage: str, variant: str) -> float | None:
        loss = Run(full, stage, variant, 0, "AV").config().model.confusion_loss
        return None if loss is None else loss.loss_weight

    assert [weight(stage, "full@c=4") for stage in ("pretrain", "finetune")] == [4, 4]
    assert [weight(stage, "dynamic_weight@c=4") for stage in ("pretrain", "finetune")] == [None, 4]
    assert [weight(stage, "pretrain_confusion_loss") for stage in ("pretrain", "finetune")] == [
        1,
        None,
    ]


def test_a_fresh_fusion_takes_the_encoders_alone(full: Plan) -> None:
    starts = [
        Run(full, "finetune", variant, 0, "AV").config().model.init_cfg
        for variant in ("full", "fresh_fusion")
    ]
    assert [start.fusion for start in starts] == [True, False]
    assert starts[0].checkpoint == starts[1].checkpoint


def test_another_number_of_clusters_has_a_warm_up_of_its_own(full: Plan) -> None:
    run = Run(full, "pretrain", "full@k=12", 0)
    assert {parent.variant for parent in run.parents.values()} == {"full@k=12"}
    hook = run.parents[next(iter(run.parents))].config().custom_hooks[-1]
    assert hook.k == run.config().model.num_classes == 12


def test_opponents_replace_the_weights_and_the_loss_of_pairs(full: Plan) -> None:
    for stage in ("pretrain", "finetune"):
        runs = {n: Run(full, stage, n, 0, "AV") for n in ("full", "supcon", "hard_negative")}
        configs = {name: run.config() for name, run in runs.items()}
        plain, own = configs["full"].model, configs["hard_negative"].model
        assert own.confusion_loss == plain.confusion_loss | {"by_own_loss": True}
        assert configs["supcon"].model.confusion_loss is None
        loss = dict(type="SupConLoss", temperature=0.1, loss_weight=1)
        assert configs["supcon"].model.supcon == loss
        hooks = {name: [hook.type for hook in c.custom_hooks] for name, c in configs.items()}
        degrees = [name for name, kinds in hooks.items() if "ConfusionDegreeHook" in kinds]
        assert degrees == ["full"]
        # the same clips, clusters and steps
        for name in ("supcon", "hard_negative"):
            assert configs[name].train_dataloader == configs["full"].train_dataloader
            assert configs[name].train_cfg == configs["full"].train_cfg
            assert runs[name].data_use.clusters == runs["full"].data_use.clusters
            assert runs[name].data_use.update_passes == 0
    warmups = {Run(full, "warmup", name, 0).config_hash for name in runs}
    assert len(warmups) == 1


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("weighting", "dynamic", "static"),
        ("static_weight", 2, 1),
        ("pairs", "cross_modal", "fused"),
    ],
)
def test_supcon_has_no_weights_of_pairs(key: str, value: object, wanted: object) -> None:
    overrides = {"method.pair_loss": "supcon", "method.weighting": "static", f"method.{key}": value}
    plan = load_plan("embedded-full").model_copy(update={"overrides": overrides})
    message = f"pair_loss supcon .* wanted {key} {wanted}, got {value}.*; set {key} to {wanted}"
    with pytest.raises(UserError, match=message):
        Run(plan, "finetune", "full", 0, "AV").config()


def test_pairs_of_one_class_are_never_pushed_apart() -> None:
    overrides = {"method.diagonal_weight": -1}
    plan = load_plan("embedded-full").model_copy(update={"overrides": overrides})
    with pytest.raises(UserError, match="diagonal_weight"):
        Run(plan, "finetune", "full", 0, "AV").config()
