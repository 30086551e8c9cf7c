"""What `--profile slurm` plans, seen in dry runs on the real profile; no Slurm is needed."""

import re
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import ROOT, Checkout

MODELS = 8
DATASETS = 3


def plan(*arguments: str) -> str:
    """A dry run of the default study from nothing."""
    slurm = ("--profile", "slurm", "-n", "--forceall", "--cores", "64")
    return Checkout(ROOT).snakemake(*slurm, *arguments).stdout


def groups(text: str) -> list[str]:
    return re.findall(r"Group job evaluate-(\S+)", text)


def test_one_job_evaluates_one_model_on_all_datasets() -> None:
    found = groups(plan())
    assert len(found) == len(set(found)) == MODELS


@pytest.mark.parametrize("rule", ["finetune", "rank_dataset", "accuracy"])
def test_it_stays_one_job_when_only_unconnected_steps_have_to_run(rule: str) -> None:
    """Without the merge that the profile asks for, these would be a job a dataset."""
    text = plan("--until", rule)
    assert text.count(f"rule {rule}:") == MODELS * DATASETS
    found = groups(text)
    assert len(found) == len(set(found)) == MODELS


def test_the_gpus_of_the_config_reach_the_scheduler_uncut(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config["compute"] |= {"gpus": 4, "nodes": 2, "gpu_kind": "a100", "threads": 3}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    text = plan("--until", "pretrain", "--configfile", str(file))
    jobs = re.findall(r"rule pretrain:.*?resources: ([^\n]+)", text, re.DOTALL)
    assert len(jobs) == MODELS
    for part in ("gpu=8,", "gpu_model=a100,", "gres=gpu:a100:4,", "nodes=2,", "tasks=2,"):
        assert part in jobs[0]
    assert "threads: 12" in text
    assert "slurm_extra=--signal=USR1@120" in jobs[0]


def test_rules_name_no_executor_and_no_path_of_a_cluster() -> None:
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        text = re.sub(r'"{3}.*?"{3}|#.*', "", file.read_text(), flags=re.DOTALL)
        assert not re.search(r"slurm|sbatch|srun|squeue|['\"]/", text), file
