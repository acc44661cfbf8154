#!/usr/bin/env bash
# Everything that has to be measured on a machine with a GPU, in under 40 minutes. Writes the tables
# into benchmarks/RESULTS.md.
#
#   benchmarks/on_a_gpu.sh                          # all steps
#   benchmarks/on_a_gpu.sh --only "kmeans systems"  # these steps
#   benchmarks/on_a_gpu.sh --tiny                   # all steps at a tiny size, also without a GPU
#
# --folder FOLDER   where logs and measurements go; default build/on_a_gpu
# --page FILE       the page to write to; default benchmarks/RESULTS.md, with --tiny a copy of it
# PYTHON            interpreter of the environment; default .venv/bin/python
# JOBS              training jobs that share the GPU; default: the number of cores, at most 8
# SLOWER            factor of all time limits, a whole number, for a busy or small machine; default 1
#
# Each step has a time limit, and a step that fails is a line of the result. A step that is done is
# skipped, so the same command goes on after an interruption and repeats what failed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
die() {
    echo "on_a_gpu: $*" >&2
    exit 2
}

tiny= folder= page= steps="tests step compiled kmeans plan systems ranks deterministic portable"
only=$steps
while [ $# -gt 0 ]; do
    case $1 in
        --tiny) tiny=--tiny ;;
        --folder | --page | --only)
            [ $# -ge 2 ] || die "$1 needs a value; see the head of this script"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        *) die "unknown option $1; the options are at the head of this script" ;;
    esac
    shift
done
for name in $only; do
    [[ " $steps " = *" $name "* ]] || die "unknown step $name; the steps are $steps"
done
python=${PYTHON:-$root/.venv/bin/python}
command -v "$python" >/dev/null || die "no $python; run 'make setup', or set PYTHON"
python=$(command -v "$python")
folder=${folder:-build/on_a_gpu${tiny:+_tiny}}
mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] ||
    die "$folder cannot be written; name another folder with --folder"
folder=$(realpath "$folder")
copy=$folder/copy
if [ -z "$page" ]; then
    page=benchmarks/RESULTS.md
    if [ -n "$tiny" ]; then
        cp "$page" "$folder/RESULTS.md"
        page=$folder/RESULTS.md
    fi
fi
[ -w "$page" ] || die "$page cannot be written; name another page with --page"

PATH=$(dirname "$python"):$PATH
export PATH PYTHONUNBUFFERED=1 PYTHONPATH=$root
DICCAE_COMMIT=$(git describe --always --dirty --exclude='*' --abbrev=40 2>/dev/null || echo unknown)
export DICCAE_COMMIT
rows() { "$python" benchmarks/gpu_rows.py "$@"; }
"$python" benchmarks/gpu_machine.py "$folder" $tiny
gpus=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["gpus"])' \
    "$folder/hardware.json")
cores=$(nproc)
jobs=${JOBS:-$((cores < 8 ? cores : 8))} slower=${SLOWER:-1}

running=
stop() {
    [ -z "$running" ] || kill -TERM "$running" 2>/dev/null || true
    wait || true
    rows write "$folder" --page "$page"
    die "stopped; the same command goes on"
}
trap stop INT TERM

# usage: step NAME SECONDS COMMAND...: runs it unless it is done, and keeps what became of it
step() {
    local name=$1 limit=$(($2 * slower)) code=0 begin=$SECONDS seconds
    shift 2
    [[ " $only " = *" $name "* ]] && ! rows done "$folder" --step "$name" || return 0
    echo "$name: at most $limit s, log in $folder/$name.log"
    rm -f "$folder/$name.jsonl"
    timeout --kill-after=20 "$limit" "$@" >"$folder/$name.log" 2>&1 &
    running=$!
    wait "$running" || code=$?
    running=
    seconds=$((SECONDS - begin))
    case $name in
        plan) runs_of "$plan" plan --shared "$jobs" --minutes "$((seconds / 6))e-1" ;;
        ranks) runs_of "$short" ranks --processes 2 --seeds 2 ;;
    esac
    rows tried "$folder" --commit "$DICCAE_COMMIT" --step "$name" --seconds "$seconds" --code "$code"
}
# usage: runs_of PLAN STEP OPTION...: what the runs of a step say, also of one that was stopped
runs_of() {
    "${copied[@]}" "$python" "$root/benchmarks/gpu_runs.py" --plan "$1" --json "$folder/$2.jsonl" \
        "${@:3}" >>"$folder/$2.log" 2>&1 || true
}
# the workflow runs in a copy, because results of this checkout would count as done
copied=(env -C "$copy" "PYTHONPATH=$copy")
fresh_copy() {
    local name
    mkdir -p "$copy/results"
    for name in Snakefile requirements.lock configs diccae profiles snakemake_logger_plugin_diccae; do
        rm -rf "${copy:?}/$name"
        cp -r "$name" "$copy/$name"
    done
    rm -rf "$copy/results/reference"
    cp -r results/reference "$copy/results/reference"
    [ -z "$tiny" ] || "$python" benchmarks/gpu_tiny_plan.py "$copy"
}
fresh_copy
# clips and cache of a plan, in an sh -c script with the plan as $0
clips='diccae data render --plan "$0" && diccae data cache --plan "$0"'
# two processes that train: on a GPU each, or as two nodes that share the only GPU, which NCCL
# refuses to two processes of one node
full='-m diccae.cli.main train --plan "$0" --variant full --seed 201'
two="torchrun --standalone --nproc-per-node 2 $full"
two_nodes="for rank in 0 1; do
    NCCL_HOSTID=node\$rank NCCL_SOCKET_IFNAME=lo torchrun --nnodes 2 --node-rank \$rank \\
        --nproc-per-node 1 --master-addr 127.0.0.1 $full &
    ranks=\"\$ranks \$!\"
done
for rank in \$ranks; do wait \$rank || { kill \$ranks; exit 1; }; done"
bench() { echo "$root/benchmarks/$1"; }

if [ -n "$tiny" ]; then
    plan=tiny short=tiny target=results/tiny/report.html
    export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1
    tests=(tests/functional/test_matching.py)
    few=(--steps 2 --warm-up 1)
    sizes=(--batch 8) compiled=(--batch 4)
    kmeans=(--rows 20000 --widths 16 32 --clusters 20 --restarts 3 --cpu-rows 2000 --seconds 5 --threads 1)
    systems=(--plan smoke --batch 4 --steps 2)
    audit=(diccae verify --plan tiny --seeds 1 --retrain 1 --word gpu)
else
    plan=embedded short=smoke target=all
    tests=(--gpu tests/functional tests/models tests/engine tests/systems)
    few=(--steps 20)
    sizes=() compiled=(--batch 64 128 256)
    kmeans=()
    systems=()
    audit=(diccae verify --results results/reference/embedded --retrain 1 --word gpu)
fi

step tests 420 pytest -n auto --dist loadfile --no-loadscope-reorder --junitxml="$folder/tests.xml" \
    "${tests[@]}"
step step 150 "$python" "$(bench gpu_step.py)" "${few[@]}" "${sizes[@]}" --profile \
    --json "$folder/step.jsonl"
step compiled 270 "$python" "$(bench gpu_step.py)" --compile --profile "${few[@]}" \
    "${compiled[@]}" --json "$folder/compiled.jsonl"
step kmeans 390 "$python" "$(bench gpu_kmeans.py)" "${kmeans[@]}" --json "$folder/kmeans.jsonl"
step plan 480 "${copied[@]}" snakemake --cores all "$target" --resources "gpu=$jobs" \
    --config seeds=1
step systems 120 "$python" "$(bench gpu_systems.py)" "${systems[@]}" --json "$folder/systems.jsonl"
[ "$gpus" != 1 ] || two=$two_nodes
step ranks 120 "${copied[@]}" sh -c "$clips && $two" "$short"
step deterministic 100 sh -c '"$@" && "$@" --deterministic' sh "$python" "$(bench gpu_step.py)" \
    --batch 32 "${few[@]}" --json "$folder/deterministic.jsonl"
step portable 330 "${copied[@]}" CUDA_VISIBLE_DEVICES= sh -c "$clips && \"\$@\"" "$plan" \
    "${audit[@]}"

rows write "$folder" --page "$page"
echo "tables: $page"
