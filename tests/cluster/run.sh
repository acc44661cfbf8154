#!/usr/bin/env bash
# Runs the smoke plan on a Slurm cluster, and one pre-training that is requeued and cancelled half-way. See README.md beside it.
#
#   tests/cluster/run.sh
#
# Needs sbatch on PATH and the environment of `make setup` in .venv (or VENV). WORK: a folder that all nodes see, where the clone is made; default: build/cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v sbatch >/dev/null || { echo "no sbatch on PATH; run this where jobs can be submitted" >&2; exit 2; }
VENV=$(realpath "${VENV:-.venv}")
WORK=${WORK:-build/cluster}
[ -x "$VENV/bin/snakemake" ] || { echo "no snakemake in $VENV; run \`make setup\` first" >&2; exit 2; }
[ ! -e "$WORK" ] || { echo "$WORK is there already; remove it, or name another folder in WORK" >&2; exit 2; }
commit=$(git describe --always --exclude='*' --abbrev=12)
git clone --quiet . "$WORK"
cd "$WORK"

# The jobs inherit both: they run this clone's code, not that of the checkout that .venv was set up in.
export PATH=$VENV/bin:$PATH PYTHONPATH=$PWD
log=$PWD/run.log
started=$SECONDS
workflow=
cpus=$(sinfo --noheader --format %c | tr -d + | sort -n | tail -n 1)
[ "$cpus" -le 8 ] || cpus=8

cleanup() {
    [ -z "$workflow" ] || kill -INT "$workflow" 2>/dev/null || true
}
trap cleanup EXIT

ok() { printf '%4d s  ok: %s\n' $((SECONDS - started)) "$*"; }
fail() {
    printf '%4d s  FAILED: %s\n' $((SECONDS - started)) "$*"
    tail -n 60 "$log"
    exit 1
}
# usage: slurm TARGET...
slurm() {
    snakemake --workflow-profile profiles/slurm --slurm-init-seconds-before-status-checks 2 --slurm-keep-successful-logs \
        --set-threads "render=$cpus" "cache=$cpus" -- "$@" >"$log" 2>&1
}
slurm_logs() { find .snakemake/slurm_logs -name "$1" 2>/dev/null | wc -l; }

ok "commit $commit, $(sbatch --version), $(sinfo --noheader --format '%D nodes with %c CPUs' | head -n 1)"

slurm smoke || fail "the smoke plan"
for file in table1 table2 sensitivity leakage feature_quality figure2 figure3 claims ablations/no_confusion_loss; do
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

# One pre-training of the same data, long enough to be hit. By its name the plan comes after `smoke`, which so stays the one that renders.
sed -e 's/^name: smoke/name: stopped/' -e 's/^seeds: .*/seeds: [0]/' -e 's/schedule.pretrain.epochs: .*/schedule.pretrain.epochs: 24/' \
    configs/plans/smoke.yaml >configs/plans/stopped.yaml
run=results/stopped/runs/pretrain/full/seed0
job_log=results/logs/$run.log

# Waits for the checkpoint of an epoch, prints the Slurm job that writes it. usage: job_at EPOCH
job_at() {
    local epoch
    while kill -0 "$workflow" 2>/dev/null; do
        epoch=$(find results/work -name 'epoch_*.pth' 2>/dev/null | sed 's/.*epoch_\([0-9]*\)\.pth/\1/' | sort -n | tail -n 1)
        if [ "${epoch:-0}" -ge "$1" ]; then
            squeue --noheader --me --states RUNNING --format '%i %k' | awk '/ rule_run_pretrain/ {print $1}'
            return
        fi
        sleep 0.3
    done
    return 1
}
# usage: stopped FILE
stopped() {
    for _ in $(seq 600); do
        if grep --quiet 'stopped by SIGTERM' "$job_log"; then
            cp "$job_log" "$1"
            return
        fi
        sleep 0.2
    done
    return 1
}

slurm "$run/record.json" &
workflow=$!
job=$(job_at 4) || fail "the workflow ended before epoch 4"
scontrol requeue "$job"
stopped requeued.log || fail "the requeued job did not say that it was stopped"
# Slurm waits two minutes before it starts a requeued job
until [ "$(squeue --noheader --jobs "$job" --states PENDING --format %r)" = BeginTime ]; do sleep 1; done
scontrol update "JobId=$job" StartTime=now
ok "job $job requeued: $(grep --only-matching 'stopped by .*' requeued.log)"
while grep --quiet 'stopped by SIGTERM' "$job_log"; do sleep 0.3; done
job=$(job_at 14) || fail "the workflow ended before epoch 14"
cp "$job_log" between.log
grep --quiet 'going on from epoch_' between.log || fail "the requeued job started anew"
scancel "$job"
stopped cancelled.log || fail "the cancelled job did not say that it was stopped"
ok "job $job cancelled: $(grep --only-matching 'stopped by .*' cancelled.log)"
wait "$workflow" || fail "the workflow did not go on"
workflow=
grep --quiet 'going on from epoch_' "$job_log" || fail "the job after the cancelled one started anew"
ok "finished: $(grep --only-matching 'going on from .*' between.log), then $(grep --only-matching 'going on from .*' "$job_log")"

mv "$run" interrupted
slurm "$run/record.json" || fail "the unbroken run"
if grep --quiet 'going on' "$job_log"; then fail "the unbroken run was not unbroken"; fi
for file in interrupted/*; do
    name=$(basename "$file")
    [ "$name" = record.json ] || cmp "$file" "$run/$name" || fail "$name differs from that of an unbroken run"
done
ok "every file equals that of an unbroken run, byte by byte: $(cd interrupted && ls | grep --invert-match record | paste --serial --delimiters ' ')"
echo "all green"
