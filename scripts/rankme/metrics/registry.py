"""The label-free metrics: what each is called, where it comes from and which values promise more.

Tables, statistics and figures take names, order and direction from here, without torch. RANK holds
the metrics of one dataset, RANKME_EVAL those of all in `["datasets"][dataset]`, for each tap
("embedding" and "representation") as

    n, k, eps            images, width of the features, eps of RankMe
    singular_values      all min(n, k), descending; empty where features are not finite
    one key a metric     its value, or null: not finite, not defined, or not measured
    settings             what else the metrics were measured with
    convergence          on the embeddings of the source only: RankMe against sample size, a list
                         of {"samples", "mean", "std", "draws"}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rankme.errors import UserError


@dataclass(frozen=True)
class Metric:
    """A label-free metric and how it is read.

    Attributes:
        label: name for tables and figures.
        source: paper that defines it.
        better: which values promise the better model: high ones, low ones, or those nearest to 1.
        why: the reason for that direction, as its source has it.
        needs_views: whether it is measured on augmented views instead of evaluation images.
    """

    label: str
    source: str
    better: Literal["high", "low", "near one"]
    why: str
    needs_views: bool = False

    def score(self, value: float) -> float:
        """A number that is higher the better the model that the metric promises."""
        match self.better:
            case "high":
                return value
            case "low":
                return -value
            case "near one":
                return -abs(value - 1)


RECORD_KEYS = ("n", "k", "eps", "singular_values", "settings", "convergence")
"""Keys of a record that are no metrics."""

TSITSULIN = "Tsitsulin et al., 2023 (arXiv 2305.16562)"

METRICS: dict[str, Metric] = {
    "rankme": Metric(
        "RankMe",
        "Garrido et al., ICML 2023 (arXiv 2210.02885)",
        "high",
        "the rank of the embeddings bounds that of what a linear head can tell apart",
    ),
    "effective_rank": Metric(
        "effective rank",
        "Roy & Vetterli, EUSIPCO 2007",
        "high",
        "RankMe without its eps",
    ),
    "alpha_req": Metric(
        "alpha-ReQ",
        "Agrawal et al., NeurIPS 2022",
        "near one",
        "a spectrum that decays as 1/j keeps the most information while staying smooth",
    ),
    "lidar": Metric(
        "LiDAR",
        "Thilak et al., ICLR 2024 (arXiv 2312.04000)",
        "high",
        "counts the directions that tell images apart despite their augmentation",
        needs_views=True,
    ),
    "nesum": Metric(
        "NESum",
        "He & Ozay, ICML 2022",
        "high",
        "between collapsed (1) and whitened (K) features, less collapsed ones transfer better",
    ),
    "stable_rank": Metric(
        "stable rank",
        TSITSULIN,
        "high",
        "a stable lower bound of the rank, which bounds what a linear head can tell apart",
    ),
    "participation_ratio": Metric(
        "participation ratio",
        "Gao et al., 2017 (bioRxiv 214262)",
        "high",
        "number of dimensions over which the variance is spread evenly",
    ),
    "condition_number": Metric(
        "condition number",
        TSITSULIN,
        "low",
        "the error of a linear head's least squares grows with it",
    ),
    "coherence": Metric(
        "coherence",
        TSITSULIN,
        "low",
        "where it is low no single image holds a direction of its own, so any sample of the"
        " images determines the head",
    ),
    "self_cluster": Metric(
        "self-cluster",
        TSITSULIN,
        "low",
        "0 is spread over the sphere as if at random, 1 is a single point: collapse",
    ),
    "uniformity": Metric(
        "uniformity",
        "Wang & Isola, ICML 2020 (arXiv 2005.10242)",
        "low",
        "a loss: the lower, the more evenly the sphere is used",
    ),
    "alignment": Metric(
        "alignment",
        "Wang & Isola, ICML 2020 (arXiv 2005.10242)",
        "low",
        "a loss: the lower, the closer the views of one image",
        needs_views=True,
    ),
    "idest": Metric(
        "IdEst",
        "Mordacq et al., ICML 2026 (arXiv 2606.03338)",
        "low",
        "the paper's error bound falls as n^(-1/d): of representations that learn, the one of lower"
        " intrinsic dimension d generalises better",
    ),
}


def register(metrics: Mapping[str, Metric]) -> None:
    """Add metrics to those there are.

    Raises:
        UserError: one has the name of another, or of a key of the records.
    """
    for name, metric in metrics.items():
        if name in METRICS or name in RECORD_KEYS:
            raise UserError(f"metrics/own/{name}.py: {name!r} is taken; choose another file name")
        METRICS[name] = metric
