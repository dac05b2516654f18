"""Steps of a pipeline, each a command of this package that is printed before it runs."""

import subprocess
import sys
from pathlib import Path

import traceformers

HOME = Path(traceformers.__file__).parent
#: One process on this machine, whatever accelerate's own configuration says.
LAUNCH = ("accelerate", "launch", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no",
          "--dynamo_backend", "no")  # fmt: skip


def run_script(script, *arguments):
    """Runs `main` of a script as if from a shell, so that what it records of its command is true; yields the command.

    Args:
        script: an imported module with a `main(argv)`.
        arguments: its words.
    """
    arguments = [str(argument) for argument in arguments]
    yield f"\n$ python {' '.join(map(shown, [script.__file__, *arguments]))}"
    kept, sys.argv = sys.argv, [shown(script.__file__), *map(shown, arguments)]
    try:
        script.main(arguments)
    finally:
        sys.argv = kept


def run_process(*command):
    """Runs a command with this Python's own `python` and `accelerate`; yields the command.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [str(argument) for argument in command]
    yield f"\n$ {' '.join(map(shown, command))}"
    module = {"python": [], "accelerate": ["-m", "accelerate.commands.accelerate_cli"]}[command[0]]
    sys.stdout.flush()
    subprocess.run([sys.executable, *module, *command[1:]], check=True)


def shown(argument):
    """Returns a path of this package as it is in the repository, anything else as it is."""
    path = Path(argument)
    return str(path.relative_to(HOME)) if path.is_relative_to(HOME) else argument
