"""A real Slurm cluster on this machine: two nodes, four pretended GPUs each, no job accounting.

Its daemons are children of the process that made it and die with it, however that ends. Debian's
`slurmd` can be started once a node (`-N`); a GPU is any device file, since without cgroups nothing
opens it. Programs inside jobs find the cluster at /etc/slurm/slurm.conf alone (Snakemake's executor
takes SLURM_CONF from their environment), so only one cluster can be up at a time.

As a program it runs a command on a cluster of its own:

  python tests/slurm/cluster.py snakemake --profile slurm --cores 8
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

NODES = ("node1", "node2")
GPUS = 4
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIG = Path("/etc/slurm")

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire: a requeued job waits this long before it starts again, instead of two minutes
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
Prolog={folder}/prolog
Epilog={folder}/epilog
# no systemd, cgroups or CPU binding: a container has none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# more processors and memory than this machine has are believed
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
ReturnToService=2
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
AccountingStorageType=accounting_storage/none
# a job over its memory is killed, as a cluster with cgroups would
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=UsePss,OverMemoryKill
{nodes}
PartitionName=usual Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=10 PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=1-0 DefaultTime=10 PriorityTier=2
"""

NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
    "CPUs=8 RealMemory=16000 Gres=gpu:fake:{gpus} State=UNKNOWN"
)


@dataclass(frozen=True)
class Allocation:
    """GPUs that one node gave to one job from `start` to `end`, in seconds of the epoch."""

    job: str
    node: str
    gpus: frozenset[str]
    start: float
    end: float


class Cluster:
    """Starts on entering, stops on leaving.

    Attributes:
        folder: configuration, state, logs and spool.
    """

    def __enter__(self) -> "Cluster":
        self._lock = open("/tmp/rankme-test-cluster.lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        self._daemons: list[subprocess.Popen[bytes]] = []
        try:
            self._configure()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if len(self._daemons) > 1:
                self.ask("scancel", "--user=root")
                wait_until(lambda: not self.ask("squeue", "--noheader"), 30)
        finally:
            self._stop()

    def _stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(30)
        for name in ("slurm.conf", "gres.conf"):
            if (CONFIG / name).is_symlink():
                (CONFIG / name).unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def ask(self, *command: str) -> str:
        """What a Slurm command prints."""
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    def allocations(self) -> list[Allocation]:
        """What the nodes' own records say of jobs that have ended."""
        started: dict[tuple[str, str], tuple[frozenset[str], float]] = {}
        found = []
        for line in (self.folder / "allocations").read_text().splitlines():
            event, job, node, gpus, when = line.split(" ")
            if event == "start":
                started[job, node] = frozenset(gpus.split(",")) - {""}, float(when)
            elif (job, node) in started:
                held, start = started.pop((job, node))
                found.append(Allocation(job, node, held, start, float(when)))
        return found

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        ports = _free_ports(1 + len(NODES))
        nodes, gres = [], []
        for name, port in zip(NODES, ports[1:], strict=True):
            (self.folder / name).mkdir()
            for gpu in range(GPUS):
                os.mknod(self.folder / name / f"gpu{gpu}", 0o20666, os.makedev(1, 3))
            nodes.append(NODE.format(name=name, host=host, port=port, gpus=GPUS))
            files = f"{self.folder}/{name}/gpu[0-{GPUS - 1}]"
            gres.append(f"NodeName={name} Name=gpu Type=fake File={files}")
        text = SLURM_CONF.format(
            folder=self.folder, host=host, port=ports[0], nodes="\n".join(nodes)
        )
        self._write("slurm.conf", text)
        self._write("gres.conf", "\n".join(gres) + "\n")
        for event, script in (("start", "prolog"), ("end", "epilog")):
            fields = f"{event} $SLURM_JOB_ID $SLURMD_NODENAME ${{SLURM_JOB_GPUS:-}}"
            line = f'echo "{fields} $(date +%s.%N)" >> {self.folder}/allocations'
            self._write(script, f"#!/bin/sh\n{line}\n")
            (self.folder / script).chmod(0o755)
        (self.folder / "allocations").touch()
        CONFIG.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (CONFIG / name).unlink(missing_ok=True)
            (CONFIG / name).symlink_to(self.folder / name)

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def _start(self) -> None:
        munge = self.folder / "munge"
        munge.mkdir(mode=0o700)
        (munge / "key").write_bytes(os.urandom(128))
        (munge / "key").chmod(0o400)
        places = {"key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={munge / name}" for option, name in places.items()]
        self._daemon("munged", "-F", "--force", f"--socket={self.folder}/munge.socket", *options)
        wait_until((self.folder / "munge.socket").exists, 20)
        (self.folder / "state").mkdir()
        self._daemon("slurmctld", "-D", "-i")
        for name in NODES:
            self._daemon("slurmd", "-D", "-N", name)
        wait_until(self._is_idle, 60)

    def _is_idle(self) -> bool:
        for daemon in self._daemons:
            assert daemon.poll() is None, (self.folder / "daemons.log").read_text()[-3000:]
        done = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--partition=usual", "--format=%t"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split() == ["idle"] * len(NODES)

    def _daemon(self, *command: str) -> None:
        with (self.folder / "daemons.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)
        self._daemons.append(process)


def has_own_slurm() -> bool:
    """Whether this machine belongs to a Slurm cluster that is not of these tests."""
    file = CONFIG / "slurm.conf"
    return file.exists() and not file.is_symlink()


def wait_until(condition, seconds: float, step: float = 0.1) -> None:
    """Wait for a condition to hold."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(step)


def die_with_parent() -> None:
    """Runs in a child between fork and exec: the kernel ends it when its parent ends."""
    parent_death_signal = 1
    ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


if __name__ == "__main__":
    with Cluster():
        sys.exit(subprocess.call(sys.argv[1:]))
