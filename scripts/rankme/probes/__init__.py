"""Probes: what can be read from a frozen representation."""
