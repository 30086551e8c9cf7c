# make study   the environment, then the study's figure on built-in data
# make test    the environment, then all checks and tests
# make quick   checks and unit tests: a minute and a half on two cores
# make env     the environment alone, in .venv, with the library installed
# make ui      the page of all published runs, on this machine
# make stale   results made by other code than is here now
# make lock    the pinned versions anew, from envs/requirements.in

PYTHON ?= python3
PORT ?= 5000
BIN := .venv/bin

# One process more than there are cores, of one thread each: tests of Slurm and of servers wait a lot.
PYTEST = OMP_NUM_THREADS=1 pytest --dist loadgroup \
    --numprocesses $$(python -c 'import os; print(os.cpu_count() + 1)')

export PATH := $(CURDIR)/$(BIN):$(PATH)
# Programs start in half the time from compiled modules, which some environments forbid to keep.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: study test quick lint env ui stale lock
.DELETE_ON_ERROR:

study: env
	snakemake results/plots/rank_vs_acc.pdf

test: lint
	$(PYTEST)

quick: lint
	$(PYTEST) -m "not slow" tests/rankme tests/programs

lint: env
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	lint-imports
	python -m rankme.study.reference --check
	snakemake --lint

env: $(BIN)/.ready

# The page of the local store, to which `snakemake` publishes, until Ctrl-C.
ui: env
	@test -e results/tracking/mlflow.db || { echo 'nothing is published yet in results/tracking: run snakemake'; exit 1; }
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	    mlflow ui --backend-store-uri sqlite:///results/tracking/mlflow.db --port $(PORT)

stale: env
	python scripts/list_stale.py

# Made again when the pinned versions change. The library is installed as it lies here, so that a
# notebook of this environment works in any folder.
$(BIN)/.ready: envs/requirements.txt envs/uv.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement envs/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement envs/requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	touch $@

# The pinned versions anew: edit envs/requirements.in, then `make lock`.
lock: env
	cd envs && uv pip compile requirements.in --output-file requirements.txt --upgrade --quiet \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
	sed '/^# versions/q' envs/environment.yaml > envs/environment.new
	sed -n 's/^\([a-z][^\\]*[^ \\]\) *\\$$/      - "\1"/p' envs/requirements.txt >> envs/environment.new
	mv envs/environment.new envs/environment.yaml
