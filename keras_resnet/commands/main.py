"""The command `keras-resnet`: runs the command that its first argument names."""

import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import keras_resnet
from keras_resnet.commands import app
from keras_resnet.commands.table import COMMAND_GROUPS, COMMANDS, Command, CommandGroup
from keras_resnet.errors import unknown_name

PROGRAM = "keras-resnet"


def main() -> NoReturn:
    """Runs a command and exits the process."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--version"]:
        print(f"{PROGRAM} {keras_resnet.__version__}")
        sys.exit(0)
    run(PROGRAM, {**COMMANDS, **COMMAND_GROUPS}, arguments)


def run(
    program: str, commands: Mapping[str, Command | CommandGroup], arguments: Sequence[str], kind: str = "COMMAND"
) -> NoReturn:
    """Runs the command that the first argument names, and exits the process.

    Args:
        program: the words before the arguments.
        commands: to choose from.
        arguments: the name of a command, its arguments and flags.
        kind: what the name names, in capitals.
    """
    name, *rest = arguments or ["--help"]
    if name in ("--help", "-h", "help"):
        print(overview(program, commands, kind))
        sys.exit(0)
    if name not in commands:
        sys.exit(f"error: {app.one_line(unknown_name(kind.lower(), name, commands))}")
    command = commands[name]
    if isinstance(command, CommandGroup):
        run(f"{program} {name}", command.commands, rest, command.kind)
    app.run(command, [f"{program} {name}", *rest])


def overview(program: str, commands: Mapping[str, Command | CommandGroup], kind: str) -> str:
    """The commands, one line each.

    Example:
        >>> from keras_resnet.commands.main import overview
        >>> from keras_resnet.commands.table import COMMAND_GROUPS, COMMANDS, Command, CommandGroup
        >>> print(overview("keras-resnet", COMMANDS, "COMMAND").splitlines()[0])
        usage: keras-resnet COMMAND [arguments and flags]
    """
    width = max(map(len, commands))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in commands.items()]
    return "\n".join(
        [
            f"usage: {program} {kind} [arguments and flags]",
            "",
            *lines,
            "",
            f"{program} {kind} --help shows the arguments and flags of a {kind.lower()}.",
        ]
    )
