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
from tests.rankme.metrics.oracles import OF_VIEWS

RNG = np.random.default_rng(0)
Z = (RNG.standard_normal((700, 40)) * np.arange(1, 41) ** -0.5).astype(np.float32)
VIEWS = (Z[:60, None] + 0.2 * RNG.standard_normal((60, 5, 40))).astype(np.float32)
SETTINGS = Rank(samples=700, alpha_fit=(5, 30), pair_rows=300, lidar_images=60, lidar_views=5)


def test_every_metric_has_the_value_of_its_public_function_with_the_settings_that_are_recorded():
    measured = measure(Z, VIEWS, SETTINGS)
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert METRICS.keys() <= measured.keys() <= METRICS.keys() | set(RECORD_KEYS)
    options = {
        "rankme": {"eps": SETTINGS.eps},
        "alpha_req": {"fit": (5, 30)},
        "uniformity": {"rows": 300},
        "idest": {"rows": 300},
    }
    for name, metric in METRICS.items():
        sample = VIEWS if metric.needs_views else Z
        expected = getattr(metrics, name)(sample, **options.get(name, {}))
        assert measured[name] == pytest.approx(expected, rel=1e-12)
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


@pytest.mark.parametrize("name", ["n", "singular_values"])
def test_a_metric_cannot_take_the_name_of_a_key_of_the_records(name, monkeypatch):
    module = SimpleNamespace(METRIC=METRICS["lidar"])
    monkeypatch.setitem(sys.modules, f"rankme.metrics.{name}", module)
    found = {name: Path(f"metrics/{name}.py")}
    monkeypatch.setattr("rankme.metrics.measure.files", lambda package: found)
    with pytest.raises(UserError, match=rf"metrics/{name}\.py: '{name}' is taken"):
        find_metrics()


def test_without_views_their_metrics_are_null_and_a_range_that_was_cut_short_is_recorded():
    measured = measure(Z, None, SETTINGS.model_copy(update={"alpha_fit": (10, 100)}))
    assert [name for name in METRICS if measured[name] is None] == OF_VIEWS
    assert [name for name, metric in METRICS.items() if metric.needs_views] == OF_VIEWS
    assert measured["settings"]["lidar"] is measured["settings"]["alignment"] is None
    assert measured["settings"]["alpha_req"] == {"first_rank": 10, "last_rank": 40}


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
    assert {measured[name] for name in ("condition_number", "alpha_req", "idest")} == {None}
    assert measured["singular_values"][1:] == [0.0] * 39


def test_few_rows_are_no_error():
    for z in (Z[:2], Z[:10]):
        measured = measure(z, VIEWS[:2, :2], SETTINGS)
        assert measured["rankme"] == pytest.approx(rankme(z))
        assert measured["idest"] is None


def test_convergence_doubles_the_samples_up_to_all():
    curve = convergence(Z, 600, 1e-7)
    assert [(point["samples"], point["draws"]) for point in curve] == [(256, 5), (512, 5), (600, 5)]
    whole = convergence(Z, 25_600, 1e-7)[-1]
    assert whole == {"samples": 700, "mean": rankme(Z), "std": 0.0, "draws": 1}
    assert [point["samples"] for point in convergence(Z[:100], 600, 1e-7)] == [100]
