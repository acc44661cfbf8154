# make reproduce: set up, rebuild the paper on the embedded benchmark, and compare the runs with the committed reference.
# make test: set up and run the tests. README.md says how long both take.
# The first interpreter that really starts and is 3.11 or 3.12.
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
PLATFORM ?= $(shell uname -sm)
VENV := .venv
BIN := $(VENV)/bin
LOOK := .venv-look
# the plan whose reference `make look` shows
PLAN := embedded

.PHONY: reproduce look test setup lint lock smoke docs clean

reproduce: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" DICCAE_COMMAND="make $@" snakemake --cores all

smoke: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" DICCAE_COMMAND="make $@" snakemake --cores all smoke

# The page of the committed reference, without training: a small environment of its own, 0.4 GB, and no installation of this package, which asks for torch.
look: $(LOOK)/installed
	PYTHONPATH="$(CURDIR)" $(LOOK)/bin/python -m diccae.cli.main look --plan $(PLAN)

test: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

setup: $(VENV)/installed

# Every package with its hash, and no resolver: the lock is complete. Written last, so that a broken installation is not taken for a whole one.
$(VENV)/installed: requirements.lock pyproject.toml
	@test "$(PLATFORM)" = "Linux x86_64" || { echo "make setup needs Linux on x86-64, found $(PLATFORM); use the Docker image (README.md, section Docker), on ARM with --platform linux/amd64"; exit 1; }
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 found; install one, or name it: make setup PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(LOOK)/installed: requirements-look.lock
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 found; install one, or name it: make look PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(LOOK)
	$(LOOK)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-look.lock
	touch $@

lint: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" sh -ec 'ruff check . && ruff format --check . && mypy && snakefmt --check Snakefile && lint-imports && snakemake --lint'

# API pages from the docstrings, in build/docs. torchcodec is optional; pdoc shows annotations that it cannot look up, those of generated constructors, as they are written.
docs: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONWARNINGS="ignore:Couldn't import diccae.datasets.torchcodec_media,ignore:Error parsing type annotation" pdoc --output-directory build/docs diccae '!diccae.datasets.torchcodec_media'

# Needs uv (https://docs.astral.sh/uv/). Writes no index address into the lock.
lock:
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --universal --fork-strategy fewest --python-version 3.11 \
		--override overrides.txt requirements.in -o requirements.lock
	$(BIN)/python .ci/environment.py

clean:
	rm -rf $(VENV) $(LOOK) .snakemake
