"""What a run has come to, from what was measured of it: collapsed runs are results too."""

from typing import Any

from rankme.training.schedule import Schedule

COLLAPSED_RANKME = 2.0
"""A run that ends below has collapsed: its embeddings have about one direction."""

HOPELESS_RANKME = 1.5
"""A run that is below in two successive measurements after warm-up is stopped there.

One is not enough: SimCLR with AdamW at 5,000 times its usual rate was measured at 1.1, 1.7 and, as
the rate fell, 6.3.
"""


def verdict(history: list[dict[str, Any]], schedule: Schedule) -> str | None:
    """What a run with these rows of TRAINING_LOG is: completed, collapsed or (None) not over."""
    after_warmup = [row for row in history if row["step"] > schedule.warmup_steps]
    measured = [row["rankme"] for row in after_warmup if row["rankme"] is not None]
    if len(measured) > 1 and max(measured[-2:]) < HOPELESS_RANKME:
        return "collapsed"
    if history[-1]["step"] < schedule.steps:
        return None
    return "collapsed" if history[-1]["rankme"] < COLLAPSED_RANKME else "completed"
