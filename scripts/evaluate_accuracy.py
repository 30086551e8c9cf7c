"""Accuracy of a fitted linear head on the test split."""

import argparse
from pathlib import Path
from time import perf_counter

from rankme import cli
from rankme.artefacts import provenance, save_record
from rankme.features import load_features
from rankme.files import sha256_file
from rankme.probes.evaluate import evaluate


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True, help="folder of features")
    parser.add_argument("--head", type=Path, required=True, help="a FINETUNED_MODEL")
    parser.add_argument("--output", type=cli.output_file, required=True, help="file to write")
    return parser.parse_args()


def main() -> None:
    start, arguments = perf_counter(), parse_arguments()
    record = evaluate(load_features(arguments.features), arguments.head)
    made_by = provenance(None, "cpu", perf_counter() - start, head=sha256_file(arguments.head))
    save_record(arguments.output, {**record, "provenance": made_by})


if __name__ == "__main__":
    cli.run(main)
