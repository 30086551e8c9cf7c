"""Pretrain one encoder without labels; TRAINING_LOG and checkpoints go into the model's folder.

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
from rankme.artefacts import DATASET, Tree, provenance, save_model, weights_digest
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
    from rankme.data.dataset import Dataset
    from rankme.training import Outcome

logger = logging.getLogger(__name__)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=cli.output_file, required=True, help="PRETRAINED_MODEL")
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
    config, training, default = {}, Training(), {}
    if arguments.config:
        config = read_yaml(arguments.config)
        study = load_study(config)
        training = study.training
        default = {entry.name: entry.default for entry in study.methods}.get(arguments.method, {})
    warmup = default.get("warmup_epochs", training.warmup_epochs)
    method = {"name": arguments.method, "default": default | point_by_hand(arguments, warmup)}
    run = {"source": arguments.source, "seeds": [arguments.seed], "methods": [method]}
    return load_study(config | run | {"targets": [], "default_seeds": []})


def point_by_hand(arguments: argparse.Namespace, warmup: float) -> dict[str, Any]:
    """What the command line says of the run; it cuts the usual warm-up where --epochs are fewer."""
    point, epochs = {}, arguments.epochs
    for pair in arguments.values:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UserError(f"--set: {pair!r} is not KEY=VALUE, such as temperature=0.2")
        point[key] = from_text(value)
    if epochs is None:
        return point
    cut = epochs / 10
    if epochs < warmup and "warmup_epochs" not in point:
        point["warmup_epochs"] = cut
        logger.info("the warm-up of %g epochs is longer than the run: cut to %g", warmup, cut)
    return point | {"epochs": epochs}


def prepared(study: Study) -> Path:
    """The folder of the study's source, prepared now if it is not yet.

    Of several processes the first prepares it; the others come to wait where all meet.
    """
    folder = Tree(study.results).dataset(study.source)
    if is_first_process() and not (folder / DATASET).exists():
        from rankme.data.prepare import prepare

        prepare(study.source, study.datasets[study.source], folder, os.cpu_count() or 1)
    return folder


def train(run: RunSettings, data: Path, device_name: str, output: Path) -> None:
    """Train the run and write its model; a run that diverges or collapses is a result as well."""
    # Imported late: a mistake on the command line is told before torch is loaded.
    from rankme.data.dataset import load_dataset
    from rankme.device import choose_device, describe_device
    from rankme.training import StopRequest, distributed, pretrain, remove_checkpoints

    with distributed.process_group(), StopRequest() as stop:
        with distributed.one_fate():
            device, dataset = choose_device(device_name), load_dataset(data)
            require_source(run.source, data)
        outcome = pretrain(run, dataset, device, output.parent, stop)
        if is_first_process():
            save(outcome, run, dataset, describe_device(device, distributed.world_size()), output)
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


def save(outcome: "Outcome", run: RunSettings, data: "Dataset", place: str, output: Path) -> None:
    """Write PRETRAINED_MODEL; `place` is where it was trained."""
    metadata = {
        "artefact": "PRETRAINED_MODEL",
        "run": plain(run),
        "status": outcome.status,
        "step": outcome.step,
        "steps": outcome.steps,
        "rankme": outcome.rankme,
        "precision": outcome.precision,
        "dataset_digest": data.digest,
        "normalisation": data.normalisation,
        "image_size": data.image_size,
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
