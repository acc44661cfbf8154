"""What a system declares, and what it is given to compose a run from. Imports neither torch nor
OpenMMLab, so that a plan can be read and priced without them.

A system is one file in `diccae/systems` that defines `SYSTEM`, its network (usually one file in
`diccae/models/systems`), and `configs/systems/<name>.py` with the defaults of its choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from diccae.errors import UserError
from diccae.feature_settings import (
    features_of,
    require_features,
    stored_features_preprocessor,
)
from diccae.schedule import Schedule, StageSchedule, Strict
from diccae.sections import Runtime
from diccae.seed_sets import MAX_SEED
from diccae.systems._optimizers import optim_wrapper, param_schedulers
from diccae.systems._stages import FINETUNE as FINETUNE
from diccae.systems._stages import PRETRAIN as PRETRAIN
from diccae.systems._stages import WEIGHTS as WEIGHTS
from diccae.systems._stages import DataUse as DataUse
from diccae.systems._stages import Parent as Parent
from diccae.systems._stages import Stage as Stage

MODALITIES = {"A": ("audio",), "V": ("video",), "AV": ("audio", "video")}
Choices = TypeVar("Choices", bound=Strict)


@dataclass(frozen=True)
class RunContext(Generic[Choices]):
    """What a system composes the model and the hooks of one run from.

    Attributes:
        stage, modality, seed: of the run.
        pretrain_modality: of the plan's stages without labels.
        choices: the validated choices of the variant.
        schedule: budgets of all stages.
        runtime: kernels and threads.
        base: the merged config of scale and input family (`data`, `cache`, encoders, ...).
        cache_meta: path of `meta.json` of the clip cache or of the stored features.
        parents: path of each file that the run starts from.
        diccae_method: DICCAE's choices in the plan, which other systems may pre-train with.
        folds: the split into folds, see `fold_splits`; None where those of the manifest hold.
        design: the design of the embedded benchmark; None for other clips.
    """

    stage: Stage
    modality: str
    pretrain_modality: str
    seed: int
    choices: Choices
    schedule: Schedule
    runtime: Runtime
    base: dict[str, Any]
    cache_meta: str
    parents: dict[Parent, str]
    diccae_method: dict[str, Any]
    folds: dict[str, Any] | None = None
    design: str | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """`audio`, `video` or both."""
        return MODALITIES[self.modality]

    @property
    def budget(self) -> StageSchedule:
        """The schedule of this stage."""
        return self.schedule.stages[self.stage.name]

    @property
    def stream_seed(self) -> int:
        """Seed of initial weights, order and augmentation: that of the run in stream 0 and in
        shared stages."""
        stream = 0 if self.stage.shared else self.schedule.stream
        # far apart, so that no stream of one seed is another seed
        return self.seed if not stream else (self.seed + stream * 7_919_317) % MAX_SEED

    def encoders(self) -> dict[str, Any]:
        """`audio_encoder` and `video_encoder`, None for a modality that the run lacks.

        Raises:
            UserError: the plan stores features, and none of a modality that the run has.
        """
        require_features(self.base, self.modalities)
        return {
            f"{name}_encoder": self.base[f"{name}_encoder"] if name in self.modalities else None
            for name in ("audio", "video")
        }

    def token_encoders(self, system: str) -> dict[str, Any]:
        """As `encoders`, for the system of that name, which works on tokens.

        Raises:
            UserError: see `encoders`, or an encoder is not on tokens.
        """
        encoders = self.encoders()
        for encoder in filter(None, encoders.values()):
            if "patch" not in encoder:
                raise UserError(
                    f"{system}: wanted encoders on tokens, got {encoder['type']}; leave `inputs` "
                    'out of the variant, or set inputs = "tokens"'
                )
        return encoders

    def preprocessor(self, two_views: bool = False) -> dict[str, Any]:
        """The data preprocessor, the same for all systems; `two_views` adds a second view of each
        clip.

        Raises:
            UserError: two views of stored features would be the same.
        """
        features = features_of(self.base)
        if features is not None:
            return stored_features_preprocessor(features, self.cache_meta, two_views)
        return dict(
            type="AVPreprocessor",
            cache_meta=self.cache_meta,
            spec_augment=self.base["data"]["spec_augment"],
            video_input=self.base["video_input"],
            two_views=two_views,
        )

    def parent(self, file: str = WEIGHTS) -> str | None:
        """Path of the first file of that name that the run starts from."""
        return next((path for parent, path in self.parents.items() if parent.file == file), None)


class System(Generic[Choices]):
    """A system: how its runs are made. Subclasses set the attributes and give `model`.

    Attributes:
        name: as variants and configs name it; also the name of its file.
        title: as tables and pages print it; empty for its name.
        choices: model of its method choices; `configs/systems/<name>.py` holds the defaults.
        stages: in the order of training; the last one is `finetune`, labelled and scored.
        imports: modules that register its network, for the composed config.
        input_family: which encoders it takes by default, a file of `configs/base/<scale>`.
        label_use: labels that it reads beside those of the training clips, in words for tables.
        reference: the paper that defines it.
        fidelity: what the implementation follows: `released code`, `paper` or `interpretation`.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    choices: ClassVar[type[Strict]] = Strict
    stages: ClassVar[tuple[Stage, ...]] = (FINETUNE,)
    imports: ClassVar[tuple[str, ...]] = ()
    input_family: ClassVar[str] = "pooled"
    label_use: ClassVar[str] = "none"
    reference: ClassVar[str] = ""
    fidelity: ClassVar[str] = "paper"

    def stage(self, name: str) -> Stage:
        """The stage of that name.

        Raises:
            KeyError: the system has none.
        """
        return {stage.name: stage for stage in self.stages}[name]

    def budgets(self, schedule: Schedule) -> Schedule:
        """The schedule with the budgets that stages share (`Stage.budget_of`)."""
        own = {s.name: schedule.stages[s.budget_of] for s in self.stages if s.budget_of}
        return schedule.model_copy(update={"stages": schedule.stages | own})

    def parents(self, stage: Stage, modality: str, choices: Choices) -> tuple[Parent, ...]:
        """What a run of the stage starts from; parents in stages that a variant leaves out are
        dropped."""
        return ()

    def same_training(self, stage: Stage, choices: Choices) -> Stage | None:
        """An earlier stage whose training does not differ from that of this stage, but for its
        budget and for hooks that leave the weights alone; None if there is none.

        Where the budgets are equal too, one run serves as both.
        """
        return None

    def choices_for(self, pretrain_modality: str, choices: Choices) -> Choices:
        """The choices in a plan whose stages without labels have this modality.

        Raises:
            UserError: a choice cannot be had with it.
        """
        return choices

    def data(self, stage: Stage, choices: Choices, budget: StageSchedule) -> DataUse:
        """Which clips a run of the stage uses, and how its batches are drawn: by default from the
        labelled clips as in DICCAE's fine-tuning, so that all systems see the same batches."""
        return DataUse(batches="p_x_k" if stage.labelled else "uniform")

    def data_in(
        self, modality: str, stage: Stage, choices: Choices, budget: StageSchedule
    ) -> DataUse:
        """As `data`, for a system whose runs of one stage differ by modality."""
        return self.data(stage, choices, budget)

    def model(self, run: RunContext[Choices]) -> dict[str, Any]:
        """Config of the network, a registered recogniser."""
        raise NotImplementedError

    def hooks(self, run: RunContext[Choices]) -> list[dict[str, Any]]:
        """Configs of the hooks that the stage needs beside those of every run."""
        return []

    def circles(self, choices: Choices) -> dict[str, Any]:
        """Options of the coverage circles that the degrees on the test clips are computed with; the
        defaults of `class_circles` where a system has no choice of its own."""
        return {}

    def clusters(self, choices: Choices) -> dict[str, Any]:
        """Options of K-means (`k`, `restarts`, `spherical`, `init`) of the stages that cluster."""
        return {}

    def optimizer(self, run: RunContext[Choices]) -> dict[str, Any]:
        """mmengine's `optim_wrapper`, from the stage's schedule."""
        return optim_wrapper(run.budget, run.schedule.precision, run.runtime.kernels)

    def param_schedulers(self, run: RunContext[Choices]) -> list[dict[str, Any]]:
        """mmengine's `param_scheduler`: a linear rise over `warmup_epochs`, then a cosine to 0."""
        return param_schedulers(run.budget)
