"""One file a reader; its name is what `reader:` says in config/datasets.yaml.

A reader has two public names. `OPTIONS` maps each option to a JSON-schema fragment with a
description and a default; it is a literal, so a check can read it without importing the file.
`read(root, size, **options)` returns a `rankme.data.raw.RawDataset` with splits train and test.
"""
