"""The command `keras-resnet`: runs the command that its first argument names."""

import sys
from typing import NoReturn

import keras_resnet
from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS
from keras_resnet.errors import unknown_name

PROGRAM = "keras-resnet"


def main() -> NoReturn:
    """Runs a command and exits the process."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in COMMANDS:
        app.run(COMMANDS[name], [f"{PROGRAM} {name}", *rest])
    if name in ("--help", "-h", "help"):
        print(overview())
        sys.exit(0)
    if name == "--version":
        print(f"{PROGRAM} {keras_resnet.__version__}")
        sys.exit(0)
    sys.exit(f"error: {app.one_line(unknown_name('command', name, COMMANDS))}")


def overview() -> str:
    """The commands, one line each.

    Example:
        >>> from keras_resnet.commands.main import overview
        >>> print(overview().splitlines()[0])
        usage: keras-resnet COMMAND [arguments and flags]
    """
    lines = [f"  {name:10} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND [arguments and flags]",
            "",
            *lines,
            "",
            f"{PROGRAM} COMMAND --help shows the arguments and flags of a command.",
        ]
    )
