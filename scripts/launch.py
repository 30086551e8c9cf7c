"""Start a program as one process, as several on this machine, or as several on each node of a job.

  python scripts/launch.py --nodes 2 --processes 4 scripts/pretrain.py --run ...

One process is the program itself, several are torchrun's. On more than one node Slurm starts a
torchrun on each, and these meet at the first.
"""

import argparse
import os
import signal
import subprocess
import sys

from rankme import cli
from rankme.errors import UserError


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="on each node")
    parser.add_argument("--on-node", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("program", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")
    return parser.parse_args()


def several_nodes(nodes: int, processes: int) -> list[str]:
    """Slurm's command that starts this very command on each node of the job."""
    if "SLURM_JOB_ID" not in os.environ:
        raise UserError(
            f"compute.nodes: {nodes} nodes are joined inside a job of Slurm only; "
            "run with --profile slurm, or set compute.nodes to 1"
        )
    cores = int(os.environ.get("OMP_NUM_THREADS", "1")) * processes
    tasks = f"--nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task={cores}"
    srun = ["srun", *tasks.split(), "--kill-on-bad-exit=1"]
    return [*srun, sys.executable, __file__, "--on-node", *sys.argv[1:]]


def on_node(nodes: int, processes: int, program: list[str]) -> list[str]:
    """The torchrun of this node; the one on the first node is where all meet.

    Any port that others are unlikely to use will do; jobs that share a node have different ones.
    """
    job = int(os.environ["SLURM_JOB_ID"])
    names = ask("scontrol", "show", "hostnames", os.environ["SLURM_STEP_NODELIST"])
    first, own = address(names[0]), address(os.environ["SLURMD_NODENAME"])
    options = (
        f"--nnodes={nodes} --nproc-per-node={processes} --rdzv-backend=c10d --rdzv-id={job}"
        f" --rdzv-endpoint={first}:{10_000 + job % 20_000} --local-addr={own}"
        f" --rdzv-conf=is_host={int(os.environ['SLURM_NODEID'] == '0')}"
    )
    return torchrun(options, program)


def torchrun(options: str, program: list[str]) -> list[str]:
    # Without "--" it takes a --run of the program for its own --run-path.
    return [sys.executable, "-m", "torch.distributed.run", *options.split(), "--", *program]


def address(node: str) -> str:
    """Where Slurm reaches a node: its name, unless the cluster says otherwise."""
    return ask("sinfo", "--noheader", f"--nodes={node}", "--format=%o")[0]


def ask(*command: str) -> list[str]:
    """The words that a command of Slurm prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def main() -> None:
    arguments = parse_arguments()
    nodes, processes = arguments.nodes, arguments.processes
    program = [arguments.program, *arguments.arguments]
    # A scheduler's warning goes to all processes of a job; it is for those that train.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if processes > 1 and not arguments.on_node:
        cores = int(os.environ.get("OMP_NUM_THREADS", "1"))  # of all processes together
        os.environ["OMP_NUM_THREADS"] = str(max(1, cores // processes))
    if arguments.on_node:
        command = on_node(nodes, processes, program)
    elif nodes > 1:
        command = several_nodes(nodes, processes)
    elif processes > 1:
        command = torchrun(f"--standalone --nproc-per-node={processes}", program)
    else:
        command = [sys.executable, *program]
    os.execvp(command[0], command)


if __name__ == "__main__":
    cli.run(main)
