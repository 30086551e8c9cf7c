"""What the workflow itself costs: planning, the overhead of a job, and jobs of a cluster.

  python tests/benchmarks/workflow.py                     # some minutes; prints Markdown
  python tests/benchmarks/workflow.py --jobs 100          # to see that it works
  python tests/benchmarks/workflow.py --study config/paper.yaml

Planning is `snakemake -n` of studies of growing size. Ours of it is what lies between the config
and the list of runs (config), the list of targets (targets) and the settings of each job
(settings); the rest is Snakemake's. Its share is taken under Python's profiler, in which small
functions look dearer than they are.
"""

import argparse
import os
import platform
import pstats
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DATASETS = 12
JOBS_A_RUN = 2 + 3 * DATASETS
"""pretrain and rankme, and the steps of each dataset."""

TINY = """
source: d0
targets: [digits]
encoder: {name: resnet10, width: 4, stem: stride2}
projector: {widths: [16, 8]}
training: {epochs: 1, batch_size: 40, optimizer: adamw, lr: 0.001, scale_lr: false,
           warmup_epochs: 0, rank_samples: 16}
rank: {samples: 64}
compute: {threads: 1, device: cpu}
methods: [{name: SimCLR}]
"""


def study_of(runs: int, folder: Path) -> Path:
    """A config of so many runs, each evaluated on DATASETS datasets."""
    names = [f"d{index}" for index in range(DATASETS)]
    shapes = {"reader": "shapes", "size": 16, "options": {"train_count": 80, "test_count": 40}}
    config = yaml.safe_load(TINY)
    config |= {
        "targets": names[1:],
        "datasets": {name: dict(shapes) for name in names},
        "pathvars": {"results": str(folder / "results"), "logs": str(folder / "logs")},
        "methods": [
            {"name": "SimCLR", "grid": {"temperature": [0.1 + 0.001 * i for i in range(runs)]}}
        ],
    }
    file = folder / f"{runs}.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def dry_run(config: Path, *arguments: str) -> tuple[float, str]:
    """Seconds of `snakemake -n`, and its output."""
    start = perf_counter()
    done = snakemake("--configfile", str(config), "--dry-run", *arguments)
    return perf_counter() - start, done


def snakemake(*arguments: str, path: str = "") -> str:
    """Output of a call, with folders put before the others of PATH."""
    folders = [path, str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PATH": os.pathsep.join(filter(None, folders))}
    done = subprocess.run(
        ["snakemake", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def own_seconds(config: Path) -> dict[str, float]:
    """Seconds of a dry run under the profiler, by what they were spent on."""
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, "-m", "cProfile", "-o", file.name, "-m", "snakemake"]
        arguments = ["--configfile", str(config), "--dry-run", "--quiet", "all"]
        subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, check=True)
        return split(pstats.Stats(file.name))


def split(profile: pstats.Stats) -> dict[str, float]:
    """Cumulative seconds of our functions and of the whole."""
    stats: dict[tuple[str, int, str], Any] = profile.stats  # type: ignore[attr-defined]

    def seconds(*functions: str) -> float:
        return sum(times[3] for (_, _, name), times in stats.items() if name in functions)

    return {
        "config": seconds("load_study", "runs", "warnings"),
        "targets": seconds("for_all_runs", "accuracies"),
        "settings": seconds("run_settings", "declaration", "whole_declaration"),
        "total": profile.total_tt,  # type: ignore[attr-defined]
    }


# Stands for every program of scripts/: makes the outputs and nothing else.
STUB = """#!/bin/bash
while (($#)); do
  case $1 in
    --output) out=$2 ;;
    --features) features=$2 ;;
    scripts/*.py) program=$1 ;;
  esac
  shift
done
case $program in
  *prepare_dataset.py) touch "$out"/{DATASET,{train,test}_{images,labels}.npy} ;;
  *pretrain.py) touch "$out" "${out%/*}/TRAINING_LOG" ;;
  *finetune.py) mkdir "$features"; touch "$out" ;;
  *) touch "$out" ;;
esac
"""


def local_overhead(config: Path, folder: Path) -> tuple[int, float]:
    """Jobs of a local run whose programs do nothing, and seconds of each."""
    stub = folder / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text(STUB)
    stub.chmod(0o755)
    planning, plan = dry_run(config, "--until", "rankme", "accuracy")
    jobs = int(re.findall(r"^total +(\d+)$", plan, re.MULTILINE)[0])
    start = perf_counter()
    snakemake(
        *("--configfile", str(config), "--until", "rankme", "accuracy", "--quiet", "all"),
        path=str(stub.parent),
    )
    return jobs, (perf_counter() - start - planning) / jobs


def cluster_jobs(config: Path) -> dict[str, int]:
    """Jobs that a cluster is given for a study of which nothing is made yet."""
    _, plan = dry_run(config, "--profile", "slurm", "--forceall")
    table = dict(re.findall(r"^(\w+) +(\d+)$", plan, re.MULTILINE))
    return {
        "datasets": int(table["prepare_dataset"]),
        "trained models": int(table["pretrain"]),
        "evaluated models": len(set(re.findall(r"Group job (\S+)", plan))),
        "steps in all": int(table["total"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--study", type=Path, help="config whose cluster jobs are counted")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{os.cpu_count()} x {processor()}, Python {platform.python_version()}\n")
        print("| steps | `snakemake -n` | our share: config | targets | settings | in all |")
        print("|---|---|---|---|---|---|")
        for jobs in arguments.jobs:
            print(planning_row(study_of(max(1, round(jobs / JOBS_A_RUN)), folder)))
        jobs, seconds = local_overhead(study_of(4, folder), folder)
        print(f"\nA step in local execution costs {1000 * seconds:.0f} ms ({jobs} empty steps).")
        study = arguments.study or study_of(110, folder)
        counts = ", ".join(f"{count} {what}" for what, count in cluster_jobs(study).items())
        print(f"\nJobs on a cluster: {counts}.")


def planning_row(config: Path) -> str:
    seconds, plan = dry_run(config)
    jobs = re.findall(r"^total +(\d+)$", plan, re.MULTILINE)[0]
    own = own_seconds(config)
    parts = [own[part] / own["total"] for part in ("config", "targets", "settings")]
    shares = " | ".join(f"{part:.1%}" for part in [*parts, sum(parts)])
    return f"| {jobs} | {seconds:.1f} s | {shares} |"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


if __name__ == "__main__":
    main()
