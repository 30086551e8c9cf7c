"""All ranks of one pretrained model in one file."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

from rankme import cli
from rankme.artefacts import provenance, read_metadata, read_record, save_record
from rankme.errors import UserError
from rankme.features import LAYERS

KEPT = (*LAYERS, "split", "transform", "mode", "dataset_digest")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a PRETRAINED_MODEL")
    parser.add_argument("--ranks", type=Path, nargs="+", required=True, help="RANK of each dataset")
    parser.add_argument("--output", type=cli.output_file, required=True, help="file to write")
    return parser.parse_args()


def merge(model: Path, ranks: Iterable[Path]) -> dict[str, Any]:
    """The RANKME_EVAL record of a model, from its metadata and its RANK files.

    Raises:
        UserError: a file is missing or torn, lacks a key, or a rank was measured on another model.
    """
    metadata, datasets = read_metadata(model, "PRETRAINED_MODEL"), {}
    run, digest = metadata["run"], metadata["weights_sha256"]
    for file in ranks:
        rank = read_record(file, "RANK")
        if rank["encoder_sha256"] != digest:
            raise UserError(
                f"{file}: was measured on the encoder {rank['encoder_sha256']}, the model is "
                f"{digest}; measure its rank again"
            )
        datasets[rank["dataset"]] = {key: rank[key] for key in KEPT}
    about = {"run": run, "status": metadata["status"], "source": run["source"]["name"]}
    return {"artefact": "RANKME_EVAL", **about, "datasets": datasets}


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    record = merge(arguments.model, arguments.ranks)
    made_by = provenance(None, "cpu", perf_counter() - start)
    save_record(arguments.output, {**record, "provenance": made_by})


if __name__ == "__main__":
    cli.run(main)
