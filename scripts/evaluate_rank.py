"""Label-free metrics: RankMe and its rivals, of features of a dataset or of any matrix.

Every setting has the default of the config's schema. A matrix that was made elsewhere needs nothing
but its file:

  python scripts/evaluate_rank.py --embeddings FILE.npy
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from rankme import cli
from rankme.artefacts import provenance, save_record
from rankme.errors import UserError
from rankme.features import TAPS, load_features
from rankme.files import sha256_file
from rankme.matrix import load_matrix
from rankme.metrics.measure import convergence, measure
from rankme.metrics.registry import METRICS
from rankme.metrics.rows import SUBSET_SEED, subset
from rankme.metrics.settings import RankSettings

SPLIT = "train"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--features", type=Path, help="folder of features")
    source.add_argument("--embeddings", type=Path, help="N x K matrix, .npy or .safetensors")
    parser.add_argument("--key", help="tensor of a .safetensors file that holds several")
    parser.add_argument("--samples", type=int, help="rows, at most all: a fixed random subset")
    parser.add_argument("--eps", type=float, help="added to each share of RankMe")
    parser.add_argument(
        "--rank",
        type=cli.json_object,
        default={},
        metavar="JSON",
        help="these and other keys of the study's `rank` section; those left out have the schema's"
        " defaults",
    )
    parser.add_argument("--convergence", action="store_true", help="RankMe against sample size too")
    parser.add_argument("--output", type=cli.output_file, help="JSON file to write")
    return parser.parse_args()


def settings_of(arguments: argparse.Namespace) -> RankSettings:
    """The settings that were given, checked and completed as in the workflow."""
    options = {"samples": arguments.samples, "eps": arguments.eps}
    given = arguments.rank | {key: value for key, value in options.items() if value is not None}
    return RankSettings(**cli.import_workflow("checks").section("rank", given, "rank"))


def of_features(arguments: argparse.Namespace, settings: RankSettings) -> dict[str, Any]:
    """The RANK record of a folder of features."""
    features = load_features(arguments.features)
    split = features.splits[SPLIT]
    rows = subset(len(split.labels), settings.samples)
    taps = {
        tap: measure(getattr(split, tap)[rows], features.views.get(tap), settings) for tap in TAPS
    }
    if arguments.convergence:
        curve = convergence(split.embedding, settings.samples, settings.eps)
        taps["embedding"]["convergence"] = curve
    return {
        "artefact": "RANK",
        "dataset": features.dataset,
        "dataset_digest": features.dataset_digest,
        "encoder_sha256": features.encoder_sha256,
        "split": SPLIT,
        "transform": "evaluation: no augmentation, normalised as in training",
        "mode": "eval",
        **taps,
    }


def of_matrix(arguments: argparse.Namespace, settings: RankSettings) -> dict[str, Any]:
    """The METRICS record of a matrix that was made elsewhere.

    Raises:
        UserError: it has values that are no numbers, or too large ones.
    """
    file: Path = arguments.embeddings
    matrix = load_matrix(file, arguments.key)
    measured = measure(matrix[subset(len(matrix), settings.samples)], None, settings)
    if measured["rankme"] is None:
        raise UserError(f"{file}: holds NaN, infinite or too large values; leave such rows out")
    if arguments.convergence:
        measured["convergence"] = convergence(matrix, settings.samples, settings.eps)
    record = {"artefact": "METRICS", "file": str(file), "sha256": sha256_file(file)}
    return {**record, "embedding": measured}


def table(taps: Mapping[str, Mapping[str, Any]]) -> str:
    """The metrics as text: a line each, a column a tap."""
    lines = [["", *taps]]
    for key in ("n", "k", "eps"):
        lines.append([key, *(f"{tap[key]}" for tap in taps.values())])
    for name, metric in METRICS.items():
        values = [tap[name] for tap in taps.values()]
        lines.append([metric.label, *("-" if v is None else f"{v:.6g}" for v in values)])
    return "\n".join(
        f"{line[0]:22}" + "".join(f"{cell:>16}" for cell in line[1:]) for line in lines
    )


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    settings = settings_of(arguments)
    record = (of_features if arguments.features else of_matrix)(arguments, settings)
    print(table({tap: record[tap] for tap in TAPS if tap in record}))
    if arguments.output:
        made_by = provenance(SUBSET_SEED, "cpu", perf_counter() - start)
        save_record(arguments.output, {**record, "provenance": made_by})


if __name__ == "__main__":
    cli.run(main)
