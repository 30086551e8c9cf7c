"""Publish every run of the study, its tables and its figures in an MLflow store.

The store is MLFLOW_TRACKING_URI, else SQLite in the results tree. It never stands on the command
line, which others on the machine can read: its address may hold a password.
"""

import argparse
import logging
import os
from pathlib import Path

from rankme import cli
from rankme.artefacts import Tree
from rankme.errors import UserError, describe
from rankme.files import write_json
from rankme.secrets import censor_output, label
from rankme.study.runs import runs
from rankme.tracking.destination import URI, destination

logger = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cli.add_study(parser)
    parser.add_argument("--models", action="store_true", help="send the models as well")
    parser.add_argument("--workers", type=int, default=1, help="processes that send the runs")
    parser.add_argument("--output", type=Path, required=True, help="PUBLISHED to write")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    study, results = cli.study_of(arguments)
    # Of a config; the workflow hands the address over in the environment.
    if study.tracking.uri:
        os.environ.setdefault(URI, study.tracking.uri)
    uri = destination(Tree(results))
    censor_output(uri)
    # Imported late: mlflow takes seconds, and whatever it prints is censored.
    from rankme.tracking.publishing import Publication

    found = runs(study)
    try:
        publication = Publication(study, found, results, arguments.models)
        outcomes = publication.publish(uri, arguments.workers)
    except (UserError, OSError) as error:
        raise UserError(
            f"{describe(error)}. The results themselves are complete, in {results}; to publish "
            f"them, say `snakemake {arguments.output}` (with the same --configfile, if any). What "
            "has been sent is not sent again"
        ) from None
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    logger.info("%s: study %r, records: %s", label(uri), study.study, counts)
    write_json(arguments.output, {"study": study.study, "runs": len(found), "store": label(uri)})


if __name__ == "__main__":
    cli.run(main)
