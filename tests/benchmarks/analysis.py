"""Ten thousand runs through collect, analyse and plot: seconds and memory of each program.

    python tests/benchmarks/analysis.py [--runs 10000]

The runs are made up: 2 methods in 3 sweeps of many values, 10 seeds each, 3 datasets, all metrics.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from rankme.study.config import read_study  # noqa: E402
from rankme.study.runs import runs  # noqa: E402
from tests.rankme.analysis.synthetic import write_tree  # noqa: E402

SEEDS = 10


def config(count: int) -> dict[str, Any]:
    """A study of about so many runs."""
    values = count // (2 * 3 * SEEDS)
    sweeps = {
        "lr": [0.001 * (i + 1) for i in range(values)],
        "weight_decay": [1e-6 * (i + 1) for i in range(values)],
    }
    return {
        "source": "shapes",
        "targets": ["digits", "textures"],
        "seeds": list(range(SEEDS)),
        "methods": [
            {"name": "SimCLR", "sweeps": {**sweeps, "temperature": _fractions(values)}},
            {"name": "VICReg", "sweeps": {**sweeps, "covariance": _fractions(values)}},
        ],
    }


def _fractions(values: int) -> list[float]:
    return [(i + 1) / values for i in range(values)]


def timed(*command: str) -> tuple[float, float, float]:
    """Seconds, processor seconds and GiB of a program; the last of the largest one so far."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu, after.ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, file = Path(folder, "results"), Path(folder, "config.yaml")
        file.write_text(yaml.safe_dump(config(arguments.runs)))
        study = read_study(file)
        found = runs(study)
        write_tree(results, found, study.source, study.targets)
        tables, plots = results / "tables", results / "plots"
        tree = f"--results={results}"
        programs = {
            "collect": ("collect_results.py", f"--study={file}", tree, f"--output={tables}"),
            "analyse": (
                "analyse.py",
                f"--results={tables}/results.csv",
                f"--convergence={tables}/convergence.csv",
                f"--tree={results}",
                f"--output={tables}",
            ),
            "plot": ("plot.py", f"--tables={tables}", f"--output={plots}"),
        }
        print(f"{len(found)} runs")
        seconds = processor = 0.0
        for name, (program, *options) in programs.items():
            wall, cpu, memory = timed(f"scripts/{program}", *options)
            seconds, processor = seconds + wall, processor + cpu
            print(f"{name:8} {wall:6.1f} s  {cpu:6.1f} s of processors  {memory:.2f} GiB at most")
        print(f"{'all':8} {seconds:6.1f} s  {processor:6.1f} s of processors")


if __name__ == "__main__":
    main()
