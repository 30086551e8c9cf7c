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
from snakemake.utils import update_config

# The library of this very checkout, also where another one is installed.
HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
sys.path.insert(0, str(HOME / "scripts"))
from rankme.artefacts import DATASET, Tree
from rankme.errors import UserError
from rankme.plots.figures import FIGURES
from rankme.study.checks import warnings
from rankme.study.config import DEFAULT_CONFIG, load_study, study_name
from rankme.study.identity import canonical
from rankme.study.runs import runs
from rankme.study.targets import misplaced
from rankme.tracking import destination
from rankme.yaml_files import from_text, read_yaml

# A study is one file: one given by --configfile replaces the default study as a whole. Its own is
# the caller's where there is one, as with --directory.
if not workflow.overwrite_configfiles:

    configfile: DEFAULT_CONFIG if Path(DEFAULT_CONFIG).exists() else str(HOME / DEFAULT_CONFIG)


# What --config gives is text at every depth.
update_config(config, from_text(workflow.config_settings.config or {}))
try:
    for file in workflow.configfiles:
        read_yaml(file)  # Snakemake lets a second key of one name win; this refuses it.
    STUDY = load_study(config, study_name(workflow.overwrite_configfiles))
except UserError as error:
    sys.exit(f"error in the config:\n{error}")
RUNS = {(run.method, run.name): run for run in runs(STUDY)}
# Snakemake reads this file before it looks at its targets.
if mistake := misplaced(sys.argv[1:], STUDY, RUNS):
    sys.exit(f"error: {mistake}")
for warning in warnings(STUDY):
    logger.warning(f"warning: {warning}")

# Paths below the working directory, as Snakemake tracks them; programs as seen from there.
TREE = Tree("<results>")
RUN = TREE.run("{method}", "{hparams}")
EVALUATION = RUN.dataset("{dataset}")
FILES = TREE.study(STUDY.study)
RESULTS = workflow.pathvars.apply("<results>")
ANSWER = Tree(RESULTS).study(STUDY.study).answer
DIGEST = STUDY.digest[:12]

# Of every step: where programs and results lie decides nothing.
PLACES = {"scripts": os.path.relpath(HOME / "scripts"), "results": RESULTS}

COMPUTE = STUDY.compute
LABELLED = STUDY.labelled_datasets

# Of a step that evaluates a model. All steps name the same device and kind of GPU, whether they use it
# or not: Snakemake makes one cluster job of several steps only if their strings agree.
EVALUATION_PLACES = {
    **PLACES,
    "device": COMPUTE.device,
    "gpu_model": COMPUTE.gpu_kind,
}

# For the first page of the report.
config["study"] = STUDY.study
config["digest"] = DIGEST
config["answer"] = str(ANSWER)

# Inside a cluster job Snakemake reads no profile: its steps take turns there as well.
if not workflow.is_main_process:
    workflow.register_resource("turn", 1)

# A scheduler's warning that time is short is for the program that trains, which listens to it
# again; in between, shells and Snakemake would die of it.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

if STUDY.tracking.uri:
    os.environ.setdefault(destination.URI, STUDY.tracking.uri)
if STUDY.tracking.live:
    os.environ[destination.LIVE] = STUDY.study

# Library files by which every cheap step reads and writes.
READING = (
    "artefacts.py",
    "cli.py",
    "errors.py",
    "files.py",
    "study/*.py",
    "yaml_files.py",
)


wildcard_constraints:
    method="[^/]+",
    hparams="[^/]+",
    dataset="[^/]+",


def run_settings(wildcards):
    """Everything that decides a run's weights, as JSON: a plain string, so that it is tracked."""
    return canonical(RUNS[wildcards.method, wildcards.hparams].settings)


def declaration(wildcards):
    """What decides a dataset's pixels and labels, as JSON; not where its files lie."""
    return canonical(STUDY.datasets[wildcards.dataset].pixels)


def whole_declaration(wildcards):
    """The declaration, with the place of the files."""
    return canonical(STUDY.datasets[wildcards.dataset])


def for_all_runs(name):
    """A file of every run, by its name in `RunFiles`."""
    return [getattr(TREE.run(*run), name) for run in RUNS]


def accuracies(wildcards):
    """ACCURACY of every run on every labelled dataset."""
    return [TREE.run(*run).dataset(name).accuracy for run in RUNS for name in LABELLED]


def memory(wildcards, attempt):
    """MB of memory of a job that trains or runs an encoder."""
    return COMPUTE.memory(attempt)


def training_time(wildcards, attempt):
    """Time limit of a pretraining job in minutes."""
    return COMPUTE.training_time(attempt)


def evaluation_time(wildcards, attempt):
    """Time limit of one step of an evaluation in minutes."""
    return COMPUTE.evaluation_time(attempt)


def caption(figure):
    """The figure's own caption in the report; one that is a file alone has that of all figures."""
    own = f"report/{figure}.rst"
    return f"../{own if (HOME / 'workflow' / own).exists() else 'report/figure.rst'}"


def show_answer():
    """Say which run to use, if the answer there is that of this very study."""
    words = ANSWER.read_text(encoding="utf-8") if ANSWER.exists() else ""
    if DIGEST in words:
        logger.info(words.partition(".. csv-table")[0].replace("\\", "").strip())


def code(*patterns):
    """Python files of the library that a cheap step depends on: edited, the step is done again."""
    library = HOME / "scripts/rankme"
    return sorted(
        os.path.relpath(file) for pattern in patterns for file in library.glob(pattern)
    )
