"""Which MLflow store results go to, and how to name it without secrets. Standard library only."""

import hashlib
import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

URI = "MLFLOW_TRACKING_URI"

LIVE = "RANKME_LIVE"
"""Environment variable that names the study of a run which reports while it trains."""

FOLDER = "tracking"
"""Folder of the local store below the results tree."""

HIDDEN = "***"

_SECRET_VARIABLES = re.compile("PASSWORD|PASSWD|TOKEN|SECRET|CREDENTIAL|ACCESS_KEY")
_IN_TEXT = re.compile(r"(?<=://)[^\s'\"]*@|(?<=[?&])[\w.-]+=[^\s'\"&]+")


def destination(results: Path) -> str:
    """MLFLOW_TRACKING_URI, which the workflow sets to `tracking.uri`; else SQLite in the tree."""
    return os.environ.get(URI) or f"sqlite:///{results.absolute() / FOLDER / 'mlflow.db'}"


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for a server or another database."""
    scheme, _, path = uri.partition("?")[0].partition(":///")
    return Path(path).absolute() if scheme == "sqlite" and path else None


def label(uri: str) -> str:
    """A store as it may be shown: scheme, host and port, or a SQLite file; no name, no secret."""
    if file := sqlite_file(uri):
        return f"sqlite:///{file}"
    parts = _split(uri)
    if parts is None or not parts.hostname or "@" in parts.path + parts.query + parts.fragment:
        return f"{uri.partition('://')[0]}://{HIDDEN}" if "://" in uri else HIDDEN
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def fingerprint(uri: str) -> str:
    """What tells a store from others, of which no address can be read."""
    parts = _split(uri)
    place = label(uri) + (parts.path if parts else "")
    return hashlib.sha256(place.encode()).hexdigest()


def holds_credentials(uri: str) -> bool:
    """Whether a URI holds what a config must not: a password, a token, or options that may be one.

    The name of a database's user is none; a server's may be a token.
    """
    parts = _split(uri)
    if parts is None:
        return "@" in uri
    user = parts.password is not None or (parts.username and parts.scheme.startswith("http"))
    odd = "@" in parts.path + parts.fragment
    return bool(user or odd or (parts.query and parts.scheme != "sqlite"))


def secrets(uri: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Strings that must not be shown, the longest first: of the URI, and of the environment."""
    found = {value for name, value in environment.items() if _SECRET_VARIABLES.search(name.upper())}
    authority = uri.rpartition("://")[2]
    if "@" in authority:
        # A password with a slash or a question mark in it is torn apart by every parser.
        userinfo = authority.rpartition("@")[0]
        password = userinfo.partition(":")[2] or userinfo
        found |= {userinfo, password, *re.split("[/?#:@]", password)}
    if parts := _split(uri):
        found |= {parts.password or "", *(value for _, value in parse_qsl(parts.query))}
        found |= {parts.username or ""} if parts.scheme.startswith("http") else set()
    found |= {unquote(value) for value in found}
    return sorted((value for value in found if len(value) > 3), key=len, reverse=True)


def censored(text: str, hidden: list[str]) -> str:
    """A text without these secrets, and without what looks like one in any URI in it."""
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return without_credentials(text)


def without_credentials(text: str) -> str:
    """A text in whose URIs user, password and options are hidden."""
    return _IN_TEXT.sub(lambda found: HIDDEN + ("@" if found[0].endswith("@") else ""), text)


def censor_output(uri: str) -> None:
    """Hide secrets in all that this process writes from here on."""
    hidden = secrets(uri)
    censor: Any = _Censor(sys.stderr, hidden)
    sys.stdout, sys.stderr = cast(Any, _Censor(sys.stdout, hidden)), censor
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(censor)


class _Censor:
    """A text stream in which these strings are hidden."""

    def __init__(self, stream: Any, hidden: list[str]) -> None:
        self._stream, self._hidden = stream, hidden

    def write(self, text: str) -> int:
        self._stream.write(censored(text, self._hidden))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _split(uri: str) -> SplitResult | None:
    """The parts of a URI; None for one that cannot be parsed."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError:
        return None
    return parts
