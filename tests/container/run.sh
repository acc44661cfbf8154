#!/usr/bin/env bash
# Builds the image with a real Docker engine and tests it. See README.md in this folder.
#
#   BASE_IMAGE=ubuntu:24.04 tests/container/run.sh
#
# BUILD_OPTIONS: more options of `docker build`, e.g. "--network host".
# IMAGE: name of the image.  UID_GID: a user that the image does not know.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BASE_IMAGE:?set it to a Debian or Ubuntu image with Python 3.11 or 3.12, e.g. ubuntu:24.04}"
IMAGE=${IMAGE:-diccae-repro:test}
UID_GID=${UID_GID:-54321:54321}
commit=$(git describe --always --exclude='*' --abbrev=40 --dirty)
name=diccae-test-$$
volume=$name-results
log=$(mktemp)
started=$SECONDS

cleanup() {
    docker ps --all --quiet --filter "name=$name" |
        xargs --no-run-if-empty docker rm --force >/dev/null
    docker volume rm --force "$volume" >/dev/null
    rm -rf "$log" "$log".*
}
trap cleanup EXIT

ok() { printf '%4d s  ok: %s\n' $((SECONDS - started)) "$*"; }
fail() {
    printf '%4d s  FAILED: %s\n' $((SECONDS - started)) "$*"
    tail -n 40 "$log"
    exit 1
}
says() { grep --quiet --fixed-strings -- "$1" "$log" || fail "wanted in the output: $1"; }

# Everything below runs without a network, on a read-only root file system, as a user that the image
# does not know, with 64 MB of shared memory.
locked_down=(--network none --read-only --tmpfs /tmp --user "$UID_GID")
workflow=("${locked_down[@]}" --volume "$volume:/diccae/results")
quick() { docker run --rm "${locked_down[@]}" --volume "$volume:/diccae/results" "$IMAGE" "$@"; }
# Lists the benchmark files, which Snakemake writes when a job is done, with inode and modification
# time, which change if a job is run again. usage: jobs_done COMMAND...
jobs_done() { "$@" find results -path '*/benchmarks/*.tsv' -printf '%p %i %T@\n' | sort; }
# Starts the smoke plan in the background, returns while a job is running after N jobs are done, and
# lists these in $log.NAME. usage: start NAME N
start() {
    docker run --detach --name "$name-$1" "${workflow[@]}" "$IMAGE" smoke >/dev/null
    while sleep 2; do
        if ! jobs_done docker exec "$name-$1" >"$log.$1"; then
            docker logs "$name-$1" >"$log" 2>&1
            fail "the workflow ended before $2 jobs were done"
        fi
        if [ "$(wc -l <"$log.$1")" -ge "$2" ]; then break; fi
    done
    sleep 3  # until Snakemake has also marked the last of them as done
}

# shellcheck disable=SC2086  # several words on purpose
docker build ${BUILD_OPTIONS:-} --progress plain --build-arg "BASE_IMAGE=$BASE_IMAGE" \
    --build-arg "COMMIT=$commit" --tag "$IMAGE" . >"$log" 2>&1 || fail "docker build"
size=$(docker image inspect --format '{{.Size}}' "$IMAGE" | awk '{printf "%.2f GB", $1 / 1e9}')
ok "built on $BASE_IMAGE: $size"

[[ $(docker image inspect --format '{{.Config.User}}' "$IMAGE") =~ ^[0-9]+:[0-9]+$ ]] ||
    fail "the user is not a number"
for label in title description licenses version revision base.name; do
    template="{{index .Config.Labels \"org.opencontainers.image.$label\"}}"
    [ -n "$(docker image inspect --format "$template" "$IMAGE")" ] || fail "no label $label"
done
docker run --rm --network none --user 0 "$IMAGE" bash -ec '
    for tool in gcc cc g++ c++ clang make ld; do if command -v $tool; then exit 1; fi; done
    test ! -e .git
    version=$(python -c "from importlib.metadata import version; print(version(\"diccae\"))")
    test "$DICCAE_VERSION" = "$version"' >"$log" 2>&1 ||
    fail "the image has a compiler, .git, or another version than the label's"
ok "numeric user, labels, no compiler, no .git"

# Without a volume, as the image's own user.
docker run --name "$name-bare" --network none "$IMAGE" results/data/smoke/manifest.parquet \
    >"$log" 2>&1 || fail "run without a volume"
says "commit $commit, base $BASE_IMAGE"
says "plan smoke, user 1000:1000"
says "no folder is mounted"
copy=$(sed -n 's/^.*\(docker cp .*\) results$/\1/p' "$log")
[ -n "$copy" ] || fail "no docker cp line"
$copy "$log.results" >/dev/null || fail "$copy"
[ -s "$log.results/data/smoke/manifest.parquet" ] || fail "$copy copied no manifest"
docker rm "$name-bare" >/dev/null
ok "without a volume: commit, image, plan and a warning; the docker cp line works"

docker run --rm --network none "$IMAGE" --dry-run --quiet all >"$log" 2>&1 || fail "no target"
says "plan embedded, user 1000:1000"
docker run --rm "${locked_down[@]}" "$IMAGE" smoke >"$log" 2>&1 &&
    fail "a results folder that is not writable was accepted"
says "cannot write to /diccae/results"
ok "without a target: plan embedded; one-sentence error for a results folder that is not writable"

[[ $(quick diccae --help) == *train* ]] || fail "diccae"
code='import getpass, torch; print(getpass.getuser(), torch.ones(2).sum().item())'
[ "$(quick python -c "$code")" = "diccae 2.0" ] || fail "python"
[ "$(quick bash -c 'id -u')" = "${UID_GID%:*}" ] || fail "bash"
quick snakemake --version >/dev/null || fail "snakemake"
if quick diccae no-such-command >"$log" 2>&1; then fail "the exit status of a command is lost"; fi
ok "diccae, snakemake, python and bash pass through"

start first 5
before=$(date +%s%N)
docker stop -t 10 "$name-first" >/dev/null
seconds=$((($(date +%s%N) - before) / 1000000))
docker logs "$name-first" >"$log" 2>&1
[ "$(docker inspect --format '{{.State.ExitCode}}' "$name-first")" = 143 ] ||
    fail "docker stop took ${seconds} ms and ended in a kill"
says " jobs to run: "  # the workflow's own progress lines (snakemake_logger_plugin_diccae)
says "the same command resumes"
ok "docker stop after $(wc -l <"$log.first") jobs: took $seconds ms of its 10 s"

start second 12
docker run --rm "${workflow[@]}" "$IMAGE" smoke >"$log" 2>&1 &&
    fail "a second workflow ran on the same volume"
says "a workflow runs here (process"
[ "$(docker inspect --format '{{.State.Running}}' "$name-second")" = true ] ||
    fail "the second workflow disturbed the first one"
docker kill "$name-second" >/dev/null
ok "a second workflow is refused and does not remove the lock;" \
    "docker kill after $(wc -l <"$log.second") jobs"

docker run --name "$name-third" "${workflow[@]}" "$IMAGE" smoke >"$log" 2>&1 ||
    fail "the workflow did not resume"
says "none works here now: lock removed"
jobs_done quick >"$log.third"
for run in first second; do
    repeated=$(comm -23 "$log.$run" "$log.third")
    [ -z "$repeated" ] || fail "finished jobs were repeated: $repeated"
done
ok "resumed and finished: $(wc -l <"$log.third") jobs, no finished job was repeated"

# shellcheck disable=SC2016  # for the shell inside
quick sh -ec '
    for file in table1 table2 sensitivity leakage feature_quality figure2 figure3 claims \
        ablations/no_confusion_loss; do
        test -s results/smoke/$file.csv
    done
    test -s results/smoke/report.html
    test -s results/smoke/figure2.svg' || fail "an output is missing"
quick cat results/smoke/runs/full/seed200/finetune/AV/record.json >"$log" || fail "no record"
says "\"commit\": \"${commit%-dirty}"
docker run --rm "${workflow[@]}" "$IMAGE" smoke >"$log" 2>&1 ||
    fail "a run with nothing to do"
says "Nothing to do"
ok "tables, figures and report exist, the record names the commit, and nothing is left to do"

quick diccae verify --plan smoke >"$log" 2>&1 || fail "diccae verify"
says "plan smoke: sealed"
ok "diccae verify: $(tail -n 1 "$log")"
quick diccae doctor --plan smoke >"$log" 2>&1 || fail "diccae doctor"
ok "diccae doctor: $(wc -l <"$log") checks, $(grep --count '^OK' "$log") of them OK"
