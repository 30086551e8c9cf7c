"""Which MLflow store results go to. Without mlflow."""

import hashlib
import os

from rankme.artefacts import Tree
from rankme.errors import UserError
from rankme.secrets import label, split_address, sqlite_file

URI = "MLFLOW_TRACKING_URI"

LIVE = "RANKME_LIVE"
"""Environment variable that names the study of a run which reports while it trains."""


def destination(tree: Tree) -> str:
    """MLFLOW_TRACKING_URI, which the workflow sets to `tracking.uri`; else SQLite in the tree."""
    return os.environ.get(URI) or f"sqlite:///{tree.tracking.absolute() / 'mlflow.db'}"


def require_address(uri: str) -> None:
    """Refuse what cannot be the address of a store, or of one that keeps anything.

    Raises:
        UserError: without any part that may be secret.
    """
    if split_address(uri) is None:
        raise UserError(
            f"the tracking store {label(uri)}: its address cannot be parsed; it is "
            "SCHEME://USER:PASSWORD@HOST:PORT, with characters such as []%/ written as %5B"
        )
    if uri.startswith("sqlite") and not sqlite_file(uri):
        raise UserError("the tracking store sqlite:// keeps nothing; name a file: sqlite:///FILE")


def fingerprint(uri: str) -> str:
    """What tells a store from others, of which no address can be read."""
    parts = split_address(uri)
    place = label(uri) + (parts.path if parts else "")
    return hashlib.sha256(place.encode()).hexdigest()
