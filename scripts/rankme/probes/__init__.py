"""Probes: what can be read from a frozen encoder's features.

`fit` trains the read-outs on training images, `evaluate` measures them on test images, `apply` is
how a head is applied, and `classifier` joins encoder and head again. A read-out is one of
`rankme.study.settings.READOUTS`.
"""
