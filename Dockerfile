# Rebuilds the paper in a container. All commands are run in the root of a checkout.
#
#   docker build --build-arg COMMIT="$(git describe --always --exclude='*' --abbrev=40 --dirty)" -t diccae-repro .
#
#   mkdir -p results
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD/results:/diccae/results" diccae-repro
#
# Arguments after the image name (docker/entrypoint.sh): nothing = everything; results/table2.csv = one artifact; smoke = the
# same steps on a few clips; options of Snakemake (-n, --cores 4); or any command: diccae ..., snakemake ..., bash.
# Add `--gpus all` for GPUs, and `--network none --read-only --tmpfs /tmp` to lock it down: it needs no network and writes to
# the results folder and /tmp only. The default 64 MB of shared memory are enough.
#
# The tag below is pinned; a tag can move, a digest cannot. This prints the digest; pass tag@digest as BASE_IMAGE to build from it:
#
#   docker buildx imagetools inspect nvidia/cuda:12.8.1-base-ubuntu24.04 --format '{{.Manifest.Digest}}'
#   docker build --build-arg BASE_IMAGE=nvidia/cuda:12.8.1-base-ubuntu24.04@sha256:... -t diccae-repro .
#
# Public projects pinned it in 2025 as sha256:133c78a0575303be34164d0b90137a042172bdf60696af01a3c424ab402d86e2 (read, not pulled by us).
#
# `base` is enough: the locked PyTorch and faiss wheels bring the CUDA libraries along. Any Debian or Ubuntu with Python 3.11 or 3.12
# works as a base; without a GPU, BASE_IMAGE=ubuntu:24.04 does.
ARG BASE_IMAGE=nvidia/cuda:12.8.1-base-ubuntu24.04


# The environment, apart from the code: a change of the code does not build or push these gigabytes again.
FROM ${BASE_IMAGE} AS environment
# The base is an argument, so that no version of a Debian package fits all; the base's digest pins what they are built on.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# One locked package has no wheel. Isolated, pip would fetch a setuptools of its own choice to build it; so the locked one goes first.
RUN python3 -m venv /opt/venv \
    && sed -n '/^setuptools==/,/[^\\]$/p' /requirements.lock > /setuptools.lock \
    && pip install --no-deps --require-hashes -r /setuptools.lock \
    && pip install --no-deps --require-hashes --no-build-isolation -r /requirements.lock


FROM ${BASE_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=environment /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

WORKDIR /diccae
COPY pyproject.toml requirements.in requirements.lock README.md LICENSE CITATION.cff Snakefile ./
COPY profiles profiles
COPY configs configs
COPY snakemake_logger_plugin_diccae snakemake_logger_plugin_diccae
COPY diccae diccae
COPY --chmod=755 docker/entrypoint.sh docker/
# Byte code is written now, since nothing can be written there later. Any user may write results when no folder is mounted over it.
# Snakemake's memory lives among the results: they are kept and mounted together, and a second container goes on with both.
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e . \
    && python -m compileall -q diccae snakemake_logger_plugin_diccae \
    && mkdir results && chmod 1777 results \
    && ln -s results/.snakemake .snakemake

# An unknown user id has no home and no name: both are given here.
ENV HOME=/tmp USER=diccae XDG_CACHE_HOME=/tmp/cache MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1

# The image carries no .git: the commit is told here and written into every record.
ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG COMMIT=unknown
ENV DICCAE_VERSION=${VERSION} DICCAE_COMMIT=${COMMIT} DICCAE_BASE_IMAGE=${BASE_IMAGE}
LABEL org.opencontainers.image.title="diccae-repro" \
      org.opencontainers.image.description="Rebuilds the DICCAE paper on an embedded benchmark" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

USER 1000:1000
# -s: works as the first process, and also below `docker run --init`.
ENTRYPOINT ["tini", "-s", "--", "/diccae/docker/entrypoint.sh"]
