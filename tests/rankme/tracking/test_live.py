"""The live view costs a training nothing, whatever becomes of it."""

import errno
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rankme.tracking.destination import LIVE
from rankme.tracking.live import reported
from tests.rankme.analysis.synthetic import make_run


def test_a_reporter_that_cannot_be_started_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setenv(LIVE, "study")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    trained = []
    with caplog.at_level(logging.WARNING), reported(make_run().settings, tmp_path):
        trained.append(True)
    assert trained
    assert "cannot start (Resource temporarily unavailable); training goes on" in caplog.text
