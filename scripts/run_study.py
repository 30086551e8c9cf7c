"""Run a study through snakemake with some of its values replaced: what `mlflow run .` starts.

A value that is not given is the study's own. By hand the same is a second file with these values:
`snakemake --configfile config/config.yaml other-values.yaml`.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rankme import cli
from rankme.errors import UserError
from rankme.files import write_json

ROOT = Path(__file__).resolve().parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="the study")
    # An empty value is what MLflow gives for a parameter that was left out.
    parser.add_argument("--device", default="", help="auto, cpu, mps, cuda or cuda:N")
    parser.add_argument("--epochs", default="", help="passes over the source")
    parser.add_argument("--batch-size", default="", help="images a step")
    parser.add_argument("--workers", default="", help="processor cores that the study may use")
    return parser.parse_args()


def replaced(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The part of a config that replaces the study's own.

    Raises:
        UserError: a number is none.
    """
    training = {}
    for key, text in (("epochs", arguments.epochs), ("batch_size", arguments.batch_size)):
        if text and not text.isdecimal():
            raise UserError(f"{key}: {text!r} is not a whole number; give one, such as 64")
        if text:
            training[key] = int(text)
    compute = {"device": arguments.device} if arguments.device else {}
    return {"training": training, "compute": compute}


def main() -> None:
    arguments = parse_arguments()
    cores = ["--cores", arguments.workers] if arguments.workers else []
    snakemake = Path(sys.executable).with_name("snakemake")
    with TemporaryDirectory() as folder:
        values = Path(folder) / "values.json"
        # A file, since Snakemake takes numbers inside --config for text.
        write_json(values, replaced(arguments))
        words = [str(snakemake), "--configfile", arguments.config, str(values), *cores]
        sys.exit(subprocess.run(words, cwd=ROOT).returncode)


if __name__ == "__main__":
    cli.run(main)
