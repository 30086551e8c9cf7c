"""A study through `snakemake --profile slurm`, in which runs are preempted, stopped and killed."""

import re
from itertools import combinations

import pytest

from tests.slurm.cluster import Allocation, wait_until
from tests.slurm.conftest import (
    FAILS,
    LARGE,
    OTHER_SLOW,
    SLOW,
    Controller,
    checkpoint,
    digest,
    job_of,
    model,
    training_log,
    troubled_copy,
    undisturbed,
)

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory):
    """Four runs that are trouble: too slow for their time limit, preempted, too large, failing."""
    folder = tmp_path_factory.mktemp("slurm") / "project"
    checkout = troubled_copy(folder, [SLOW, OTHER_SLOW, LARGE, FAILS], mem_mb=1200, runtime=2)
    controller = Controller(checkout)
    wait_until(lambda: checkpoint(checkout, OTHER_SLOW), 120)
    cluster.ask("scontrol", "requeue", job_of(cluster, f"temperature={OTHER_SLOW}"))
    controller.code = controller.wait()
    return checkout, controller


def test_a_failing_run_names_its_log_and_does_not_stop_the_others(study) -> None:
    checkout, controller = study
    assert controller.code == 1
    log = f"logs/pretrain/SimCLR/lr=0.001+temperature={FAILS}+"
    assert f"Logfile {log}" in controller.output
    assert "error: this run was made to fail" in controller.output
    evaluated = sorted(checkout.path.glob("results/all_results/SimCLR/*/RANKME_EVAL"))
    assert [re.search(r"temperature=([\d.]+)", file.parent.name)[1] for file in evaluated] == [
        str(SLOW),
        str(OTHER_SLOW),
        str(LARGE),
    ]


def test_a_run_that_reaches_its_time_limit_ends_in_the_weights_of_an_undisturbed_one(study) -> None:
    checkout, controller = study
    assert "SIGUSR1: checkpoint written" in controller.output
    assert "resumed after step" in training_log(checkout, SLOW)
    assert digest(model(checkout, SLOW)) == digest(undisturbed(checkout, SLOW))


def test_a_requeued_run_ends_in_the_weights_of_an_undisturbed_one(study) -> None:
    checkout, controller = study
    assert "resumed after step" in training_log(checkout, OTHER_SLOW)
    submissions = [line for line in submitted(controller) if f"temperature={OTHER_SLOW}+" in line]
    assert len(submissions) == 2, "one job for training, one for evaluation"
    assert digest(model(checkout, OTHER_SLOW)) == digest(undisturbed(checkout, OTHER_SLOW))


def test_a_job_over_its_memory_is_tried_again_with_twice_as_much(study) -> None:
    checkout, controller = study
    assert "exceeded memory limit" in controller.output
    assert "mem_mb=2400" in controller.output
    assert model(checkout, LARGE).exists()


def test_each_gpu_job_has_a_gpu_that_no_other_has_at_the_time(study, cluster) -> None:
    held = cluster.allocations()
    used = [allocation for allocation in held if allocation.gpus]
    assert len(used) >= 4 + 3
    assert all(len(allocation.gpus) == 1 for allocation in used)
    for one, other in combinations(used, 2):
        assert not share(one, other), (one, other)


def test_one_job_trains_a_model_and_one_evaluates_it_but_for_retries(study) -> None:
    _, controller = study
    lines = submitted(controller)
    assert sum("group_evaluate" in line for line in lines) == 3
    trained = [re.search(r"rule_pretrain/(\S+)/\d+\.log", line) for line in lines]
    assert len({found[1] for found in trained if found}) == 4
    assert sum("rule_prepare_dataset" in line for line in lines) == 2
    kinds = ("group_evaluate", "rule_pretrain", "rule_prepare_dataset")
    assert all(any(kind in line for kind in kinds) for line in lines)


def test_without_the_failing_run_the_study_ends_in_the_figure(study) -> None:
    checkout, _ = study
    checkout.configure(
        lambda config: config["methods"][0]["sweeps"].update(temperature=[SLOW, OTHER_SLOW, LARGE])
    )
    controller = Controller(checkout)
    assert controller.wait() == 0, controller.output
    assert "SLURM jobid" not in controller.output  # what is cheap runs here
    figure = checkout.path / "results/plots/rank_vs_acc.pdf"
    assert figure.read_bytes().startswith(b"%PDF")


def submitted(controller: Controller) -> list[str]:
    """A line for each job given to Slurm."""
    return [line for line in controller.output.splitlines() if "SLURM jobid" in line]


def share(one: Allocation, other: Allocation) -> bool:
    """Whether two jobs had the same GPU at the same time."""
    at_once = one.start < other.end and other.start < one.end
    return one.node == other.node and at_once and bool(one.gpus & other.gpus)
