"""Hours and disk space of a plan, from the work of its runs and the time per clip."""

from __future__ import annotations

from dataclasses import dataclass

from diccae.datasets.packed_frames import jpeg_bytes
from diccae.feature_settings import features_bytes
from diccae.planning.speeds import Calibration, Kind, kind_of
from diccae.planning.work import Work
from diccae.plans import Plan
from diccae.run_graph import Run
from diccae.settings import plan_settings

FLOAT_BYTES = 4
# a run keeps two checkpoints, and each holds the weights and Adam's two moments
CHECKPOINTS, TENSORS_PER_WEIGHT = 2, 3
# bytes per clip and view in predictions.parquet, and per clip in withheld.parquet and in
# assignments.npz; measured on the embedded benchmark and rounded up
PREDICTION_BYTES, WITHHELD_BYTES, ASSIGNMENT_BYTES = 40, 45, 80
# bytes of a rendered clip, measured and rounded up
CLIP_BYTES = 20_000
# CPU seconds of a job before its first step, for Python, torch and mmaction2; measured
JOB_START_SECONDS = 4.0


@dataclass(frozen=True)
class Disk:
    """Disk space in bytes.

    Attributes:
        clips: the rendered clips; 0 if the plan reads lists.
        cache: the clip cache; 0 if clips are decoded while training.
        cache_stored: the clip cache if clips are stored.
        cache_jpeg: the same with frames as JPEG, about.
        features: stored features.
        weights: final weights of all runs.
        tables: predictions and cluster assignments of all runs.
        working: checkpoints of the runs that train at the same time.
    """

    clips: int
    cache: int
    cache_stored: int
    cache_jpeg: int
    features: int
    weights: int
    tables: int
    working: int

    @property
    def total(self) -> int:
        """Bytes of everything that is on the disk at the same time."""
        return self.clips + self.cache + self.features + self.weights + self.tables + self.working


def run_seconds(run: Run, work: Work, calibration: Calibration) -> float:
    """Seconds of one run on one device.

    Where worker processes load the clips, each clip takes as long as the slower of loading and
    computing.
    """
    settings = run.settings
    loading = calibration.loading
    load = 0.0 if loading is None else loading.seconds / max(1, settings.schedule.num_workers)
    speed = calibration.speeds[kind_of(run)]
    seconds = work.trained * max(speed.train.seconds, load) + work.embedded * max(
        speed.embed.seconds, load
    )
    if speed.predict is not None:
        seconds += work.scored * max(speed.predict.seconds, load)
    return seconds + kmeans_seconds(run, work, calibration)


def kmeans_seconds(run: Run, work: Work, calibration: Calibration) -> float:
    """Seconds that one run spends in K-means, on one device."""
    if not work.clustered:
        return 0.0
    settings = run.settings
    # a stage that does not start from clusters clusters the concatenated features of all
    # modalities
    width = settings.base["embedding_dim"] * (1 if run.data_use.clusters else len(run.modality))
    restarts: int = settings.system.clusters(settings.choices)["restarts"]
    return work.clustered * restarts * width * calibration.kmeans


def disk(
    plan: Plan,
    clips: int,
    work: dict[Run, Work],
    parameters: dict[Kind, int],
    devices: int,
    listed: int | None = None,
) -> Disk:
    """Disk space that a plan takes.

    Args:
        plan: gives the shapes and the modality of the clip cache.
        clips: number of clips that can be used.
        work: every run of the plan with its work.
        parameters: number of parameters of the model, by kind of run.
        devices: number of runs that train at the same time.
        listed: number of clips of the manifest, for all of which a cache has room, also for those
            whose file is missing; None for `clips`.
    """
    cache = plan_settings(plan)["cache"]
    size, count = cache["frame_size"], cache["num_frames"] if "V" in plan.modality else 0
    fbank = 2 * cache["n_mels"] * cache["fbank_frames"] if "A" in plan.modality else 0
    room = clips if listed is None else listed
    raw, jpeg = (room * (count * frame + fbank) for frame in (3 * size**2, jpeg_bytes(size)))
    stored = jpeg if cache.get("format") == "jpeg" else raw
    sizes = {run: FLOAT_BYTES * parameters[kind_of(run)] for run in work}
    at_once = sorted(sizes.values(), reverse=True)[:devices]
    return Disk(
        clips=clips * CLIP_BYTES if plan.dataset == "embedded" else 0,
        cache=0 if cache.get("mode", "stored") == "live" else stored,
        cache_stored=stored,
        cache_jpeg=jpeg,
        features=clips * features_bytes(plan_settings(plan)),
        weights=sum(sizes.values()),
        # scores of one view and of all views
        tables=sum(
            2 * PREDICTION_BYTES * amount.scored
            + (WITHHELD_BYTES * amount.scored if run.modality == "AV" else 0)
            + (ASSIGNMENT_BYTES * amount.epoch if amount.clustered else 0)
            for run, amount in work.items()
        ),
        # while a run trains, there are its checkpoints and a second copy of its weights
        working=sum((CHECKPOINTS * TENSORS_PER_WEIGHT + 1) * size for size in at_once),
    )
