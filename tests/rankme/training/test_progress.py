import logging

import pytest

from rankme.artefacts import LogRow
from rankme.training.progress import Progress


@pytest.mark.parametrize(("rankme", "shown"), [(41.23, "  rankme 41.2"), (None, "")])
def test_without_a_terminal_an_epoch_is_one_line(
    caplog: pytest.LogCaptureFixture, rankme: float | None, shown: str
) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress(epochs=10, steps=40, step=8)
    progress.step()
    progress.epoch(LogRow(3, 12, 4.2118, 0.0019, rankme, 0.5, 3120.4, 9.0))
    assert [record.getMessage() for record in caplog.records] == [
        f"epoch 3/10  loss 4.212  lr 1.9e-03{shown}  3,120 views/s  remaining 00:00"
    ]
