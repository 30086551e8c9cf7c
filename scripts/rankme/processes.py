"""The processes of a run, as their launcher says; without torch."""

import os


def is_first_process() -> bool:
    """Whether this is the first or only process of a run."""
    return os.environ.get("RANK", "0") == "0"
