"""Label-free metrics: RankMe and its rivals, of a pretrained model on a dataset, or of any matrix.

Every setting has the default of the study's. A matrix that was made elsewhere needs nothing but its
file:

  python scripts/evaluate_rank.py --embeddings FILE.npy
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from rankme import cli
from rankme.artefacts import provenance, save_record
from rankme.errors import UserError
from rankme.features import LAYERS
from rankme.files import sha256_file
from rankme.matrix import load_matrix
from rankme.metrics.measure import METRICS, convergence, measure
from rankme.metrics.rows import SUBSET_SEED, subset
from rankme.study.identity import revived
from rankme.study.settings import Rank

SPLIT = "train"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", type=Path, help="a PRETRAINED_MODEL")
    source.add_argument("--embeddings", type=Path, help="N x K matrix, .npy or .safetensors")
    parser.add_argument("--dataset", type=Path, help="DATASET of a prepared dataset, for --model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--key", help="tensor of a .safetensors file that holds several")
    parser.add_argument("--samples", type=int, help="rows, at most all: a fixed random subset")
    parser.add_argument("--eps", type=float, help="added to each share of RankMe")
    parser.add_argument(
        "--rank",
        type=cli.json_object,
        default={},
        metavar="JSON",
        help="these and other keys of the study's `rank` section; those left out have the defaults",
    )
    parser.add_argument("--convergence", action="store_true", help="RankMe against sample size too")
    parser.add_argument("--output", type=cli.output_file, help="JSON file to write")
    return parser.parse_args()


def model_record(arguments: argparse.Namespace, settings: Rank) -> tuple[dict[str, Any], str]:
    """The RANK record of a pretrained model on a dataset, and the device that it ran on.

    Of the images those alone pass through the model that a metric looks at. Their features, which
    may be larger than memory, are in a folder meanwhile.
    """
    from rankme.data.dataset import load_dataset
    from rankme.device import choose_device, describe_device
    from rankme.extraction import Extractor, frozen, temporary_folder
    from rankme.models.pretrained import load_encoder

    if arguments.dataset is None:
        raise UserError("--model needs --dataset; give the DATASET of a prepared dataset")
    device, model = choose_device(arguments.device), load_encoder(arguments.model)
    dataset = load_dataset(arguments.dataset.parent)
    images = dataset.splits[SPLIT].images
    rows, of_views = (subset(len(images), n) for n in (settings.samples, settings.lidar_images))
    passed = np.arange(len(images)) if arguments.convergence else rows
    with temporary_folder(arguments.output and arguments.output.parent) as folder:
        extractor = Extractor(model, device, folder)
        with frozen(model, device):
            layers = extractor.images(images, passed, SPLIT)
            views = extractor.views(images, of_views, settings.lidar_views)
        sample = np.isin(passed, rows)
        measured = {str(n): measure(layers[n][sample], views[n], settings) for n in LAYERS}
        if arguments.convergence:
            curve = convergence(layers["embedding"], settings.samples, settings.eps)
            measured["embedding"]["convergence"] = curve
    about = {
        "artefact": "RANK",
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "encoder_sha256": model.digest,
        "split": SPLIT,
        "transform": "evaluation: no augmentation, normalised as in training",
        "mode": "eval",
    }
    return {**about, **measured}, describe_device(device)


def matrix_record(arguments: argparse.Namespace, settings: Rank) -> tuple[dict[str, Any], str]:
    """The METRICS record of a matrix that was made elsewhere, and the device.

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
    about = {"artefact": "METRICS", "file": str(file), "sha256": sha256_file(file)}
    return {**about, "embedding": measured}, "cpu"


def table(layers: Mapping[str, Mapping[str, Any]]) -> str:
    """The metrics as text: a line each, a column a layer."""
    lines = [["", *layers]]
    for key in ("n", "k", "eps"):
        lines.append([key, *(f"{layer[key]}" for layer in layers.values())])
    for name, metric in METRICS.items():
        values = [layer[name] for layer in layers.values()]
        lines.append([metric.label, *("-" if v is None else f"{v:.6g}" for v in values)])
    return "\n".join(f"{name:22}" + "".join(f"{c:>16}" for c in cells) for name, *cells in lines)


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    options = {"samples": arguments.samples, "eps": arguments.eps}
    given = {key: value for key, value in options.items() if value is not None}
    settings = revived(Rank, arguments.rank | given, "--rank")
    record, device = (model_record if arguments.model else matrix_record)(arguments, settings)
    print(table({layer: record[layer] for layer in LAYERS if layer in record}))
    if arguments.output:
        made_by = provenance(SUBSET_SEED, device, perf_counter() - start)
        save_record(arguments.output, {**record, "provenance": made_by})


if __name__ == "__main__":
    cli.run(main)
