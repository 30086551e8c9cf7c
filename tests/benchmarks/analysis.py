"""Ten thousand runs through collect, analyse and plot: seconds and memory of each program.

    python tests/benchmarks/analysis.py [--runs 10000]

The runs are made up: 2 methods in 3 sweeps of many values, 10 seeds each, 3 datasets, all metrics.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "workflow")]

import checks  # noqa: E402
import study  # noqa: E402
from tests.rankme.analysis.synthetic import write_tree  # noqa: E402

SEEDS = 10


def config(runs: int, results: Path) -> dict[str, object]:
    """A study of about so many runs."""
    values = runs // (2 * 3 * SEEDS)
    sweeps = {
        "lr": [0.001 * (i + 1) for i in range(values)],
        "weight_decay": [1e-6 * (i + 1) for i in range(values)],
    }
    return {
        "pathvars": {"results": str(results)},
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
        file.write_text(json.dumps(config(arguments.runs, results)))
        resolved = checks.load_study(json.loads(file.read_text()))
        runs = study.runs(resolved)
        write_tree(results, runs, resolved["source"], resolved["targets"])
        tables, plots = results / "tables", results / "plots"
        programs = {
            "collect": ("collect_results.py", f"--config={file}", f"--output={tables}/results.csv"),
            "collect_curves": ("collect_curves.py", f"--config={file}", f"--output={tables}"),
            "analyse": (
                "analyse.py",
                f"--results={tables}/results.csv",
                f"--convergence={tables}/convergence.csv",
                f"--output={tables}",
            ),
            "plot": ("plot.py", f"--tables={tables}", f"--output={plots}"),
        }
        print(f"{len(runs)} runs")
        seconds = processor = 0.0
        for name, (program, *options) in programs.items():
            wall, cpu, memory = timed(f"scripts/{program}", *options)
            seconds, processor = seconds + wall, processor + cpu
            print(f"{name:15} {wall:6.1f} s  {cpu:6.1f} s of processors  {memory:.2f} GiB at most")
        print(f"{'all':15} {seconds:6.1f} s  {processor:6.1f} s of processors")


if __name__ == "__main__":
    main()
