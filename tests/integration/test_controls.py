"""The two controls go through the whole study like any method."""

import json

import pandas as pd


def test_controls_reach_the_table(finished) -> None:
    finished.configure(lambda config: config.update(targets=[]))
    controls = [{"name": "RandomInit"}, {"name": "Supervised"}]
    finished.configure(lambda config: config.update(methods=controls))
    finished.run("results/tables/results.csv")
    table = pd.read_csv(finished.path / "results/tables/results.csv")
    assert table["method"].tolist() == ["RandomInit", "Supervised"]
    assert table["status"].isin(["completed", "collapsed"]).all()
    assert (table["rankme"] >= 1).all()
    assert table["top1"].between(0, 1).all()
    (run,) = finished.runs("RandomInit")
    (row,) = (run / "TRAINING_LOG").read_text().splitlines()
    assert (json.loads(row)["epoch"], json.loads(row)["loss"]) == (0, None)
