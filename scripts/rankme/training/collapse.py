"""What a run has come to, from what was measured of it: collapsed runs are results too."""

from collections.abc import Sequence

from rankme.artefacts import LogRow
from rankme.metrics.rankme import COLLAPSED_RANKME
from rankme.training.schedule import Schedule

HOPELESS_RANKME = 1.5
"""A run that is below in two successive measurements after warm-up is stopped there.

One is not enough: SimCLR with AdamW at 5,000 times its usual rate was measured at 1.1, 1.7 and, as
the rate fell, 6.3.
"""


def status_of(history: Sequence[LogRow], schedule: Schedule) -> str | None:
    """What a run with these rows of TRAINING_LOG is: completed, collapsed or (None) not over."""
    measured = [(row.step, row.rankme) for row in history if row.rankme is not None]
    after_warmup = [rankme for step, rankme in measured if step > schedule.warmup_steps]
    if len(after_warmup) > 1 and max(after_warmup[-2:]) < HOPELESS_RANKME:
        return "collapsed"
    if history[-1].step < schedule.steps:
        return None
    return "collapsed" if measured[-1][1] < COLLAPSED_RANKME else "completed"
