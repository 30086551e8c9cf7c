"""The one exception for mistakes a user can mend, and how messages are worded."""

import difflib
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """Bad input; the message names the file or key, the value, what is allowed and what to do."""


def refuse(mistakes: Iterable[str]) -> None:
    """Raise one UserError with all mistakes, a line each, if there are any."""
    lines = list(dict.fromkeys(mistakes))
    if lines:
        raise UserError("\n".join(lines))


class Mistakes(list[str]):
    """The mistakes of several parts, to be refused together.

    As a context it keeps what a UserError says, and the program goes on behind the block.
    """

    def __enter__(self) -> None:
        """Begin a part."""

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if isinstance(error, UserError):
            self += str(error).splitlines()
        return isinstance(error, UserError)


def unknown(key: str, name: Any, allowed: Iterable[Any]) -> str:
    """What is said of a name that a key may not have."""
    return f"{key}: {name!r} is not known{choices(name, allowed)}"


def choices(name: Any, allowed: Iterable[Any]) -> str:
    """The end of a message about an unknown name: a suggestion, and all that is allowed."""
    names = [str(choice) for choice in allowed]
    lower = {choice.lower(): choice for choice in names}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1)
    suggestion = f", did you mean {lower[near[0]]!r}?" if near else ";"
    return f"{suggestion} Allowed: {', '.join(names) or 'none'}"


def describe(error: UserError | OSError) -> str:
    """What an error says to the user, with the file it is about."""
    if not isinstance(error, OSError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def one_line(error: object) -> str:
    """A message without its line breaks."""
    return " ".join(str(error).split())
