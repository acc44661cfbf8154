"""DICCAE: warm-up, cluster-guided pre-training (Sec. 2.3), fine-tuning (Sec. 2.2)."""

from __future__ import annotations

from typing import Any, Literal

from diccae.errors import UserError
from diccae.schedule import StageSchedule
from diccae.systems._diccae_choices import DiccaeChoices
from diccae.systems._diccae_hooks import degree_hook
from diccae.systems._diccae_losses import info_nce, pair_loss
from diccae.systems.spec import FINETUNE, PRETRAIN, DataUse, Parent, RunContext, Stage, System

ASSIGNMENTS = "assignments.npz"
WARMUP = Stage("warmup", shared=True)


class Diccae(System[DiccaeChoices]):
    """The paper's system and, through its choices, the ablations and other readings of it."""

    name = "diccae"
    title = "DICCAE"
    choices = DiccaeChoices
    stages = (WARMUP, PRETRAIN, FINETUNE)
    imports = ("diccae.models.systems.diccae",)
    label_use = "labels of the update set, for the weights of class pairs"
    reference = "Dynamic Inter-Class Confusion-Aware Encoder for Audio-Visual Fusion"
    fidelity = "paper"

    def parents(self, stage: Stage, modality: str, choices: DiccaeChoices) -> tuple[Parent, ...]:
        """Fine-tuning starts from pre-training, and pre-training from the warm-up's first
        clusters."""
        if stage == FINETUNE:
            return (Parent("pretrain"),)
        if stage == WARMUP:
            return ()
        parents = []
        if choices.initial_features == "warmup_weights":
            parents.append(Parent("warmup"))
        if _uses_clusters(choices):
            parents.append(Parent("warmup", file=ASSIGNMENTS))
        return tuple(parents)

    def same_training(self, stage: Stage, choices: DiccaeChoices) -> Stage | None:
        """Pre-training without clusters has InfoNCE alone, and so has the warm-up, which takes its
        clusters at the end."""
        return WARMUP if stage == PRETRAIN and not _uses_clusters(choices) else None

    def choices_for(self, pretrain_modality: str, choices: DiccaeChoices) -> DiccaeChoices:
        """With one modality there is no other to contrast with, so that InfoNCE contrasts two views
        of a clip (`intra_modal`).

        Deviation: the paper pre-trains on both modalities.

        Raises:
            UserError: the contrast needs both.
        """
        if pretrain_modality == "AV" or not choices.infonce_weight:
            return choices
        if choices.infonce_contrast in ("both", "one_way"):
            raise UserError(
                f"method.infonce_contrast {choices.infonce_contrast} contrasts audio with video, "
                f"and the plan pre-trains in {pretrain_modality} alone; leave it out, which "
                "contrasts two views of a clip, or set pretrain_modality: AV in the plan"
            )
        return choices.model_copy(update={"infonce_contrast": "intra_modal"})

    def data(self, stage: Stage, choices: DiccaeChoices, budget: StageSchedule) -> DataUse:
        """The update set is held out of the unlabelled pool in pre-training; in fine-tuning it is a
        split of its own, or the paper's portion of the test split."""
        degrees = choices.confusion_weight > 0 and choices.weights_from_degrees
        if stage == FINETUNE:
            split: Literal["update", "test"] = (
                "test" if choices.update_set == "test_portion" else "update"
            )
            return DataUse(
                batches=choices.finetune_batches,
                permuted_labels=choices.finetune_labels == "permuted",
                update=split if degrees else None,
                update_passes=budget.epochs if degrees else 0,
            )
        sources = None if choices.sources == "all" else tuple(choices.sources)
        if stage == WARMUP:
            return DataUse(sources=sources, update="held_out", clusterings=1)
        if not _uses_clusters(choices):
            return DataUse(sources=sources)
        every = choices.refine_every
        return DataUse(
            batches=choices.pretrain_batches,
            sources=sources,
            update="held_out",
            clusters=True,
            # after every so many epochs, but not after the last
            clusterings=max(0, budget.epochs - 1) // every if every else 0,
            update_passes=budget.epochs if degrees else 0,
        )

    def model(self, run: RunContext[DiccaeChoices]) -> dict[str, Any]:
        """Encoders, fusion and the losses that the stage has (Fig. 1).

        Raises:
            UserError: it has none.
        """
        choices, base = run.choices, run.base
        clusters = run.stage == PRETRAIN and _uses_clusters(choices)
        confusion = _has_confusion_loss(run.stage, choices)
        classes = _classes(run)
        # fine-tuning in one modality has no InfoNCE
        contrasted = choices.infonce_weight > 0 and (
            len(run.modalities) == 2 or run.stage != FINETUNE
        )
        model = dict(
            type="DICCAE",
            modalities=run.modalities,
            num_classes=classes,
            embedding_dim=base["embedding_dim"],
            **run.encoders(),
            normalize_features=choices.normalize_features,
            data_preprocessor=run.preprocessor(
                two_views=choices.infonce_contrast in ("intra_modal", "both") and contrasted
            ),
            confusion_loss=None,
            info_nce=info_nce(choices) if contrasted else None,
            cls_head=run.stage == FINETUNE or (clusters and choices.cluster_cross_entropy),
        )
        if confusion:
            model |= pair_loss(choices, classes, base["embedding_dim"])
        if not (confusion or contrasted or model["cls_head"]):
            raise UserError(
                "no loss is left to train with; set method.infonce_weight, or (not in the warm-up) "
                "method.confusion_weight or method.cluster_cross_entropy, or leave the stage out"
            )
        if confusion and choices.weighting == "static":
            model["static_weight"] = choices.static_weight
        weights = run.parent()
        if weights is not None:
            model["init_cfg"] = dict(
                type="EncoderWeights",
                checkpoint=weights,
                # it has another width where pre-training has other modalities
                fusion=run.modality == run.pretrain_modality
                and choices.initial_fusion == "pretrained",
            )
        return model

    def hooks(self, run: RunContext[DiccaeChoices]) -> list[dict[str, Any]]:
        """First clusters after the warm-up; in pre-training cluster ids, then the weights; in
        fine-tuning the weights."""
        choices = run.choices
        if run.stage == WARMUP:
            return [dict(type="FirstClustersHook", seed=run.seed, **self.clusters(choices))]
        hooks: list[dict[str, Any]] = []
        clusters = run.stage == PRETRAIN and _uses_clusters(choices)
        if clusters:
            hooks.append(
                dict(
                    type="PseudoLabelHook",
                    refine_every=choices.refine_every,
                    seed=run.seed,
                    reinit_head=choices.reinit_head,
                    initial=run.parent(ASSIGNMENTS),
                    shuffled=choices.cluster_ids == "random",
                    **self.clusters(choices),
                )
            )
        if _has_confusion_loss(run.stage, choices) and choices.weights_from_degrees:
            number, classes = self.stages.index(run.stage), _classes(run)
            hooks.append(degree_hook(run, self.circles(choices), number, classes))
        return hooks

    def optimizer(self, run: RunContext[DiccaeChoices]) -> dict[str, Any]:
        """The optimiser of the schedule; a and b of the similarity may have a rate of their own."""
        wrapper, choices = super().optimizer(run), run.choices
        learned = choices.similarity == "sigmoid_cosine" and choices.pair_loss == "confusion"
        learned = learned and _has_confusion_loss(run.stage, choices)
        if not learned or choices.similarity_lr_mult == 1:
            return wrapper
        paramwise = wrapper.get("paramwise_cfg", {})
        own = {
            f"confusion_loss.{name}": dict(lr_mult=choices.similarity_lr_mult)
            for name in ("scale", "bias")
        }
        keys = paramwise.get("custom_keys", {}) | own
        return wrapper | dict(paramwise_cfg=paramwise | dict(custom_keys=keys))

    def circles(self, choices: DiccaeChoices) -> dict[str, Any]:
        """The readings of Sec. 2.1.2."""
        return dict(
            centroid=choices.centroid,
            pca_dim=choices.pca_dim,
            pca_scope=choices.pca_scope,
            circle=choices.circle,
            coverage=choices.coverage,
        )

    def clusters(self, choices: DiccaeChoices) -> dict[str, Any]:
        """The readings of Sec. 2.3."""
        return dict(
            k=choices.kmeans_k,
            restarts=choices.kmeans_restarts,
            spherical=choices.kmeans_spherical,
            init=choices.kmeans_init,
        )


def _has_confusion_loss(stage: Stage, choices: DiccaeChoices) -> bool:
    """Whether the stage has the confusion loss, or another loss of pairs in its place."""
    return stage != WARMUP and choices.confusion_weight > 0


def _classes(run: RunContext[DiccaeChoices]) -> int:
    """Number of classes in fine-tuning, of clusters before it."""
    if run.stage == FINETUNE:
        return run.base["data"]["num_classes"]
    return run.choices.kmeans_k


def _uses_clusters(choices: DiccaeChoices) -> bool:
    """Whether anything in pre-training reads cluster ids."""
    return choices.confusion_weight > 0 or choices.cluster_cross_entropy


SYSTEM = Diccae()
