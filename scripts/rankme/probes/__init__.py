"""Probes: what can be read from a frozen encoder's features.

`fit` trains the read-outs (see `rankme.study.settings.READOUTS`) on training images, `evaluate`
measures them on test images, and `classifier` joins encoder and head again.
"""
