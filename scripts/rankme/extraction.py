"""Makes what `rankme.features` reads: the forward pass of a frozen model, written to files.

In eval mode and float32. Images are resized to the size that the model was trained at where the
dataset's differs, and normalised with the statistics of the model's *source*, on whatever dataset,
as in its training. Features go to files batch by batch, since ImageNet's need 10 GB.
"""

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from rankme.artefacts import save_record, weights_digest
from rankme.augment import Augmenter, evaluation_batch, recipe
from rankme.data.dataset import Dataset
from rankme.device import exact_convolutions
from rankme.features import INDEX, LAYERS, array_file, open_layers
from rankme.models.pretrained import PretrainedModel
from rankme.study.settings import Layer

BATCH_SIZE = 256
VIEWS_SEED = 0
VIEWS_BLOCK = 16
"""Images that are augmented together; fixed, so that views do not depend on the size of a batch."""


@contextmanager
def frozen(model: PretrainedModel, device: torch.device) -> Iterator[None]:
    """Have a model in eval mode on a device, and watch over what runs it.

    Raises:
        RuntimeError: at the end, the weights or statistics are not those they were.
    """
    parts = nn.ModuleDict({"encoder": model.encoder, "projector": model.projector})
    parts.to(device).eval()
    yield
    if weights_digest(parts.state_dict()) != model.digest:
        raise RuntimeError("the frozen encoder changed while it ran")


@contextmanager
def temporary_folder(parent: Path | None) -> Iterator[Path]:
    """A folder below `parent` (None: the system's) that is gone at the end, or by SIGTERM."""
    usual = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with TemporaryDirectory(prefix=".features-", dir=parent) as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, usual)


def extract_dataset(
    model: PretrainedModel, dataset: Dataset, folder: Path, device: torch.device
) -> None:
    """Write the features of all images, by the `frozen` model, for `load_features` to read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    extractor = Extractor(model, device, folder)
    with frozen(model, device):
        for name, split in dataset.splits.items():
            np.save(array_file(folder, name, "labels"), np.asarray(split.labels))
            extractor.images(split.images, np.arange(len(split.labels)), name)
    index = {
        "artefact": "FEATURES",
        "dataset": dataset.name,
        "dataset_digest": dataset.digest,
        "encoder_sha256": model.digest,
        "classes": dataset.classes,
        "splits": {name: len(split.labels) for name, split in dataset.splits.items()},
    }
    save_record(folder / INDEX, index)


@dataclass(frozen=True)
class Extractor:
    """A model that is `frozen` on a device, and the folder for what it makes of images.

    Its methods return memory maps of the files that they write, `<folder>/<name>_<layer>.npy`.
    """

    model: PretrainedModel
    device: torch.device
    folder: Path

    def images(self, images: np.ndarray, rows: np.ndarray, name: str) -> dict[Layer, np.ndarray]:
        """Features of these rows of uint8 images (N, H, W, 3), float32 (n, D) and (n, K)."""
        size, normalisation = self.model.image_size, self.model.normalisation
        blocks = self._blocks(images, rows, BATCH_SIZE)
        batches = (model_input(block, size, normalisation) for block in blocks)
        return self._written(batches, name, (len(rows),))

    def views(self, images: np.ndarray, rows: np.ndarray, count: int) -> dict[Layer, np.ndarray]:
        """Features of `count` augmented views of each of these images, float32 (n, count, ...).

        By the augmentation that the model was trained with; of a recipe's two views each makes
        every second one. One seed, so that all models see the same images, cropped and coloured
        alike.
        """
        kinds = recipe(self.model.run.augmentation, self.model.image_size)
        augmenter = Augmenter(tuple(islice(cycle(kinds), count)), **self.model.normalisation)
        generator = torch.Generator().manual_seed(VIEWS_SEED)
        batches = (
            batch
            for block in self._blocks(images, rows, VIEWS_BLOCK)
            for batch in torch.stack(augmenter(block, generator), 1).flatten(0, 1).split(BATCH_SIZE)
        )
        return self._written(batches, "views", (len(rows), count))

    def _blocks(self, images: np.ndarray, rows: np.ndarray, size: int) -> Iterator[Tensor]:
        for start in range(0, len(rows), size):
            yield torch.from_numpy(images[rows[start : start + size]]).to(self.device)

    def _written(
        self, batches: Iterable[Tensor], name: str, shape: tuple[int, ...]
    ) -> dict[Layer, np.ndarray]:
        """The layers of these batches as arrays of `shape` and then the width of the layer.

        Plain sequential writes, since a full disk ends a process that writes to a memory map.
        """
        with ExitStack() as stack:
            paths = {layer: array_file(self.folder, name, layer) for layer in LAYERS}
            files = {layer: stack.enter_context(path.open("wb")) for layer, path in paths.items()}
            for batch in batches:
                for layer, rows in layers(self.model, batch).items():
                    if files[layer].tell() == 0:
                        whole = (*shape, rows.shape[1])
                        header = {"descr": "<f4", "fortran_order": False, "shape": whole}
                        np.lib.format.write_array_header_1_0(files[layer], header)
                    files[layer].write(rows.cpu().numpy().tobytes())
        return open_layers(self.folder, name)


def model_input(images: Tensor, image_size: int, normalisation: dict[str, list[float]]) -> Tensor:
    """Unaugmented images as a model takes them, float32 (B, 3, image_size, image_size).

    Of uint8 (B, H, W, 3) on any device, normalised with "mean" and "std" of the model's source, and
    resized (bilinear, antialiased) where the size in pixels that it was trained at differs.
    """
    batch = evaluation_batch(images, normalisation["mean"], normalisation["std"])
    if batch.shape[-1] != image_size:
        batch = interpolate(batch, (image_size, image_size), mode="bilinear", antialias=True)
    return batch


@torch.no_grad()
def layers(model: PretrainedModel, images: Tensor) -> dict[Layer, Tensor]:
    """Representation (B, D) and embedding (B, K), float32, of normalised images (B, 3, S, S)."""
    with exact_convolutions():
        representation = model.encoder(images.contiguous(memory_format=torch.channels_last))
        return {"representation": representation, "embedding": model.projector(representation)}
