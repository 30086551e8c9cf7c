"""Pretrain one encoder without labels.

The workflow gives the whole run as JSON. By hand, a method and a source are enough; everything else
has the defaults of the config's schema, or of the study named by --config:

  python scripts/pretrain.py --method SimCLR --source cifar10 --epochs 100 --set temperature=0.2 \\
      --output MODEL

On several CUDA cards at once, with the same result: torchrun --nproc-per-node 4 scripts/pretrain.py
and the same arguments.
"""

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankme import cli
from rankme.artefacts import DATASET, Tree
from rankme.errors import UserError
from rankme.files import read_json
from rankme.processes import is_first_process
from rankme.study.config import load_study
from rankme.study.datasets import Source, other_pixels
from rankme.study.identity import plain
from rankme.study.runs import RunSettings, run_from_json, runs
from rankme.study.settings import Training
from rankme.study.study import Study
from rankme.tracking.live import reported
from rankme.yaml_files import from_text, read_yaml

if TYPE_CHECKING:
    import torch

    from rankme.data.dataset import Dataset
    from rankme.training import Outcome

logger = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=cli.output_file,
        required=True,
        help="PRETRAINED_MODEL to write; TRAINING_LOG and checkpoints go into its folder",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N")
    parser.add_argument("--dataset", type=Path, help="DATASET of the prepared source")
    parser.add_argument("--run", type=cli.json_object, help="all settings of the run, as JSON")
    hand = parser.add_argument_group("by hand")
    hand.add_argument("--method", help="such as SimCLR")
    hand.add_argument("--source", help="dataset declared in the datasets file")
    hand.add_argument("--epochs", type=int, help="passes over the source")
    hand.add_argument("--seed", type=int, default=0)
    hand.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="values")
    hand.add_argument("--config", type=Path, help="study whose settings are the defaults")
    arguments = parser.parse_args()
    if arguments.run is None and not (arguments.method and arguments.source):
        parser.error("give --method and --source, or --run")
    if arguments.run is not None and arguments.dataset is None:
        parser.error("--run needs --dataset")
    return arguments


def study_by_hand(arguments: argparse.Namespace) -> Study:
    """A study of one run, checked and completed as the workflow would."""
    config: dict[str, Any] = {}
    training, default = Training(), {}
    if arguments.config:
        config = read_yaml(arguments.config)
        study = load_study(config)
        training = study.training
        default = {entry.name: entry.default for entry in study.methods}.get(arguments.method, {})
    warmup = default.get("warmup_epochs", training.warmup_epochs)
    point = default | point_by_hand(arguments, warmup)
    config |= {
        "source": arguments.source,
        "targets": [],
        "seeds": [arguments.seed],
        "default_seeds": [],
        "methods": [{"name": arguments.method, "default": point}],
    }
    return load_study(config)


def point_by_hand(arguments: argparse.Namespace, warmup: float) -> dict[str, Any]:
    """What the command line says of the run; it cuts the usual warm-up where --epochs are fewer."""
    point = dict(parse_value(pair) for pair in arguments.values)
    epochs = arguments.epochs
    if epochs is None:
        return point
    if epochs < warmup and "warmup_epochs" not in point:
        point["warmup_epochs"] = epochs / 10
        logger.info(
            "the warm-up of %g epochs is longer than the run: cut to %g", warmup, epochs / 10
        )
    return point | {"epochs": epochs}


def parse_value(pair: str) -> tuple[str, Any]:
    key, sign, value = pair.partition("=")
    if not sign:
        raise UserError(f"--set: {pair!r} is not KEY=VALUE, such as temperature=0.2")
    return key, from_text(value)


def prepared(study: Study) -> Path:
    """The folder of the study's source, prepared now if it is not yet.

    Of several processes the first prepares it; the others come to wait where all meet.
    """
    folder = Tree(study.results).dataset(study.source)
    if is_first_process() and not (folder / DATASET).exists():
        from rankme.data.prepare import prepare

        declaration = study.datasets[study.source]
        prepare(study.source, declaration, folder, workers=os.cpu_count() or 1)
    return folder


def train(run: RunSettings, data: Path, device_name: str, output: Path) -> None:
    """Train the run and write its model; a run that diverges or collapses is a result as well."""
    # Imported late: a mistake on the command line is told before torch is loaded.
    from rankme.data.dataset import load_dataset
    from rankme.device import choose_device
    from rankme.training import StopRequest, distributed, pretrain, remove_checkpoints

    with distributed.process_group(), StopRequest() as stop:
        with distributed.one_fate():
            device, dataset = choose_device(device_name), load_dataset(data)
            require_source(run.source, data)
        outcome = pretrain(run, dataset, device, output.parent, stop)
        if distributed.is_first():
            save(outcome, run, dataset, device, output)
            remove_checkpoints(output.parent)


def require_source(source: Source, data: Path) -> None:
    """Refuse a prepared dataset that is not the run's source as the run declares it."""
    record = read_json(data / DATASET)
    differing = ["name"] * (record["name"] != source.name)
    differing += other_pixels(record["declaration"], source)
    if differing:
        raise UserError(
            f"{data / DATASET}: its {', '.join(differing)} is not that of the source "
            f"{source.name!r}; name the source's own DATASET, or delete {data} and prepare anew"
        )


def save(
    outcome: "Outcome",
    run: RunSettings,
    dataset: "Dataset",
    device: "torch.device",
    output: Path,
) -> None:
    """Write PRETRAINED_MODEL."""
    from rankme.artefacts import provenance, save_model, weights_digest
    from rankme.device import describe_device
    from rankme.training import distributed

    processes = distributed.world_size()
    place = (
        describe_device(device) if processes == 1 else f"{processes} x {describe_device(device)}"
    )
    metadata = {
        "artefact": "PRETRAINED_MODEL",
        "run": plain(run),
        "status": outcome.status,
        "step": outcome.step,
        "steps": outcome.steps,
        "rankme": outcome.rankme,
        "precision": outcome.precision,
        "dataset_digest": dataset.digest,
        "normalisation": dataset.normalisation,
        "image_size": dataset.image_size,
        "weights_sha256": weights_digest(outcome.tensors),
        "provenance": provenance(run.seed, place, outcome.seconds),
    }
    save_model(output, outcome.tensors, metadata)


def main() -> None:
    arguments = parse_arguments()
    if arguments.run is not None:
        run, data = run_from_json(arguments.run), arguments.dataset.parent
    else:
        study = study_by_hand(arguments)
        run = runs(study)[0].settings
        # The workflow's number of threads, on which a CPU's last bits depend; torch comes later.
        os.environ.setdefault("OMP_NUM_THREADS", str(study.compute.threads))
        from rankme.device import choose_device

        choose_device(arguments.device)  # One that is not there is told before data is fetched.
        data = arguments.dataset.parent if arguments.dataset else prepared(study)

    with reported(run, arguments.output.parent):
        train(run, data, arguments.device, arguments.output)


if __name__ == "__main__":
    cli.run(main)
