"""Speed of pretraining and of RankMe, as ratios within one run.

  python tests/benchmarks/pretraining.py --output docs/benchmarks/pretraining

writes a table (Markdown) and a plot beside it. Every pair is measured in turns, so that a machine
whose speed drifts does not favour one side; the ratio is the median over the turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts")]

from report import Row, cores, machine, write  # noqa: E402

from rankme.data.dataset import Dataset, load_dataset  # noqa: E402
from rankme.data.prepare import prepare  # noqa: E402
from rankme.methods import Method, build_method  # noqa: E402
from rankme.metrics.rankme import rankme_from_singular_values  # noqa: E402
from rankme.metrics.spectrum import Gram  # noqa: E402
from rankme.study.config import read_study  # noqa: E402
from rankme.study.datasets import Declaration  # noqa: E402
from rankme.study.identity import canonical  # noqa: E402
from rankme.study.runs import RunSettings, runs  # noqa: E402
from rankme.training import StopRequest, build_optimizer, pretrain  # noqa: E402
from rankme.training.precision import compute_dtype  # noqa: E402

VIEWS = 2


def default_run(epochs: int) -> tuple[RunSettings, Declaration]:
    """The default study's first run, shortened, and the declaration of its source."""
    study = read_study(ROOT / "config" / "config.yaml")
    run = trained_by(runs(study)[0].settings, epochs=epochs, warmup_epochs=0.0)
    return run, study.datasets[study.source]


def trained_by(run: RunSettings, **training: Any) -> RunSettings:
    """The run with other keys of its training."""
    return run.model_copy(update={"training": run.training.model_copy(update=training)})


def pretraining_rate(run: RunSettings, dataset: Dataset, device: torch.device) -> float:
    """Views a second of the real loop, all it does included, from the second epoch on."""
    with tempfile.TemporaryDirectory() as folder:
        pretrain(run, dataset, device, Path(folder), StopRequest())
        rows = [json.loads(line) for line in (Path(folder) / "TRAINING_LOG").open()]
    steps = rows[-1]["step"] - rows[0]["step"]
    seconds = rows[-1]["seconds"] - rows[0]["seconds"]
    return steps * run.training.batch_size * VIEWS / seconds


def stepper(
    run: RunSettings, size: int, device: torch.device, dtype: torch.dtype
) -> Callable[[list[Tensor]], None]:
    """One optimisation step of the same network, optimiser and precision on given views."""
    method: Method = build_method(run, size).to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = build_optimizer(method, run.training)
    labels = torch.zeros(run.training.batch_size, dtype=torch.int64, device=device)

    def step(views: list[Tensor]) -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = method.loss(views, labels)
        loss.backward()
        optimizer.step(run.training.lr)

    return step


def synthetic_rate(run: RunSettings, dataset: Dataset, device: torch.device) -> float:
    """Views a second on one batch that is already on the device: the limit."""
    dtype = compute_dtype(run.training.precision, device)
    step = stepper(run, dataset.image_size, device, dtype)
    batch = run.training.batch_size
    shape = (batch, 3, dataset.image_size, dataset.image_size)
    views = [
        torch.randn(shape, device=device).contiguous(memory_format=torch.channels_last)
        for _ in range(VIEWS)
    ]
    return timed_rate(step, [views] * 32, batch, device, warm=4)


def pipeline_rate(run: RunSettings, dataset: Dataset, device: torch.device) -> float:
    """Views a second of what people use: image folder, PIL transforms, DataLoader, float32."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    batch = run.training.batch_size
    step = stepper(run, dataset.image_size, device, torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        write_images(dataset, Path(folder))
        loader = DataLoader(
            ImageFolder(folder, two_views(dataset.image_size)),
            batch_size=batch,
            shuffle=True,
            drop_last=True,
            num_workers=cores(),
            persistent_workers=True,
            pin_memory=device.type == "cuda",
        )
        batches = ([v.to(device) for v in views] for views, _ in loader)
        return timed_rate(step, batches, batch, device, warm=4)


def timed_rate(
    step: Callable[[list[Tensor]], None],
    batches: Any,
    batch: int,
    device: torch.device,
    warm: int,
) -> float:
    """Views a second over all batches after the first few."""
    source = iter(batches)
    for views in islice(source, warm):
        step(views)
    synchronise(device)
    start, done = time.perf_counter(), 0
    for views in source:
        step(views)
        done += 1
    synchronise(device)
    return done * batch * VIEWS / (time.perf_counter() - start)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def two_views(size: int) -> Callable[[Any], tuple[Tensor, Tensor]]:
    """SimCLR's recipe for small images as PIL transforms."""
    from torchvision.transforms import v2

    one = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.25] * 3),
        ]
    )
    return lambda image: (one(image), one(image))


def write_images(dataset: Dataset, folder: Path) -> None:
    """The training images as PNG files, one folder a class."""
    from PIL import Image

    train = dataset.splits["train"]
    for index, (pixels, label) in enumerate(zip(train.images, train.labels, strict=True)):
        place = folder / f"{label:03d}"
        place.mkdir(exist_ok=True)
        Image.fromarray(np.asarray(pixels)).save(place / f"{index:06d}.png")


def compare(
    ours: Callable[[], float], peer: Callable[[], float], turns: int
) -> tuple[float, float, float]:
    """Medians of both rates and of their ratio, measured in turns."""
    pairs = [(ours(), peer()) for _ in range(turns)]
    ratios = [a / b for a, b in pairs]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(ratios),
    )


def rate_row(what: str, rates: tuple[float, float, float], wanted: str) -> Row:
    ours, peer, ratio = rates
    return Row(what, ours, peer, "views/s", ratio, wanted)


def rankme_rows(samples: int = 25_600, dimension: int = 2_048) -> list[Row]:
    """The streaming Gram against a float64 singular value decomposition."""
    z = np.random.default_rng(0).standard_normal((samples, dimension), dtype=np.float32)
    z *= 1 / np.arange(1, dimension + 1, dtype=np.float32) ** 0.5
    copy = z.nbytes * 2 / 2**20

    def streamed() -> float:
        gram = Gram(dimension)
        for start in range(0, samples, 1024):
            gram.update(z[start : start + 1024])
        return rankme_from_singular_values(gram.singular_values())

    def decomposed() -> float:
        return rankme_from_singular_values(np.linalg.svd(z.astype(np.float64), compute_uv=False))

    (ours, fast), (exact, slow) = timed(streamed), timed(decomposed)
    error, memory = abs(ours - exact) / exact, peak_allocation(streamed)
    return [
        Row(f"RankMe of {samples:,} x {dimension:,}", fast, slow, "s", slow / fast, ">= 1"),
        Row("its relative difference from float64 SVD", error, 1e-6, "", error / 1e-6, "<= 1"),
        Row(
            "its memory beside the embeddings, a float64 copy",
            memory,
            copy,
            "MiB",
            memory / copy,
            "O(K^2)",
        ),
    ]


def peak_allocation(function: Callable[[], float]) -> float:
    """MiB that numpy holds at most while the function runs."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def timed(function: Callable[[], float]) -> tuple[float, float]:
    start = time.perf_counter()
    value = function()
    return value, time.perf_counter() - start


IMPORT_AND_BUILD = (
    "import torch; from rankme.methods import build_method; import sys; "
    "from rankme.study.runs import run_from_json; build_method(run_from_json(sys.argv[1]), 32)"
)


CHILD = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def start_up_row(run: RunSettings, declaration: Declaration, turns: int) -> Row:
    """From the command line to the end of the first step, against importing torch and building."""
    batch = run.training.batch_size
    few = {"options": declaration.options.model_copy(update={"train_count": batch})}
    one_step = trained_by(run, epochs=1, rank_samples=2)
    one_step = one_step.model_copy(update={"source": run.source.model_copy(update=few)})
    with tempfile.TemporaryDirectory() as folder:
        prepare(
            run.source.name, declaration.model_copy(update=few), Path(folder, "data"), workers=1
        )
        ours, peer, ratio = compare(
            lambda: child(program(one_step, Path(folder)))[0],
            lambda: child([sys.executable, "-c", IMPORT_AND_BUILD, canonical(run)])[0],
            turns,
        )
    return Row("start to the end of a run of one step", ours, peer, "s", ratio, "<= 1.5")


def memory_row(run: RunSettings, data: Path) -> Row:
    """Peak memory of a whole run, against that of importing torch and building the network."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data").symlink_to(data)
        ours = child(program(run, Path(folder)))[1]
    peer = child([sys.executable, "-c", IMPORT_AND_BUILD, canonical(run)])[1]
    return Row("peak memory of one run", ours, peer, "MiB", ours / peer, "")


def program(run: RunSettings, folder: Path) -> list[str]:
    """The command that trains `run` on `folder`/data."""
    return [
        sys.executable,
        str(ROOT / "scripts" / "pretrain.py"),
        "--device=cpu",
        f"--run={canonical(run)}",
        f"--dataset={folder / 'data' / 'DATASET'}",
        f"--output={folder}/MODEL",
    ]


def child(command: list[str]) -> tuple[float, float]:
    """Wall-clock seconds and peak memory in MiB of a command."""
    # In between stands a small process, whose memory is what the command starts from: Linux counts
    # that of the parent in the peak of its child.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-c", CHILD, *command],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    return time.perf_counter() - start, int(done.stdout) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="path without suffix")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    run, declaration = default_run(epochs=3)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        prepare(run.source.name, declaration, data, workers=cores())
        dataset = load_dataset(data)
        torch.set_num_threads(1)  # As each run of the default study has.
        limit = compare(
            lambda: pretraining_rate(run, dataset, device),
            lambda: synthetic_rate(run, dataset, device),
            arguments.turns,
        )
        torch.set_num_threads(cores())
        today = compare(
            lambda: pretraining_rate(run, dataset, device),
            lambda: pipeline_rate(run, dataset, device),
            arguments.turns,
        )
        rows = [
            Row(
                "one thread, against a synthetic batch", *limit[:2], "views/s", limit[2], ">= 0.90"
            ),
            Row(
                f"{cores()} threads, against PIL in a DataLoader",
                *today[:2],
                "views/s",
                today[2],
                ">= 2.5",
            ),
            *rankme_rows(),
            start_up_row(run, declaration, arguments.turns),
            memory_row(run, data),
        ]
    write(arguments.output, rows, machine(device), plotted="views/s")


if __name__ == "__main__":
    main()
