"""Data sets: declared in config/datasets.yaml, read, decoded once, served as batches."""
