"""The results tree: the only code that knows its paths, and that reads and writes files of runs.

Models are safetensors files with one JSON object as metadata, records are JSON. Each is written
whole or not at all, names its kind and what made it, and is loaded without unpickling.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rankme.errors import UserError
from rankme.files import read_json, write_bytes, write_json, write_text
from rankme.provenance import provenance as provenance

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FORMAT = 1
_METADATA_KEY = "rankme"
_REMEDY = "delete it and run snakemake again to remake it"

DATASET = "DATASET"
"""Name of the record of a prepared dataset."""

DEFAULT_STUDY = "default"
"""Name of the study whose tables and figures stand at the top of the results tree."""


@dataclass(frozen=True)
class EvaluationFiles:
    """The files of one run on one dataset."""

    folder: Path

    @property
    def rank(self) -> Path:
        """Label-free metrics on this dataset, JSON."""
        return self.folder / "RANK"

    @property
    def features(self) -> Path:
        """Folder of features, from the fit of the heads to the measurement of their accuracy."""
        return self.folder / "FEATURES"

    @property
    def head(self) -> Path:
        """The fitted heads, safetensors."""
        return self.folder / "FINETUNED_MODEL"

    @property
    def accuracy(self) -> Path:
        """Their accuracy on test images, JSON."""
        return self.folder / "ACCURACY"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run."""

    folder: Path

    @property
    def tree(self) -> "Tree":
        """The results tree in which they lie."""
        return Tree(self.folder.absolute().parents[2])

    @property
    def model(self) -> Path:
        """Encoder and projector, safetensors."""
        return self.folder / "PRETRAINED_MODEL"

    @property
    def log(self) -> Path:
        """The training, JSON lines."""
        return self.folder / "TRAINING_LOG"

    @property
    def ranks(self) -> Path:
        """Label-free metrics on the source and all targets, JSON."""
        return self.folder / "RANKME_EVAL"

    def dataset(self, name: str) -> EvaluationFiles:
        """The files of this run on a dataset."""
        return EvaluationFiles(self.folder / name)


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study."""

    folder: Path

    @property
    def record(self) -> Path:
        """The study as its programs read it: all that decides a result, JSON."""
        return self.folder / "STUDY"

    @property
    def tables(self) -> Path:
        """Folder of the tables."""
        return self.folder / "tables"

    @property
    def plots(self) -> Path:
        """Folder of the figures."""
        return self.folder / "plots"

    @property
    def published(self) -> Path:
        """That all of it was published, JSON."""
        return self.folder / "PUBLISHED"

    @property
    def answer(self) -> Path:
        """The answer in words, reStructuredText."""
        return self.tables / "answer.rst"


@dataclass(frozen=True)
class Tree:
    """A results tree; its runs belong to all studies, tables and figures to one each."""

    results: Path | str

    @property
    def runs(self) -> Path:
        """Folder of the runs, by method."""
        return Path(self.results, "all_results")

    @property
    def tracking(self) -> Path:
        """Folder of the local store, and of what publishing keeps."""
        return Path(self.results, "tracking")

    def run(self, method: str, name: str) -> RunFiles:
        """The files of a run."""
        return RunFiles(self.runs / method / name)

    def dataset(self, name: str) -> Path:
        """The folder of a prepared dataset."""
        return Path(self.results, "datasets", name)

    def study(self, name: str) -> StudyFiles:
        """The files of a study."""
        root = Path(self.results)
        return StudyFiles(root if name == DEFAULT_STUDY else root / "studies" / name)


@dataclass(frozen=True)
class LogRow:
    """A line of TRAINING_LOG.

    Attributes:
        epoch, step: counted from 1; of an untrained run 0.
        loss: mean over the epoch; None in the epoch of a divergence, and without training.
        lr: of the last step.
        rankme: None where it was not measured.
        rank_seconds: that its measurement took.
        views_per_second: of the training alone.
        seconds: since the run began, all its starts together.
    """

    epoch: int
    step: int
    loss: float | None
    lr: float
    rankme: float | None
    rank_seconds: float
    views_per_second: float
    seconds: float


def write_training_log(path: Path, rows: Iterable[LogRow]) -> None:
    """Write TRAINING_LOG: one JSON object a line, one line an epoch."""
    lines = (json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows)
    write_text(path, "".join(lines))


def read_training_log(path: Path) -> list[LogRow]:
    """Read TRAINING_LOG.

    Raises:
        UserError: the file is missing, or a line is not one that is written there.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [LogRow(**json.loads(line)) for line in lines if line.strip()]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: is not JSON lines of a training ({error}); delete the model beside it and "
            "run snakemake again to remake both"
        ) from error


def save_model(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write tensors and metadata (plain JSON values with an "artefact" key) as safetensors."""
    from safetensors.torch import save

    # Copies: safetensors refuses tensors that share memory.
    stored = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    header = json.dumps({**metadata, "format": FORMAT}, allow_nan=False)
    write_bytes(path, save(stored, metadata={_METADATA_KEY: header}))


class Content(dict[str, Any]):
    """What a file holds; a key that it lacks, at whatever depth, is a mistake of that file.

    Raises:
        UserError: when such a key is read.
    """

    def __init__(self, path: Path, content: Mapping[str, Any], remedy: str) -> None:
        super().__init__(content)
        self._path, self._remedy = path, remedy
        for key, value in content.items():
            if isinstance(value, dict):
                self[key] = Content(path, value, remedy)

    def __missing__(self, key: str) -> NoReturn:
        raise UserError(f"{self._path}: lacks the key {key!r}; {self._remedy}")


def read_metadata(path: Path, artefact: str) -> Content:
    """The metadata of a model file, read from its header alone.

    Raises:
        UserError: the file is missing, torn or of another kind.
    """
    with _opened(path) as stream:
        header = stream.metadata() or {}
    return _checked(path, json.loads(header.get(_METADATA_KEY, "{}")), artefact)


def load_arrays(path: Path) -> "dict[str, np.ndarray]":
    """All tensors of a model file as numpy arrays."""
    return _load(path, "np")


def load_tensors(path: Path) -> dict[str, "Tensor"]:
    """All tensors of a model file, on the CPU."""
    return _load(path, "pt")


def save_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON result; `record` holds an "artefact" key."""
    write_json(path, {"artefact": record["artefact"], "format": FORMAT, **record})


def read_record(path: Path, artefact: str, remedy: str = _REMEDY) -> Content:
    """Read a JSON result.

    Raises:
        UserError: the file is missing, not valid JSON or of another kind; `remedy` is what to do
            where it lacks a key.
    """
    return _checked(path, read_json(path), artefact, remedy)


def weights_digest(tensors: Mapping[str, "Tensor | np.ndarray"]) -> str:
    """SHA-256 over names, shapes, dtypes and bytes, in order of name."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        array = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _load(path: Path, framework: str) -> dict[str, Any]:
    with _opened(path, framework) as stream:
        names = stream.keys()
        return {name: stream.get_tensor(name) for name in names}


def _opened(path: Path, framework: str = "np") -> Any:
    # Imported here: a study asks this module for paths before any file is there.
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework=framework)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: is not a whole safetensors file ({error}); {_REMEDY}") from error


def _checked(path: Path, record: dict[str, Any], artefact: str, remedy: str = _REMEDY) -> Content:
    kind, version = record.get("artefact"), record.get("format")
    if kind != artefact or version != FORMAT:
        raise UserError(
            f"{path}: is a {kind or 'foreign file'} of format {version}, "
            f"expected a {artefact} of format {FORMAT}"
        )
    return Content(path, record, remedy)
