"""What RANK holds: every metric on the same embeddings, with settings; RankMe against samples."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rankme import metrics
from rankme.errors import UserError
from rankme.metrics import METRICS, rankme
from rankme.metrics.measure import RECORD_KEYS, convergence, find_metrics, measure
from rankme.study.settings import Rank
from tests.rankme.metrics import oracles

RNG = np.random.default_rng(0)
Z = (RNG.standard_normal((700, 40)) * np.arange(1, 41) ** -0.5).astype(np.float32)
VIEWS = (Z[:60, None] + 0.2 * RNG.standard_normal((60, 5, 40))).astype(np.float32)
SETTINGS = Rank(samples=700, alpha_fit=(5, 30), pair_rows=300, lidar_images=60, lidar_views=5)


def test_every_metric_is_a_public_function_and_is_measured():
    measured = measure(Z, VIEWS, SETTINGS)
    for name in METRICS:
        assert callable(getattr(metrics, name))
        assert isinstance(measured[name], float)
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_keys_of_a_record_are_metrics_or_known_not_to_be():
    assert measure(Z, VIEWS, SETTINGS).keys() <= METRICS.keys() | set(RECORD_KEYS)


@pytest.mark.parametrize("name", ["n", "singular_values"])
def test_a_metric_cannot_take_the_name_of_a_key_of_the_records(name, monkeypatch):
    module = SimpleNamespace(METRIC=METRICS["lidar"])
    monkeypatch.setitem(sys.modules, f"rankme.metrics.{name}", module)
    found = {name: Path(f"metrics/{name}.py")}
    monkeypatch.setattr("rankme.metrics.measure.files", lambda package: found)
    with pytest.raises(UserError, match=rf"metrics/{name}\.py: '{name}' is taken"):
        find_metrics()


def test_each_value_is_that_of_its_function_on_the_same_embeddings():
    measured = measure(Z, VIEWS, SETTINGS)
    for name in ("effective_rank", "nesum", "stable_rank", "participation_ratio", "self_cluster"):
        assert measured[name] == pytest.approx(getattr(metrics, name)(Z), rel=1e-12)
    for name in ("condition_number", "coherence"):
        assert measured[name] == pytest.approx(getattr(oracles, name)(Z), rel=1e-5)
    assert measured["rankme"] == rankme(Z, SETTINGS.eps)
    assert measured["alpha_req"] == pytest.approx(oracles.alpha_req(Z, 5, 30), rel=1e-6)
    assert measured["uniformity"] == metrics.uniformity(Z, rows=300)
    assert measured["idest"] == metrics.idest(Z, rows=300)
    assert (measured["lidar"], measured["alignment"]) == (
        metrics.lidar(VIEWS),
        metrics.alignment(VIEWS),
    )


def test_the_record_says_what_was_measured_and_how():
    measured = measure(Z, VIEWS, SETTINGS)
    assert (measured["n"], measured["k"], measured["eps"]) == (700, 40, 1e-7)
    assert measured["singular_values"] == pytest.approx(oracles.spectrum(Z).tolist(), rel=1e-9)
    sizes = [37, 75, 112, 150, 187, 225, 262, 300]
    assert measured["settings"] == {
        "alpha_req": {"first_rank": 5, "last_rank": 30},
        "uniformity": {"rows": 300, "t": 2.0},
        "idest": {"rows": 300, "tree_sizes": sizes},
        "lidar": {"images": 60, "views": 5, "delta": 1e-4, "eps": 1e-8},
        "alignment": {"images": 60, "views": 5},
    }


def test_a_range_that_was_cut_short_is_recorded():
    measured = measure(Z, None, SETTINGS.model_copy(update={"alpha_fit": (10, 100)}))
    assert measured["settings"]["alpha_req"] == {"first_rank": 10, "last_rank": 40}


def test_without_views_the_metrics_of_views_are_null():
    measured = measure(Z, None, SETTINGS)
    assert {name for name in METRICS if measured[name] is None} == {"lidar", "alignment"}
    assert measured["settings"]["lidar"] is measured["settings"]["alignment"] is None
    assert {name for name, metric in METRICS.items() if metric.needs_views} == {
        "lidar",
        "alignment",
    }


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_embeddings_that_are_not_finite_have_no_metric_and_no_spectrum(bad):
    z = Z.astype(np.float64)
    z[3, 4] = bad
    measured = measure(z, np.full_like(VIEWS, np.nan), SETTINGS)
    assert all(measured[name] is None for name in METRICS)
    assert measured["singular_values"] == []
    assert convergence(z, 700, 1e-7) == []


def test_collapsed_embeddings_are_measured_as_far_as_metrics_are_defined():
    measured = measure(np.ones_like(Z), np.ones_like(VIEWS), SETTINGS)
    assert measured["rankme"] == pytest.approx(1, abs=1e-3)
    assert measured["lidar"] == pytest.approx(1, abs=1e-3)
    assert measured["self_cluster"] == pytest.approx(1)
    assert measured["condition_number"] is None
    assert measured["alpha_req"] is None
    assert measured["idest"] is None
    assert measured["singular_values"][1:] == [0.0] * 39


@pytest.mark.parametrize("rows", [2, 10])
def test_few_rows_are_no_error(rows):
    measured = measure(Z[:rows], VIEWS[:2, :2], SETTINGS)
    assert measured["rankme"] == pytest.approx(rankme(Z[:rows]))
    assert measured["idest"] is None


def test_convergence_doubles_the_samples_up_to_all():
    curve = convergence(Z, 600, 1e-7)
    assert [(point["samples"], point["draws"]) for point in curve] == [(256, 5), (512, 5), (600, 5)]
    whole = convergence(Z, 25_600, 1e-7)[-1]
    assert whole == {"samples": 700, "mean": rankme(Z), "std": 0.0, "draws": 1}
    assert [point["samples"] for point in convergence(Z[:100], 600, 1e-7)] == [100]


def test_the_spread_of_gaussian_embeddings_falls_and_their_mean_rises_to_its_limit():
    z = RNG.standard_normal((20_000, 64))
    curve = convergence(z, 4096, 0.0)
    means, stds = [p["mean"] for p in curve], [p["std"] for p in curve]
    assert means == sorted(means)
    assert stds[0] > stds[-1] > 0
    # Limit: K (1 - c / 8 + ...) with c = K / N (Marchenko-Pastur).
    assert means[-1] == pytest.approx(64 * (1 - 64 / 4096 / 8), rel=1e-3)


def test_convergence_is_repeatable():
    assert convergence(Z, 600, 1e-7) == convergence(Z, 600, 1e-7)


def test_scores_rank_models_in_the_direction_of_the_paper():
    better_first = {
        "rankme": (200.0, 100.0),
        "alignment": (0.1, 1.8),
        "alpha_req": (0.9, 1.2),
        "coherence": (1.5, 30.0),
        "condition_number": (10.0, 1000.0),
        "effective_rank": (200.0, 100.0),
        "idest": (12.0, 25.0),
        "lidar": (90.0, 40.0),
        "nesum": (20.0, 2.0),
        "participation_ratio": (9.0, 2.0),
        "self_cluster": (0.01, 0.9),
        "stable_rank": (9.0, 2.0),
        "uniformity": (-3.5, -0.2),
    }
    assert list(better_first) == list(METRICS)  # the order of tables
    for name, (good, bad) in better_first.items():
        assert METRICS[name].score(good) > METRICS[name].score(bad)
    assert METRICS["alpha_req"].score(1.0) == 0
