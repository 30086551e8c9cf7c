"""Where a study runs and publishes: nothing here decides a result."""

from typing import Any

from pydantic import Field

from rankme.study.settings import Name, Settings


class Pathvars(Settings):
    """Where files go, relative to the working directory or absolute."""

    results: Name = Field("results", description="Folder of the results tree.")
    logs: Name = Field("logs", description="Folder of the log files, one a job.")


class Compute(Settings):
    """Where and with what the study runs; nothing here changes a result's identity."""

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        description="auto = cuda, then mps, then cpu.",
    )
    threads: int = Field(
        2,
        ge=1,
        le=1024,
        description="Processor cores of each process that trains or runs an encoder.",
    )
    gpus: int = Field(
        0,
        ge=0,
        le=64,
        description="GPUs on each node of a pretraining job; a job that evaluates has one at most.",
    )
    gpu_kind: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.]*$",
        description="Kind of GPU to ask a cluster for, by the name it has there (a100); any if"
        " empty.",
    )
    nodes: int = Field(
        1,
        ge=1,
        le=1024,
        description="Machines that train one encoder together; more than one under Slurm only.",
    )
    processes: int = Field(
        0,
        ge=0,
        le=1024,
        description="Processes on each node that train one encoder together; 0 = one a GPU.",
    )
    mem_mb: int = Field(
        4000,
        ge=100,
        le=10000000,
        description="Memory of such a job on each node in MB; doubled at each retry.",
    )
    max_mem_mb: int = Field(
        10000000,
        ge=100,
        le=10000000,
        description="What no retry goes above, in MB; the memory of the largest node.",
    )
    runtime: int = Field(
        240,
        ge=1,
        le=100000,
        description="Time limit of a pretraining job in minutes; doubled at each retry.",
    )
    evaluation_runtime: int = Field(
        15,
        ge=1,
        le=100000,
        description="Minutes for each step that evaluates one model on one dataset; a cluster job"
        " that does all of them has their sum. Doubled at each retry.",
    )
    max_runtime: int = Field(
        100000,
        ge=1,
        le=100000,
        description="What no retry of such a step goes above, in minutes; the limit of the"
        " partition. A training that takes longer goes on in the next retry, from its checkpoint.",
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

    enabled: bool = Field(True, description="Publish all results once they are complete.")
    uri: str | None = Field(
        None,
        pattern=r"^(https?|sqlite|postgresql|mysql|mssql)(\+[a-z0-9]+)?://",
        description="MLflow server or database, without credentials; null = SQLite in the results"
        " tree. The environment variable MLFLOW_TRACKING_URI comes first.",
    )
    live: bool = Field(False, description="Report each epoch of a run while it trains as well.")
    models: bool = Field(False, description="Send the models, too, and not only the small files.")
