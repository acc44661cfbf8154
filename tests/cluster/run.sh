#!/usr/bin/env bash
# Runs a small smoke plan on a Slurm cluster, a training that is requeued and cancelled on its way,
# and a plan on stored features whose workflow is killed. See README.md in this folder.
#
#   tests/cluster/run.sh                  # all of it
#   tests/cluster/run.sh frozen           # parts alone: smoke, stopped, frozen
#
# Needs sbatch on PATH and the environment of `make setup` in .venv (or VENV).
# WORK: folder for the clone, which all nodes must see; default: build/cluster.
set -euo pipefail
parts=${*:-smoke stopped frozen}
cd "$(dirname "$0")/../.."
die() { echo "$*" >&2; exit 2; }
command -v sbatch >/dev/null || die "no sbatch on PATH; run this where jobs can be submitted"
VENV=$(realpath "${VENV:-.venv}")
WORK=${WORK:-build/cluster}
[ -x "$VENV/bin/snakemake" ] || die "no snakemake in $VENV; run \`make setup\` first"
[ ! -e "$WORK" ] || die "$WORK exists already; remove it, or set WORK to another folder"
commit=$(git describe --always --exclude='*' --abbrev=12)
git clone --quiet . "$WORK"
cd -P "$WORK"

# The jobs inherit both, so that they run the code of this clone and not of the checkout of .venv.
export PATH=$VENV/bin:$PATH PYTHONPATH=$PWD
log=$PWD/run.log
started=$SECONDS
workflow=
cpus=$(sinfo --noheader --format %c | tr -d + | sort -n | tail -n 1)
[ "$cpus" -le 8 ] || cpus=8

# Slurm jobs of this clone; the user may have others
own_jobs() { squeue --noheader --me --format '%A %Z' | awk -v folder="$PWD" '$2 == folder {print $1}'; }
cleanup() {
    # SIGTERM: a shell that is not interactive lets its background processes ignore SIGINT
    [ -z "$workflow" ] || kill -TERM "$workflow" 2>/dev/null || true
    own_jobs | xargs --no-run-if-empty scancel
}
trap cleanup EXIT

ok() { printf '%4d s  ok: %s\n' $((SECONDS - started)) "$*"; }
fail() {
    printf '%4d s  FAILED: %s\n' $((SECONDS - started)) "$*"
    tail -n 60 "$log"
    exit 1
}
snake=(snakemake --workflow-profile profiles/slurm --slurm-init-seconds-before-status-checks 2
    --slurm-keep-successful-logs --set-threads "render=$cpus" "cache=$cpus" "share=$cpus"
    "features=$cpus" --)
# usage: slurm TARGET...
slurm() { "${snake[@]}" "$@" >"$log" 2>&1; }
# Sets `workflow` to the process of Snakemake itself: $! of a function is that of a shell around it.
# usage: start TARGET...
start() {
    "${snake[@]}" "$@" >"$log" 2>&1 &
    workflow=$!
}
slurm_logs() { find .snakemake/slurm_logs -name "$1" 2>/dev/null | wc -l; }

nodes=$(sinfo --noheader --format '%D nodes with %c CPUs' | head -n 1)
ok "commit $commit, $(sbatch --version), $nodes"

# Fewer variants, one seed, and no plan beside it but the default one: every job starts Snakemake
# twice, which reads all plans.
fewer_jobs() {
    python - <<'END'
from pathlib import Path

import yaml

path = Path("configs/plans/smoke.yaml")
plan = yaml.safe_load(path.read_text())
for key in ("sensitivity", "controls", "figure3", "mechanism"):
    plan.pop(key, None)
plan |= {
    "seeds": [0],
    "table1": {"variants": ["full", "from_scratch"], "modalities": ["AV"]},
    "table2": {"variants": ["full", "no_confusion_loss"], "modalities": ["AV"]},
    "parameters": {},
}
path.write_text(yaml.safe_dump(plan))
for other in path.parent.glob("*.yaml"):
    if other.stem not in ("embedded", "smoke"):
        other.unlink()
END
}

smoke() {
    fewer_jobs
    slurm smoke || fail "the smoke plan"
    for file in table1 table2 leakage feature_quality figure2 effects claims \
        ablations/no_confusion_loss systems/from_scratch; do
        [ -s "results/smoke/$file.csv" ] || fail "no $file.csv"
    done
    [ -s results/smoke/report.html ] || fail "no report"
    [ -z "$(ls results/work)" ] || fail "checkpoints are left: $(ls results/work)"
    tasks=$(slurm_logs '*_*.log')
    jobs=$(slurm_logs '*.log')
    [ "$tasks" -gt 1 ] || fail "no arrays"
    ok "smoke plan from clips to report: $jobs Slurm jobs, $tasks of them array tasks"
    slurm smoke || fail "the smoke plan for the second time"
    [ "$(slurm_logs '*.log')" = "$jobs" ] || fail "jobs were run again"
    ok "again: nothing to do"
}

# Waits for the checkpoint of an epoch and prints the Slurm job that writes it. usage: job_at EPOCH
job_at() {
    local epoch
    while kill -0 "$workflow" 2>/dev/null; do
        epoch=$(find results/work -name 'epoch_*.pth' 2>/dev/null |
            sed 's/.*epoch_\([0-9]*\)\.pth/\1/' | sort -n | tail -n 1)
        if [ "${epoch:-0}" -ge "$1" ]; then
            squeue --noheader --me --states RUNNING --format '%i %Z %k' |
                awk -v folder="$PWD" '$2 == folder && / rule_train/ {print $1}'
            return
        fi
        sleep 0.3
    done
    return 1
}
# Waits until the job reports that it was stopped, and copies its log. usage: stopped FILE
stopped() {
    for _ in $(seq 600); do
        if grep --quiet --no-messages 'stopped by SIGTERM' "$job_log"; then
            cp "$job_log" "$1"
            return
        fi
        sleep 0.2
    done
    return 1
}

# A plan with the same data whose pre-training is long enough to be interrupted. Its name sorts
# after `smoke`, so that `smoke` remains the plan that renders the data.
stopped_part() {
    fewer_jobs
    sed -e 's/^name: smoke/name: stopped/' \
        -e 's/schedule.pretrain.epochs: .*/schedule.pretrain.epochs: 24/' \
        configs/plans/smoke.yaml >configs/plans/stopped.yaml
    run=results/stopped/runs/full/seed0
    job_log=results/logs/$run.log

    start "$run/job.json"
    job=$(job_at 4) || fail "the workflow ended before epoch 4"
    scontrol requeue "$job"
    stopped requeued.log || fail "the requeued job did not report that it was stopped"
    # Slurm waits two minutes before it starts a requeued job
    until [ "$(squeue --noheader --jobs "$job" --states PENDING --format %r)" = BeginTime ]; do
        sleep 1
    done
    scontrol update "JobId=$job" StartTime=now
    ok "job $job requeued: $(grep --only-matching 'stopped by .*' requeued.log)"
    while grep --quiet --no-messages 'stopped by SIGTERM' "$job_log"; do sleep 0.3; done
    job=$(job_at 14) || fail "the workflow ended before epoch 14"
    cp "$job_log" between.log
    grep --quiet 'resuming from epoch_' between.log ||
        fail "the requeued job started from the beginning"
    scancel "$job"
    stopped cancelled.log || fail "the cancelled job did not report that it was stopped"
    ok "job $job cancelled: $(grep --only-matching 'stopped by .*' cancelled.log)"
    wait "$workflow" || fail "the workflow did not finish"
    workflow=
    grep --quiet 'resuming from epoch_' "$job_log" ||
        fail "the job after the cancelled one started from the beginning"
    resumed() { grep --only-matching 'resuming from .*' "$1"; }
    ok "finished: $(resumed between.log), then $(resumed "$job_log")"

    mv "$run" interrupted
    slurm "$run/job.json" || fail "the uninterrupted run"
    if grep --quiet 'resuming from' "$job_log"; then fail "the second run was interrupted"; fi
    files=$(cd interrupted && find . -type f ! -name record.json -printf '%P\n' | sort)
    for name in $files; do
        cmp "interrupted/$name" "$run/$name" || fail "$name differs from that of an uninterrupted run"
    done
    ok "every file is byte-identical to that of an uninterrupted run: "$files
}

# Bytes and times of everything that is computed: parts of features and files of finished runs.
finished() {
    find results/data/vggsound-mini/features -name '*.npy' -o -name '*.json' -o -name '*.parquet'
    find results/vggsound-mini/runs -name record.json -printf '%h\n' | while read -r folder; do
        find "$folder" -maxdepth 1 -type f
    done
}
# usage: contents LIST; one line a file of the list
contents() {
    while read -r file; do
        echo "$(sha256sum "$file") $(stat --format '%y' "$file")"
    done <"$1"
}
submitted() { find .snakemake/slurm_logs -path "*rule_$1*" -name '*.log' 2>/dev/null | wc -l; }

# The plan vggsound-frozen on a few rendered clips: features in an array, one job a variant and seed,
# shards, and a report from the shards alone.
frozen() {
    python -m tests.frozen_mini . >"$log" 2>&1 || fail "the plan cannot be written"
    # as few clips need little memory and two shares
    sed -i -e 's/mem_mb: 1[26]000/mem_mb: 4000/' -e 's/share: 16/share: 2/' \
        profiles/slurm/profile.yaml
    local root=results/vggsound-mini
    local first=$root/runs/full/seed0 second=$root/runs/no_refinement/seed0
    local shard=$root/shards/seed0.npz
    start "$shard"
    until [ "$(finished 2>/dev/null | grep --count record.json)" -ge 2 ]; do
        kill -0 "$workflow" 2>/dev/null || fail "the workflow ended before two runs were finished"
        sleep 0.3
    done
    kill -KILL "$workflow"
    wait "$workflow" || true
    workflow=
    own_jobs | xargs --no-run-if-empty scancel
    until [ -z "$(own_jobs)" ]; do sleep 0.5; done
    [ ! -e "$first/job.json" ] || [ ! -e "$second/job.json" ] || fail "nothing was left to compute"
    finished >finished.txt
    contents finished.txt >before.txt
    local records shares
    records=$(grep --count record.json finished.txt)
    shares=$(submitted share)
    [ "$shares" = 2 ] || fail "$shares jobs of features, wanted 2"
    ok "killed with $records runs and $(grep --count npy finished.txt) parts of features finished"
    slurm "$shard" || fail "the plan was not gone on with"
    contents finished.txt | diff before.txt - || fail "a finished file was written again"
    [ "$(submitted share)" = "$shares" ] || fail "features were computed again"
    ok "gone on: $(wc -l <finished.txt) finished files have the same bytes and times"
    # without runs and clips
    mkdir shards && cp "$shard" shards/
    diccae table2 --plan vggsound-mini --out runs.csv >"$log" 2>&1 || fail "table 2 from runs"
    mkdir away && mv "$root" results/data away/
    diccae report --results shards >"$log" 2>&1 || fail "the report from shards"
    cmp shards/table2.csv runs.csv || fail "table 2 from shards differs from that from runs"
    ok "report from shards alone; table 2 has the bytes of that from runs"
}

for part in $parts; do
    case $part in
        smoke | frozen) "$part" ;;
        stopped) stopped_part ;;
        *) die "no part $part; there are smoke, stopped and frozen" ;;
    esac
done
echo "all green"
