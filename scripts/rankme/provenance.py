"""What made a file: code, versions, device, seconds."""

import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rankme.files import sha256_file

SCRIPTS = Path(__file__).resolve().parents[1]
_OURS = ("rankme", "__main__", "__mp_main__")
_PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "pillow", "safetensors")


def provenance(seed: int | None, device: str, seconds: float, **digests: str) -> dict[str, Any]:
    """The record of how a result came to be, as plain JSON values.

    Args:
        seed: seed of everything random in the step; None where nothing is.
        device: what computed it, such as "cpu" or "NVIDIA H200".
        seconds: wall-clock duration of the step.
        digests: SHA-256 of the inputs, by name.
    """
    return {
        "commit": _commit(),
        "code": _code_digests(),
        "versions": _versions(),
        "device": device,
        "seed": seed,
        "seconds": round(seconds, 3),
        **digests,
    }


def _code_digests() -> dict[str, str]:
    """Short SHA-256 of each file under scripts/ that this process has loaded."""
    # By name: where the library is installed, much else lies beside it.
    ours = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in _OURS]
    loaded = {Path(file).resolve() for m in ours if (file := getattr(m, "__file__", None))}
    files = sorted(file for file in loaded if file.is_relative_to(SCRIPTS))
    return {file.relative_to(SCRIPTS).as_posix(): sha256_file(file)[:12] for file in files}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@cache
def _commit() -> str:
    """The git commit of the code, with `+changes` when files differ from it."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(SCRIPTS), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
