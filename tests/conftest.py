"""Fixtures of several rooms."""

from tests.stores import postgres, running, server  # noqa: F401
