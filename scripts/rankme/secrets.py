"""What must not be shown: passwords and tokens in addresses, and how to name an address without."""

import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

HIDDEN = "***"

_SECRET_VARIABLES = re.compile("PASSWORD|PASSWD|TOKEN(?!IZER)|SECRET|CREDENTIAL|ACCESS_KEY")
_IN_TEXT = re.compile(r"(?<=://)[^\s'\"]*@|(?<=[?&])[\w.-]+=[^\s'\"&]+")


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for a server or another database."""
    scheme, _, path = uri.partition("?")[0].partition(":///")
    kind = scheme.partition("+")[0]
    return Path(path).absolute() if kind == "sqlite" and path and path != ":memory:" else None


def label(uri: str) -> str:
    """A store as it may be shown: scheme, host and port, or a SQLite file; no name, no secret."""
    if file := sqlite_file(uri):
        return f"sqlite:///{file}"
    parts = split_address(uri)
    if parts is None or not parts.hostname or "@" in parts.path + parts.query + parts.fragment:
        return f"{uri.partition('://')[0]}://{HIDDEN}" if "://" in uri else HIDDEN
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def holds_credentials(uri: str) -> bool:
    """Whether a URI may hold what a config must not: a password, a token, or options that are one.

    The name of a database's user is none; a server's may be a token. What cannot be parsed, or has
    no scheme, may be an address whose password is where a host or a port should be.
    """
    parts = split_address(uri)
    if parts is None or (":" in uri and "://" not in uri):
        return True
    user = parts.password is not None or (parts.username and parts.scheme.startswith("http"))
    if sqlite_file(uri):
        return bool(user or parts.fragment)
    return bool(user or parts.query or parts.fragment or "@" in parts.path)


def secrets(uri: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Strings that must not be shown, the longest first: of the URI, and of the environment."""
    found = {value for name, value in environment.items() if _SECRET_VARIABLES.search(name.upper())}
    found |= set() if sqlite_file(uri) else _secret_parts(uri)
    # As a header, a line of text and a Python literal show them.
    for shown in (unquote, str.strip, lambda value: repr(value)[1:-1]):
        found |= {shown(value) for value in found}
    return sorted((value for value in found if len(value) > 3), key=len, reverse=True)


def _secret_parts(uri: str) -> set[str]:
    """Strings of an address that are secret, or may be: also where it is none, or a parser errs."""
    scheme, sign, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    parts, found = split_address(uri), set()
    if parts:
        options = parse_qsl(parts.query) + parse_qsl(parts.fragment)
        found = {parts.query, parts.fragment, *(value for _, value in options)}
    if "@" in rest:
        user, _, password = rest.rpartition("@")[0].partition(":")
        # A server's user may be a token; a database's is a name.
        found |= {user} if scheme.lower() in ("", "http", "https") else set()
    else:
        # A forgotten host or scheme: what stands for its port is none.
        password = "" if parts and sign else rest.partition(":")[2]
    # A password with a slash or a question mark in it is torn apart by every parser.
    return found | {password, *re.split(r"[][/?#:@]", password)}


def censored(text: str, hidden: list[str]) -> str:
    """A text without these secrets, and without user, password and options of any URI in it."""
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return _IN_TEXT.sub(lambda found: HIDDEN + ("@" if found[0].endswith("@") else ""), text)


def censor_output(uri: str) -> None:
    """Hide secrets in all that this process writes from here on."""
    hidden = secrets(uri)
    streams: tuple[Any, Any] = _Censor(sys.stdout, hidden), _Censor(sys.stderr, hidden)
    sys.stdout, sys.stderr = streams
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)


class _Censor:
    """A text stream in which these strings are hidden."""

    def __init__(self, stream: Any, hidden: list[str]) -> None:
        self._stream, self._hidden = stream, hidden

    def write(self, text: str) -> int:
        self._stream.write(censored(text, self._hidden))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def split_address(uri: str) -> SplitResult | None:
    """The parts of a URI; None for one that cannot be parsed."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 (raises where it is no number)
    except ValueError:
        return None
    return parts
