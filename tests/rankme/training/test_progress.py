import logging
from dataclasses import replace

import pytest

from rankme.artefacts import LogRow
from rankme.training.progress import Progress

ROW = LogRow(
    epoch=3,
    step=12,
    loss=4.2118,
    lr=0.0019,
    rankme=41.23,
    rank_seconds=0.5,
    views_per_second=3120.4,
    seconds=9.0,
)


def test_without_a_terminal_an_epoch_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress(epochs=10, steps=40, step=8)
    progress.step()
    progress.epoch(ROW)
    assert [record.getMessage() for record in caplog.records] == [
        "epoch 3/10  loss 4.212  lr 1.9e-03  rankme 41.2  3,120 views/s  remaining 00:00"
    ]


def test_an_epoch_that_was_not_measured_shows_no_rankme(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Progress(epochs=10, steps=40, step=8).epoch(replace(ROW, rankme=None))
    assert "rankme" not in caplog.text.split("loss")[1]
