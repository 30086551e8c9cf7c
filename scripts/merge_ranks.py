"""All ranks of one pretrained model in one file."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from rankme import cli
from rankme.artefacts import provenance, read_metadata, read_record, save_record
from rankme.errors import UserError

KEPT = ("embedding", "representation", "split", "transform", "mode", "dataset_digest")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a PRETRAINED_MODEL")
    parser.add_argument("--ranks", type=Path, nargs="+", required=True, help="RANK of each dataset")
    parser.add_argument("--output", type=cli.output_file, required=True, help="file to write")
    return parser.parse_args()


def merge(model: Mapping[str, Any], ranks: Iterable[Path]) -> dict[str, Any]:
    """The RANKME_EVAL record of a model, from its metadata and its RANK files.

    Raises:
        UserError: a rank is missing or torn, or was measured on another model.
    """
    datasets = {}
    for path in ranks:
        rank = read_record(path, "RANK")
        if rank["encoder_sha256"] != model["weights_sha256"]:
            raise UserError(
                f"{path}: was measured on the encoder {rank['encoder_sha256']}, the model is "
                f"{model['weights_sha256']}; extract its features and measure their rank again"
            )
        datasets[rank["dataset"]] = {key: rank[key] for key in KEPT}
    return {
        "artefact": "RANKME_EVAL",
        "run": model["run"],
        "status": model["status"],
        "source": model["run"]["source"]["name"],
        "datasets": datasets,
    }


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    record = merge(read_metadata(arguments.model, "PRETRAINED_MODEL"), arguments.ranks)
    made_by = provenance(None, "cpu", perf_counter() - start)
    save_record(arguments.output, {**record, "provenance": made_by})


if __name__ == "__main__":
    cli.run(main)
