#!/usr/bin/env bash
# Entry point of the image: runs the workflow, or the command that is named. Usage: see the head of the Dockerfile.
set -eu
cd /diccae
memory=results/.snakemake  # .snakemake is a link to it: Snakemake's memory stays with the results
# shellcheck disable=SC2016  # for the user's shell
usage='mkdir -p results; docker run --user "$(id -u):$(id -g)" -v "$PWD/results:/diccae/results" diccae-repro'

say() { printf 'diccae-repro: %s\n' "$*" >&2; }

make_memory() { mkdir -p "$memory" && [ -w "$memory" ]; } 2>/dev/null

# results/smoke/table2.csv, results/data/smoke/manifest.parquet, smoke -> smoke; anything else belongs to the default plan.
plan_of() {
    local argument word plan=embedded
    for argument; do
        for word in ${argument//\// }; do
            if [ -f "configs/plans/$word.yaml" ]; then plan=$word; fi
        done
    done
    echo "$plan"
}

# The container's id; its host name by default, but not with --hostname or --network host.
container_id() {
    local id
    id=$(sed -n 's#.*/\([0-9a-f]\{64\}\)/.*hostname .*#\1#p' /proc/self/mountinfo | head -n 1)
    echo "${id:-$HOSTNAME}" | cut -c -12
}

# Snakemake answers SIGTERM by waiting for its jobs, longer than `docker stop` does. SIGINT to the whole group, as Ctrl-C sends it,
# ends the jobs too; what is left after 6 to 7 s is killed. Training resumes from its last checkpoint after both.
# shellcheck disable=SC2329  # called by traps
stop_workflow() {
    local deadline=$((SECONDS + 7))
    if [ -t 2 ]; then echo >&2; fi  # below the progress line
    say "stopping"
    kill -INT -- "-$workflow" 2>/dev/null || true
    while [ "$SECONDS" -lt "$deadline" ]; do
        kill -0 -- "-$workflow" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$workflow" 2>/dev/null || true
}

run_workflow() {
    local status=0 stopped=0 mounted=yes
    mountpoint --quiet results || mounted=no
    say "version $DICCAE_VERSION, commit $DICCAE_COMMIT, base $DICCAE_BASE_IMAGE"
    say "plan $(plan_of "$@"), user $(id -u):$(id -g), snakemake --cores all${*:+ $*}"
    if ! make_memory; then
        say "user $(id -u):$(id -g) cannot write to /diccae/results; make the folder first, then run as its owner:"
        say "    $usage"
        exit 2
    fi
    if [ $mounted = no ]; then
        say "no folder is mounted: the results stay in this container, and with --rm they are lost at its end. To keep them:"
        say "    $usage"
    fi

    trap 'stopped=130; stop_workflow' INT
    trap 'stopped=143; stop_workflow' TERM
    set -m  # a process group of its own; without one a background process ignores SIGINT
    snakemake --cores all "$@" </dev/null &
    workflow=$!
    set +m
    wait "$workflow" || status=$?
    if [ $stopped != 0 ]; then
        status=$stopped
        say "stopped: finished jobs and checkpoints are kept, the same command resumes"
    fi
    if [ $mounted = no ]; then
        say "copy the results out before you remove this container:"
        say "    docker cp $(container_id):/diccae/results/. results"
    fi
    exit $status
}

# A first argument that is a command runs as it is; targets and options of Snakemake are not commands.
if [ $# -gt 0 ] && type -P -- "$1" >/dev/null; then
    # A folder that cannot be written is the command's own matter.
    make_memory || true
    exec "$@"
fi
run_workflow "$@"
