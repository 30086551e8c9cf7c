"""Where a study runs and publishes: nothing here decides a result."""

from typing import Annotated, Any

from pydantic import Field

from rankme.study.settings import Name, Settings, key

Count = Annotated[int, Field(ge=1, le=1024)]
Megabytes = Annotated[int, Field(ge=100, le=10000000)]
Minutes = Annotated[int, Field(ge=1, le=100000)]


class Pathvars(Settings):
    """Where files go, relative to the working directory or absolute."""

    results: Name = key("results", "Folder of the results tree.")
    logs: Name = key("logs", "Folder of the log files, one a job.")


class Compute(Settings):
    """Where and with what the study runs; nothing here changes a result's identity."""

    device: str = key(
        "auto", "auto = cuda, then mps, then cpu.", pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$"
    )
    threads: Count = key(2, "Processor cores of each process that trains or runs an encoder.")
    gpus: int = key(
        0,
        "GPUs on each node of a pretraining job; a job that evaluates has one at most.",
        ge=0,
        le=64,
    )
    gpu_kind: str = key(
        "",
        "Kind of GPU to ask a cluster for, by the name it has there (a100); any if empty.",
        pattern=r"^[A-Za-z0-9_.]*$",
    )
    nodes: Count = key(
        1, "Machines that train one encoder together; more than one under Slurm only."
    )
    processes: int = key(
        0, "Processes on each node that train one encoder together; 0 = one a GPU.", ge=0, le=1024
    )
    mem_mb: Megabytes = key(4000, "Memory of such a job on each node in MB; doubled at each retry.")
    max_mem_mb: Megabytes = key(
        10000000, "What no retry goes above, in MB; the memory of the largest node."
    )
    runtime: Minutes = key(
        240, "Time limit of a pretraining job in minutes; doubled at each retry."
    )
    evaluation_runtime: Minutes = key(
        15,
        "Minutes for each step that evaluates one model on one dataset; a cluster job that does"
        " all of them has their sum. Doubled at each retry.",
    )
    max_runtime: Minutes = key(
        100000,
        "What no retry of such a step goes above, in minutes; the limit of the partition. A"
        " training that takes longer goes on in the next retry, from its checkpoint.",
    )

    @property
    def processes_a_node(self) -> int:
        """Processes on each node that train one encoder together."""
        return self.processes or max(1, self.gpus)

    def memory(self, attempt: int) -> int:
        """MB of memory of a job that trains or runs an encoder, doubled at each retry."""
        return min(self.mem_mb * 2 ** (attempt - 1), self.max_mem_mb)

    def training_time(self, attempt: int) -> int:
        """Time limit of a pretraining job in minutes, doubled at each retry."""
        return min(self.runtime * 2 ** (attempt - 1), self.max_runtime)

    def evaluation_time(self, attempt: int) -> int:
        """Time limit of one step of an evaluation in minutes, doubled at each retry."""
        return min(self.evaluation_runtime * 2 ** (attempt - 1), self.max_runtime)

    def node_resources(self) -> dict[str, Any]:
        """What a job on several nodes asks Snakemake for beside what it asks for on one.

        One task a node, which `scripts/launch.py` starts itself (so "mpi": Snakemake is not to),
        and as many GPUs on each: their sum alone may be split unevenly.
        """
        if self.nodes == 1:
            return {}
        tasks = {"nodes": self.nodes, "tasks": self.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
        if not self.gpus:
            return tasks
        return tasks | {"gres": ":".join(filter(None, ("gpu", self.gpu_kind, str(self.gpus))))}


class Tracking(Settings):
    """Publishing in an MLflow store, and nothing that decides a result."""

    enabled: bool = key(True, "Publish all results once they are complete.")
    uri: str | None = key(
        None,
        "MLflow server or database, without credentials; null = SQLite in the results tree. The"
        " environment variable MLFLOW_TRACKING_URI comes first.",
        pattern=r"^(https?|sqlite|postgresql|mysql|mssql)(\+[a-z0-9]+)?://",
    )
    live: bool = key(False, "Report each epoch of a run while it trains as well.")
    models: bool = key(False, "Send the models, too, and not only the small files.")
