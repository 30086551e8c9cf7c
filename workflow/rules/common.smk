"""The study behind the config, and what the rules ask of it. No rules here.

What decides a result is in a rule's inputs, wildcards or `params`, all of which Snakemake tracks. Where
and with what it is computed (device, threads, place of the data) is in `resources`, which it does not:
moving a study to another machine runs nothing again.
"""

import json
import os
import signal
import sys
from pathlib import Path

from snakemake.logging import logger

sys.path[:0] = [
    str(Path(workflow.basedir) / folder) for folder in ("workflow", "scripts")
]
import checks
import study
from rankme.errors import UserError
from rankme.schema import read_yaml
from rankme.tracking import destination

try:
    for file in workflow.configfiles:
        read_yaml(file)  # Snakemake lets a second key of one name win; this refuses it.
    STUDY = checks.load_study(config)
except UserError as error:
    sys.exit(f"error in the config:\n{error}")
for warning in checks.warnings(STUDY):
    logger.warning(f"warning: {warning}")

RUNS = {(run.method, run.name): run for run in study.runs(STUDY)}
DATASETS = study.evaluation_datasets(STUDY)
LABELLED = study.labelled_datasets(STUDY)
COMPUTE = STUDY["compute"]

# Of a step that evaluates a model. All steps name the same device and kind of GPU, whether they use it
# or not: Snakemake makes one cluster job of several steps only if their strings agree.
EVALUATION = {"device": COMPUTE["device"], "gpu_model": COMPUTE["gpu_kind"]}

# Of a pretraining job on several nodes: one task a node, and as many GPUs on each.
NODES = study.node_resources(COMPUTE)

# Inside a cluster job Snakemake reads no profile: its steps take turns there as well.
if not workflow.is_main_process:
    workflow.register_resource("turn", 1)

# A scheduler's warning that time is short is for the program that trains, which listens to it
# again; in between, shells and Snakemake would die of it.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

# Library files by which every cheap step reads and writes.
READING = ("artefacts.py", "cli.py", "errors.py", "files.py", "schema.py")

# Kept out of STUDY, which rules hand to programs: where results are published decides none of them.
TRACKING = STUDY.pop("tracking")
if TRACKING["uri"]:
    os.environ.setdefault(destination.URI, TRACKING["uri"])
if TRACKING["live"]:
    os.environ[destination.LIVE] = STUDY["study"]


wildcard_constraints:
    method="[^/]+",
    hparams="[^/]+",
    dataset="[^/]+",


def run_settings(wildcards):
    """Everything that decides a run's weights, as JSON: a plain string, so that it is tracked."""
    return json.dumps(RUNS[wildcards.method, wildcards.hparams].settings)


def declaration(wildcards):
    """What decides a dataset's pixels and labels, as JSON; not where its files lie."""
    return json.dumps(study.data_declaration(STUDY, wildcards.dataset))


def for_all_runs(pattern):
    """A pattern with {method} and {hparams}, and {dataset} if labelled, for all runs."""
    return [
        path
        for method, hparams in RUNS
        for path in expand(pattern, method=method, hparams=hparams, dataset=LABELLED)
    ]


def memory(wildcards, attempt):
    """MB of memory of a job that trains or runs an encoder, doubled at each retry."""
    return min(COMPUTE["mem_mb"] * 2 ** (attempt - 1), COMPUTE["max_mem_mb"])


def training_time(wildcards, attempt):
    """Time limit of a pretraining job in minutes, doubled at each retry."""
    return min(COMPUTE["runtime"] * 2 ** (attempt - 1), COMPUTE["max_runtime"])


def evaluation_time(wildcards, attempt):
    """Time limit of one step of an evaluation in minutes, doubled at each retry."""
    return min(
        COMPUTE["evaluation_runtime"] * 2 ** (attempt - 1), COMPUTE["max_runtime"]
    )


def show_answer():
    """Say which run to use; the sentences stand before the table of claims."""
    answer = Path(STUDY["pathvars"]["results"], "tables", "answer.rst")
    if answer.exists():
        sentences = answer.read_text().partition(".. csv-table")[0]
        logger.info(sentences.replace("\\", "").strip())


def code(*patterns):
    """Python files of the library that a cheap step depends on: edited, the step is done again."""
    return sorted(
        str(file.relative_to(workflow.basedir))
        for pattern in patterns
        for file in Path(workflow.basedir, "scripts/rankme").glob(pattern)
    )
