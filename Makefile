# make study   the environment, then the study's figure on built-in data
# make test    the environment, then all checks and tests
# make ui      the page of all published runs, on this machine
# make stale   results made by other code than is here now
# make lock    the pinned versions anew, from envs/requirements.in

PYTHON ?= python3
PORT ?= 5000
BIN := .venv/bin

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: study test lint ui stale lock
.DELETE_ON_ERROR:

study: $(BIN)/.ready
	snakemake results/plots/rank_vs_acc.pdf

# One process more than there are cores, of one thread each: tests of Slurm and of servers wait a lot.
test: lint
	OMP_NUM_THREADS=1 pytest --dist loadgroup \
	    --numprocesses $$(python -c 'import os; print(os.cpu_count() + 1)')

lint: $(BIN)/.ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	snakemake --lint

# The page of the local store, to which `snakemake` publishes, until Ctrl-C.
ui: $(BIN)/.ready
	@test -e results/tracking/mlflow.db || { echo 'nothing is published yet in results/tracking: run snakemake'; exit 1; }
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
	    mlflow ui --backend-store-uri sqlite:///results/tracking/mlflow.db --port $(PORT)

stale: $(BIN)/.ready
	python scripts/list_stale.py

# Made again when the pinned versions change.
$(BIN)/.ready: envs/requirements.txt envs/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement envs/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement envs/requirements.txt
	touch $@

# The pinned versions anew: edit envs/requirements.in, then `make lock`.
lock: $(BIN)/.ready
	cd envs && uv pip compile requirements.in --output-file requirements.txt --upgrade --quiet \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
	sed '/^# versions/q' envs/environment.yaml > envs/environment.new
	sed -n 's/^\([a-z][^\\]*[^ \\]\) *\\$$/      - "\1"/p' envs/requirements.txt >> envs/environment.new
	mv envs/environment.new envs/environment.yaml
