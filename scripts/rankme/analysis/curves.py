"""Tables of curves: training, spectra, and RankMe against sample size."""

import pandas as pd

KEYS = ("method", "run")
TRAINING = (*KEYS, "epoch", "loss", "lr", "rankme")
SPECTRA = (*KEYS, "k", "index", "singular_value")
CONVERGENCE = (*KEYS, "k", "samples", "mean", "std", "draws")


def halving(convergence: pd.DataFrame) -> pd.DataFrame:
    """How far RankMe is from its value on all samples at half of these or less, a row a run.

    Returns:
        Columns `KEYS`, "samples", "k", and "change": 1 - RankMe of at most half the samples over
        RankMe of all.
    """
    keys = list(KEYS)
    ordered = convergence.sort_values("samples", kind="stable")
    whole = ordered.drop_duplicates(keys, keep="last")[[*keys, "samples", "mean"]]
    both = ordered.merge(whole, on=keys, suffixes=("", "_of_all"))
    half = both[(both["samples"] <= both["samples_of_all"] / 2) & (both["mean_of_all"] > 0)]
    half = half.drop_duplicates(keys, keep="last")
    change = 1 - half["mean"].astype(float) / half["mean_of_all"].astype(float)
    half = half.assign(samples=half["samples_of_all"], change=change)
    return half[[*keys, "samples", "k", "change"]]
