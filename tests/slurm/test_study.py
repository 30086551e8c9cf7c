"""A study through `snakemake --profile slurm`, in which runs are requeued, stopped and killed."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from tests.slurm.cluster import Allocation
from tests.slurm.conftest import (
    FAILS,
    LARGE,
    OTHER_SLOW,
    SLOW,
    Controller,
    digest,
    model,
    training_log,
    undisturbed,
)

pytestmark = pytest.mark.xdist_group("slurm")


def test_a_failing_run_names_its_log_and_does_not_stop_the_others(studies) -> None:
    assert studies.one_code == 1
    log = f"logs/pretrain/SimCLR/lr=0.001+temperature={FAILS}+"
    assert f"Logfile {log}" in studies.one.output
    assert "error: this run was made to fail" in studies.one.output
    evaluated = studies.one.checkout.path.glob("results/all_results/SimCLR/*/RANKME_EVAL")
    temperatures = {re.search(r"temperature=([\d.]+)", str(file))[1] for file in evaluated}
    assert temperatures == {str(SLOW), str(OTHER_SLOW), str(LARGE)}


def test_a_run_that_reaches_its_time_limit_ends_in_the_weights_of_an_undisturbed_one(
    studies,
) -> None:
    checkout = studies.one.checkout
    assert "SIGUSR1: checkpoint written" in studies.one.output
    assert "resumed after step" in training_log(checkout, SLOW)
    assert digest(model(checkout, SLOW)) == digest(undisturbed(checkout, SLOW))


def test_a_requeued_run_ends_in_the_weights_of_an_undisturbed_one(studies) -> None:
    checkout = studies.one.checkout
    steps = [log for log in studies.one.submissions.values() if f"={OTHER_SLOW}+" in log]
    assert len(steps) == 2, "one job for training, though it was started twice, one for evaluation"
    assert "resumed after step" in training_log(checkout, OTHER_SLOW)
    assert digest(model(checkout, OTHER_SLOW)) == digest(undisturbed(checkout, OTHER_SLOW))


def test_a_job_over_its_memory_is_tried_again_with_twice_as_much(studies) -> None:
    logs = [Path(log) for log in studies.one.submissions.values() if f"={LARGE}+" in log]
    assert "exceeded memory limit" in logs[0].read_text()
    assert "mem_mb=2400" in studies.one.output
    assert model(studies.one.checkout, LARGE).exists()


def test_each_gpu_job_has_a_gpu_that_no_other_has_at_the_time(studies, cluster) -> None:
    used = [found for found in cluster.allocations() if found.gpus]
    jobs = {found.job for found in used}
    steps = studies.one.submissions.items()
    assert {job for job, log in steps if "prepare_dataset" not in log} <= jobs
    assert all(len(found.gpus) == 1 for found in used)
    for one, other in combinations(used, 2):
        assert not share(one, other), (one, other)


def test_one_job_trains_a_model_and_one_evaluates_it_but_for_retries(studies) -> None:
    steps = [
        re.search(r"/(rule_pretrain/|rule_prepare_dataset/|group_evaluate-)(.*)/\d+\.log", log)
        for log in studies.one.submissions.values()
    ]
    assert all(steps), "no other step is a job"
    kinds = [step[1] for step in steps]
    assert kinds.count("rule_prepare_dataset/") == 2
    assert kinds.count("group_evaluate-") == 3
    assert len({step[2] for step in steps if step[1] == "rule_pretrain/"}) == 4


def test_without_the_failing_run_the_study_ends_in_the_figure(studies) -> None:
    checkout = studies.one.checkout
    checkout.configure(
        lambda config: config["methods"][0]["sweeps"].update(temperature=[SLOW, OTHER_SLOW, LARGE])
    )
    controller = Controller(checkout)
    assert controller.wait() == 0, controller.output
    assert not controller.submissions, "what is cheap runs here"
    figure = checkout.path / "results/plots/rank_vs_acc.pdf"
    assert figure.read_bytes().startswith(b"%PDF")


def share(one: Allocation, other: Allocation) -> bool:
    """Whether two jobs had the same GPU at the same time."""
    at_once = one.start < other.end and other.start < one.end
    return one.node == other.node and at_once and bool(one.gpus & other.gpus)
