"""Features of a pretrained encoder and its projector on every split of a dataset.

Of all images as they are, and of augmented views of some training images, which LiDAR and alignment
are measured on.
"""

import argparse
from pathlib import Path

from rankme import cli
from rankme.artefacts import load_encoder
from rankme.data.dataset import load_dataset
from rankme.device import choose_device
from rankme.features import ViewCount, extract

BATCH_SIZE = 256


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a PRETRAINED_MODEL")
    parser.add_argument("--dataset", type=Path, required=True, help="DATASET of a prepared dataset")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--rank",
        type=cli.json_object,
        default={},
        metavar="JSON",
        help="keys of the study's `rank` section that say how many views to make of how many"
        " images; those left out have the schema's defaults",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    rank = cli.import_workflow("checks").section("rank", arguments.rank, "rank")
    views = ViewCount(rank["lidar_images"], rank["lidar_views"])
    device = choose_device(arguments.device)
    dataset, model = load_dataset(arguments.dataset.parent), load_encoder(arguments.model)
    extract(model, dataset, arguments.output, device, BATCH_SIZE, views)


if __name__ == "__main__":
    cli.run(main)
