"""The linear probe against how it is done elsewhere, as ratios within one run.

  python tests/benchmarks/probes.py --output docs/benchmarks/probes           # minutes on two cores
  ... --train 512 --test 512 --turns 1                                        # to see that it works

One after another: each head of the grid is trained by torch.optim on features that the encoder
computes anew in every epoch. One epoch of one head is timed; the grid takes heads x epochs of them,
and the chosen head as many epochs again. Against it stands all of our own work, the extraction of
the features included.

scikit-learn: logistic regression on the same features, with as many penalties to choose from as the
grid has heads, chosen on the same split and fitted again on all. Extraction counts for neither.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts")]

from report import Row, machine, write  # noqa: E402

from rankme.artefacts import weights_digest  # noqa: E402
from rankme.data.dataset import Dataset, load_dataset  # noqa: E402
from rankme.data.prepare import prepare  # noqa: E402
from rankme.data.splits import stratified_split  # noqa: E402
from rankme.device import choose_device  # noqa: E402
from rankme.extraction import extract_dataset, model_input  # noqa: E402
from rankme.features import Features, load_features  # noqa: E402
from rankme.models.encoders import build_encoder  # noqa: E402
from rankme.models.pretrained import PretrainedModel  # noqa: E402
from rankme.models.projector import Projector  # noqa: E402
from rankme.probes.apply import head_scores  # noqa: E402
from rankme.probes.fit import Readout, fit_readouts  # noqa: E402
from rankme.probes.heads import MOMENTUM  # noqa: E402
from rankme.probes.measures import accuracy  # noqa: E402
from rankme.study.config import read_study  # noqa: E402
from rankme.study.runs import runs  # noqa: E402
from rankme.study.settings import Probe  # noqa: E402

STUDY = read_study(ROOT / "config" / "config.yaml")
SETTINGS = Probe(
    readouts=("linear",),
    epochs=28,
    batch_size=256,
    lr=(0.01, 0.03, 0.1, 0.3),
    weight_decay=(0.0, 5e-4, 5e-3),
    milestones=(8, 16, 24),
    validation_fraction=0.2,
)
PENALTIES = np.geomspace(1e-4, 1, len(SETTINGS.grid()))


def random_model(dataset: Dataset) -> PretrainedModel:
    """The default study's encoder with random weights: what it has learnt costs no time."""
    torch.manual_seed(0)
    encoder = build_encoder(STUDY.encoder, dataset.image_size)
    parts = nn.ModuleDict({"encoder": encoder, "projector": Projector(encoder.dimension, (64,))})
    parts.eval().requires_grad_(False)
    return PretrainedModel(
        encoder=parts["encoder"],
        projector=parts["projector"],
        run=runs(STUDY)[0].settings,
        image_size=dataset.image_size,
        normalisation=dataset.normalisation,
        status="completed",
        digest=weights_digest(parts.state_dict()),
    )


def epoch_of_one_head(model: PretrainedModel, dataset: Dataset, device: torch.device) -> None:
    """Forward every image, and train one head on what comes out, as a plain loop does."""
    encoder, train = model.encoder.to(device), dataset.splits["train"]
    head = nn.Linear(encoder.dimension, len(dataset.classes), device=device)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=MOMENTUM, nesterov=True)
    labels = torch.from_numpy(np.array(train.labels)).to(device)
    for rows in torch.randperm(len(labels)).split(SETTINGS.batch_size):
        images = torch.from_numpy(train.images[rows.numpy()]).to(device)
        with torch.no_grad():
            features = encoder(model_input(images, dataset.image_size, dataset.normalisation))
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(features), labels[rows.to(device)]).backward()
        optimizer.step()


def our_probe(features: Features, device: torch.device) -> Readout:
    return fit_readouts(features.splits["train"], len(features.classes), SETTINGS, device)["linear"]


def top1_of(readout: Readout, features: Features) -> float:
    assert readout.head is not None
    head = {name: tensor.cpu().numpy() for name, tensor in readout.head.tensors().items()}
    test = features.splits["test"]
    return accuracy(head_scores(head, test.layers["representation"]), test.labels)


def scikit_learn_top1(features: Features) -> float:
    """Top-1 on the test features of the penalty that is best on the held-out part."""
    train, test = features.splits["train"], features.splits["test"]
    inputs, labels = np.array(train.layers["representation"]), np.array(train.labels)
    parts = stratified_split(labels, SETTINGS.validation_fraction, SETTINGS.seed)
    everything = np.arange(len(labels))

    def score(penalty: float, rows: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> float:
        scaler = StandardScaler().fit(inputs[rows])
        model = LogisticRegression(C=penalty, max_iter=1000)
        model.fit(scaler.transform(inputs[rows]), labels[rows])
        return float(model.score(scaler.transform(queries), truth))

    fit, held_out = parts
    best = max(PENALTIES, key=lambda c: score(c, fit, inputs[held_out], labels[held_out]))
    return score(best, everything, np.array(test.layers["representation"]), np.array(test.labels))


def seconds(work: Callable[[], object], turns: int) -> float:
    """Median duration, after one call that warms up."""
    work()
    taken = []
    for _ in range(turns):
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="path without suffix")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--train", type=int, default=4096, help="training images")
    parser.add_argument("--test", type=int, default=8192, help="test images")
    parser.add_argument("--turns", type=int, default=3, help="measurements, of which the median")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    counts = {"train_count": arguments.train, "test_count": arguments.test}
    declaration = STUDY.datasets["shapes"]
    options = declaration.options.model_copy(update=counts)
    declaration = declaration.model_copy(update={"options": options})
    with tempfile.TemporaryDirectory() as folder:
        data, output = Path(folder) / "data", Path(folder) / "features"
        prepare("shapes", declaration, data, workers=1)
        dataset = load_dataset(data)
        model = random_model(dataset)
        train_only = Dataset(**{**vars(dataset), "splits": {"train": dataset.splits["train"]}})

        def ours() -> None:
            extract_dataset(model, train_only, output, device)
            our_probe(load_features(output), device)

        epochs = SETTINGS.epochs * (len(SETTINGS.grid()) + 1)
        one = seconds(lambda: epoch_of_one_head(model, dataset, device), arguments.turns)
        whole = seconds(ours, arguments.turns)
        extract_dataset(model, dataset, output, device)
        features = load_features(output)
        cached = seconds(lambda: our_probe(features, device), arguments.turns)
        peer = seconds(lambda: scikit_learn_top1(features), arguments.turns)
        top1, peer_top1 = (
            top1_of(our_probe(features, device), features),
            scikit_learn_top1(features),
        )
    heads, images = len(SETTINGS.grid()), arguments.train
    sequential = one * epochs
    percent, peer_percent = 100 * top1, 100 * peer_top1
    gap = percent - peer_percent
    what = f"{heads} heads, {images:,} images, against one after another"
    rows = [
        Row(what, whole, sequential, "s", sequential / whole, ">= 20"),
        Row("against scikit-learn on the same features", cached, peer, "s", peer / cached, "> 1"),
        Row("top-1, and the points between", percent, peer_percent, "%", gap, ">= -0.5"),
    ]
    write(arguments.output, rows, machine(device), plotted="s")


if __name__ == "__main__":
    main()
