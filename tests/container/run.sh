#!/usr/bin/env bash
# Builds the image on a stand-in base and tries what its Dockerfile promises, with a real Docker engine. See README.md beside it.
#
#   BASE_IMAGE=ubuntu:24.04 tests/container/run.sh
#
# BUILD_OPTIONS: more options of `docker build`, e.g. "--network host".  IMAGE: the name to build under.  UID_GID: the unknown user.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BASE_IMAGE:?name a Debian or Ubuntu image with python3 3.11 or 3.12 among its packages, e.g. BASE_IMAGE=ubuntu:24.04}"
IMAGE=${IMAGE:-diccae-repro:test}
UID_GID=${UID_GID:-54321:54321}
commit=$(git describe --always --exclude='*' --abbrev=40 --dirty)
name=diccae-test-$$
volume=$name-results
log=$(mktemp)
started=$SECONDS

cleanup() {
    docker ps --all --quiet --filter "name=$name" | xargs --no-run-if-empty docker rm --force >/dev/null
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

# Everything below runs without a network, on a read-only root, as a user that the image does not know, with 64 MB of shared memory.
locked_down=(--network none --read-only --tmpfs /tmp --user "$UID_GID")
workflow=("${locked_down[@]}" --volume "$volume:/diccae/results")
quick() { docker run --rm "${locked_down[@]}" --volume "$volume:/diccae/results" "$IMAGE" "$@"; }
# Benchmark files, which Snakemake writes when a job is done, with what changes when one is written again. usage: jobs_done COMMAND...
jobs_done() { "$@" find results -path '*/benchmarks/*.tsv' -printf '%p %i %T@\n' | sort; }
# Starts the smoke plan in the background, returns in the midst of a job after N jobs are done, which it lists. usage: start NAME N
start() {
    docker run --detach --name "$name-$1" "${workflow[@]}" "$IMAGE" smoke >/dev/null
    while sleep 2; do
        if ! jobs_done docker exec "$name-$1" >"$log.$1"; then
            docker logs "$name-$1" >"$log" 2>&1
            fail "the workflow ended before $2 jobs were done"
        fi
        if [ "$(wc -l <"$log.$1")" -ge "$2" ]; then break; fi
    done
    sleep 3  # the last one listed is done in Snakemake's eyes too
}

# shellcheck disable=SC2086  # several words on purpose
docker build ${BUILD_OPTIONS:-} --progress plain --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "COMMIT=$commit" --tag "$IMAGE" . \
    >"$log" 2>&1 || fail "docker build"
ok "built on $BASE_IMAGE: $(docker image inspect --format '{{.Size}}' "$IMAGE" | awk '{printf "%.2f GB", $1 / 1e9}')"

[[ $(docker image inspect --format '{{.Config.User}}' "$IMAGE") =~ ^[0-9]+:[0-9]+$ ]] || fail "the user is not a number"
for label in title description licenses version revision base.name; do
    [ -n "$(docker image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$label\"}}" "$IMAGE")" ] || fail "no label $label"
done
docker run --rm --network none --user 0 "$IMAGE" bash -c '
    for tool in gcc cc g++ c++ clang make ld; do if command -v $tool; then exit 1; fi; done
    test ! -e .git && test "$DICCAE_VERSION" = "$(python -c "from importlib.metadata import version; print(version(\"diccae\"))")"' \
    >"$log" 2>&1 || fail "a compiler, .git or another version than the label's is in the image"
ok "numeric user, labels, no compiler, no .git"

# No volume, nothing mounted, the image's own user.
docker run --name "$name-bare" --network none "$IMAGE" results/data/smoke/manifest.parquet >"$log" 2>&1 || fail "run without a volume"
says "commit $commit, base $BASE_IMAGE"
says "plan smoke, user 1000:1000"
says "no folder is mounted"
copy=$(sed -n 's/^.*\(docker cp .*\) results$/\1/p' "$log")
[ -n "$copy" ] || fail "no docker cp line"
$copy "$log.results" >/dev/null || fail "$copy"
[ -s "$log.results/data/smoke/manifest.parquet" ] || fail "$copy copied no manifest"
docker rm "$name-bare" >/dev/null
ok "without a volume: commit, image, plan and a warning at the start, and the docker cp line works"

docker run --rm --network none "$IMAGE" --dry-run --quiet all >"$log" 2>&1 || fail "no target"
says "plan embedded, user 1000:1000"
docker run --rm "${locked_down[@]}" "$IMAGE" smoke >"$log" 2>&1 && fail "a folder that cannot be written was accepted"
says "cannot write to /diccae/results"
ok "no target is the embedded plan; a results folder that cannot be written ends in a sentence"

[[ $(quick diccae --help) == *pretrain* ]] || fail "diccae"
[ "$(quick python -c 'import getpass, torch; print(getpass.getuser(), torch.ones(2).sum().item())')" = "diccae 2.0" ] || fail "python"
[ "$(quick bash -c 'id -u')" = "${UID_GID%:*}" ] || fail "bash"
quick snakemake --version >/dev/null || fail "snakemake"
if quick diccae no-such-command >"$log" 2>&1; then fail "the exit status of a command is lost"; fi
ok "diccae, snakemake, python and bash pass through"

start first 6
before=$(date +%s%N)
docker stop -t 10 "$name-first" >/dev/null
seconds=$((($(date +%s%N) - before) / 1000000))
docker logs "$name-first" >"$log" 2>&1
[ "$(docker inspect --format '{{.State.ExitCode}}' "$name-first")" = 143 ] || fail "docker stop took ${seconds} ms and ended in a kill"
says " jobs to run: "  # the workflow's own progress lines (snakemake_logger_plugin_diccae)
says "the same command goes on"
ok "docker stop after $(wc -l <"$log.first") jobs: took $seconds ms of its 10 s"

start second 18
docker run --rm "${workflow[@]}" "$IMAGE" smoke >"$log" 2>&1 && fail "a second workflow ran beside the first one"
says "another container uses this folder"
[ "$(docker inspect --format '{{.State.Running}}' "$name-second")" = true ] || fail "the second workflow disturbed the first one"
docker kill "$name-second" >/dev/null
ok "a second workflow beside it is refused and leaves its lock alone; docker kill after $(wc -l <"$log.second") jobs"

docker run --name "$name-third" "${workflow[@]}" "$IMAGE" smoke >"$log" 2>&1 || fail "the workflow did not go on"
says "removing its lock"
jobs_done quick >"$log.third"
for run in first second; do
    [ -z "$(comm -23 "$log.$run" "$log.third")" ] || fail "done again: $(comm -23 "$log.$run" "$log.third")"
done
ok "went on to the end: $(wc -l <"$log.third") jobs, none of those done before was done again"

# shellcheck disable=SC2016  # for the shell inside
quick sh -ec '
    for file in table1 table2 sensitivity leakage feature_quality figure2 figure3 claims ablations/no_confusion_loss; do
        test -s results/smoke/$file.csv
    done
    test -s results/smoke/report.html
    test -s results/smoke/figure2.svg' || fail "an output is missing"
[ "$(quick sh -c 'cat results/smoke/runs/finetune/full/seed0/AV/record.json' | grep -c "\"commit\": \"${commit%-dirty}")" = 1 ] || fail "commit"
docker run --rm "${workflow[@]}" "$IMAGE" smoke >"$log" 2>&1 || fail "a run with nothing to do"
says "Nothing to do"
ok "tables, figures and report exist, records name the commit, and nothing is left to do"

quick diccae verify --plan smoke >"$log" 2>&1 || fail "diccae verify"
says "plan smoke: sealed"
ok "diccae verify: $(tail -n 1 "$log")"
quick diccae doctor --plan smoke >"$log" 2>&1 || fail "diccae doctor"
ok "diccae doctor: $(wc -l <"$log") checks, $(grep --count '^OK' "$log") of them OK"
