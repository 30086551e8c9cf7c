"""The study behind the config, and what the rules ask of it. No rules here.

What decides a result is in a rule's inputs, wildcards or `params`, all of which Snakemake tracks. Where
and with what it is computed (device, threads, place of the data) is in `resources`, which it does not:
moving a study to another machine runs nothing again.
"""

import json
import os
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
    """A pattern with {method} and {hparams}, and {dataset} if it has it, for all runs."""
    return [
        path
        for method, hparams in RUNS
        for path in expand(pattern, method=method, hparams=hparams, dataset=DATASETS)
    ]


def memory(wildcards, attempt):
    """MB of memory of a job that trains or runs an encoder, doubled at each retry."""
    return STUDY["compute"]["mem_mb"] * 2 ** (attempt - 1)


def training_time(wildcards, attempt):
    """Time limit of a pretraining job in minutes, doubled at each retry."""
    return STUDY["compute"]["runtime"] * 2 ** (attempt - 1)


def code(*patterns):
    """Python files of the library that a cheap step depends on: edited, the step is done again."""
    return sorted(
        str(file.relative_to(workflow.basedir))
        for pattern in patterns
        for file in Path(workflow.basedir, "scripts/rankme").glob(pattern)
    )
