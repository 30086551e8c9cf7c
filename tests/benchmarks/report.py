"""The table and the plot of a benchmark, with the machine they are of."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Row:
    """One line of the table: here and at the peer, in one unit, and what their ratio should be."""

    what: str
    ours: float
    peer: float
    unit: str
    ratio: float
    wanted: str


def write(output: Path, rows: list[Row], where: str, plotted: str) -> None:
    """Write the table to `output`.md, the rows of the unit `plotted` to `output`.png; print it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    text = f"Measured on {where}, torch {torch.__version__}.\n\n{table(rows)}\n"
    output.with_suffix(".md").write_text(text)
    plot([row for row in rows if row.unit == plotted], output.with_suffix(".png"))
    print(text, end="")


def table(rows: list[Row]) -> str:
    lines = ["| what | here | peer | | ratio | wanted |", "|---|---:|---:|---|---:|---|"]
    lines += [
        f"| {r.what} | {r.ours:,.4g} | {r.peer:,.4g} | {r.unit} | {r.ratio:.3g} | {r.wanted} |"
        for r in rows
    ]
    return "\n".join(lines)


def plot(rows: list[Row], file: Path) -> None:
    """Bars of what was measured here beside those of the peers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 0.8 + 0.7 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        axes.barh(place - 0.2, row.ours, 0.38, color="#0072B2", label="this project" * (not place))
        axes.barh(place + 0.2, row.peer, 0.38, color="0.7", label="peer" * (not place))
        axes.text(row.ours, place - 0.2, f" ratio {row.ratio:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [row.what for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(rows[0].unit)
    axes.margins(x=0.18)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(file, dpi=200)


def machine(device: torch.device) -> str:
    """The device, or the processor and its cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor()
    return f"{cores()} cores of {name}"


def cores() -> int:
    return len(os.sched_getaffinity(0))
