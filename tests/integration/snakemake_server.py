"""Calls of `snakemake`, each in a fork of this process, which has imported it already.

Importing it is most of what a dry run takes. A call has its own process, folder, environment and
output, and runs Snakemake's own `main`. Requests and exit codes are JSON, one a line.
"""

import json
import os
import sys

from snakemake.cli import main


def call(arguments: list[str], cwd: str, env: dict[str, str], output: str, errors: str) -> None:
    """Become that call."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, file in enumerate((os.devnull, output, errors)):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["snakemake", *arguments]
    sys.exit(main())


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        call(**json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
