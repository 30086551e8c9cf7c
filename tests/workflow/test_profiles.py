"""What `--profile slurm` plans, seen in dry runs on the real profile; no Slurm is needed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODELS = 8
DATASETS = 3


def plan(*arguments: str, config: Path | None = None) -> str:
    """A dry run of the default study from nothing."""
    bin_folder = Path(sys.executable).parent
    configfile = ("--configfile", str(config)) if config else ()
    done = subprocess.run(
        [bin_folder / "snakemake", "--profile", "slurm", "-n", "--forceall", "--cores", "64",
         *configfile, *arguments],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def groups(text: str) -> list[str]:
    return re.findall(r"Group job evaluate-(\S+)", text)


def test_one_job_evaluates_one_model_on_all_datasets() -> None:
    found = groups(plan())
    assert len(found) == len(set(found)) == MODELS


@pytest.mark.parametrize("rules", [["finetune"], ["rank_dataset"], ["accuracy"]])
def test_it_stays_one_job_when_only_unconnected_steps_have_to_run(rules, tmp_path) -> None:
    """Without the merge that the profile asks for, these would be a job a dataset."""
    text = plan("--until", *rules)
    assert text.count(f"rule {rules[0]}:") == MODELS * DATASETS
    found = groups(text)
    assert len(found) == len(set(found)) == MODELS


def test_the_gpus_of_the_config_reach_the_scheduler_uncut(tmp_path) -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["compute"] |= {"gpus": 4, "nodes": 2, "gpu_kind": "a100", "threads": 3}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    text = plan("--until", "pretrain", config=file)
    jobs = re.findall(r"rule pretrain:.*?resources: ([^\n]+)", text, re.DOTALL)
    assert len(jobs) == MODELS
    for part in ("gpu=8,", "gpu_model=a100,", "gres=gpu:a100:4,", "nodes=2,", "tasks=2,"):
        assert part in jobs[0]
    assert "threads: 12" in text
    assert "slurm_extra=--signal=USR1@120" in jobs[0]


def test_retries_stop_growing_at_the_limits_of_the_cluster() -> None:
    names = {"COMPUTE": {"mem_mb": 4000, "max_mem_mb": 10_000, "runtime": 240, "max_runtime": 720}}
    text = (ROOT / "workflow/rules/common.smk").read_text()
    exec(text[text.index("def memory(") : text.index("def evaluation_time(")], names)
    assert [names["memory"](None, attempt) for attempt in (1, 2, 3)] == [4000, 8000, 10_000]
    assert [names["training_time"](None, attempt) for attempt in (1, 2, 3)] == [240, 480, 720]


def test_rules_name_no_executor_and_no_path_of_a_cluster() -> None:
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        text = re.sub(r'"{3}.*?"{3}|#.*', "", file.read_text(), flags=re.DOTALL)
        assert not re.search(r"slurm|sbatch|srun|squeue|['\"]/", text), file
