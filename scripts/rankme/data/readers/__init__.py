"""One file a reader; its name is what `reader:` says in config/datasets.yaml.

A reader has two public names. `class Options(Settings)` declares each option with its default,
bounds and meaning. `read(root, size, options)` returns a `rankme.data.raw.RawDataset` with splits
train and test, and raises UserError where its data is neither there nor to be had, or is damaged.
`LABELLED = False` says that the labels mean nothing, `FETCHES = False` that files are listed and
never downloaded. The check of a study imports the file, so what takes seconds to load (torch,
torchvision) is imported within `read`.
"""
