"""Runs a command: parses its flags, prints help, log messages, warnings, and errors, and exits."""

import importlib
import logging
import os
import pathlib
import re
import sys
import warnings
from types import ModuleType
from typing import Any, NoReturn

from absl import flags
from absl import logging as absl_logging

from keras_resnet.commands.flags import group
from keras_resnet.commands.help import help_text, usage
from keras_resnet.commands.quiet_start import start_tensorflow
from keras_resnet.commands.table import Command
from keras_resnet.errors import unknown_name
from keras_resnet.interrupts import EXIT_CODE, LAST_WORDS, ctrl_c_arrives, ctrl_c_exits

# Errors whose message tells the user what to do; any other one is a bug and keeps its traceback.
EXPLAINED_ERRORS = (ValueError, OSError, ImportError, FloatingPointError, MemoryError, flags.Error)
LONGEST_MESSAGE = 1000  # characters; a value from the command line may be longer


def run(command: Command, argv: list[str], **defaults: Any) -> NoReturn:
    """Runs a command and exits the process.

    An error with an explanation is one line on stderr and exit code 1; Ctrl-C is one line and exit code 130.

    Args:
        command: the command.
        argv: the program's name, and the arguments and flags.
        defaults: of flags, by name, in place of the command's own.
    """
    _show_messages()
    try:
        sys.exit(_run(command, argv, defaults))
    except BrokenPipeError:  # the reader of our output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except EXPLAINED_ERRORS as error:
        sys.exit(f"error: {one_line(error)}")
    except KeyboardInterrupt:
        print(LAST_WORDS, file=sys.stderr)
        sys.exit(EXIT_CODE)


def _run(command: Command, argv: list[str], defaults: dict[str, Any]) -> int | None:
    module = importlib.import_module(command.module)
    _define_flags(module, defaults)
    arguments = _parse(argv)
    _call_if_defined(module, "complete_flags")
    if flags.FLAGS["help"].value:
        print(help_text(pathlib.Path(argv[0]).name, command))
        return 0
    _check_arguments(command, arguments)
    _call_if_defined(module, "check_flags")
    if getattr(module, "needs_tensorflow", lambda _: command.needs_tensorflow)(arguments):
        with ctrl_c_exits():
            start_tensorflow()
    if not flags.FLAGS["verbosity"].present:
        absl_logging.set_verbosity(absl_logging.WARNING)  # TFDS logs every file that it opens
    with ctrl_c_arrives():
        return module.main(arguments)


def _define_flags(module: ModuleType, defaults: dict[str, Any]) -> None:
    """Defines a command's flags, and makes them the program's: absl and TensorFlow also have flags of their own."""
    others = set(flags.FLAGS)
    module.define_flags()
    with group("run"):
        flags.DEFINE_bool("help", False, "Show this help.")
    for name in set(flags.FLAGS) - others:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    for name, value in defaults.items():
        flags.FLAGS.set_default(name, value)


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags, and returns the program's name and the positional arguments.

    Raises:
        ValueError: a flag is unknown, or its value is of the wrong type.
    """
    try:
        return flags.FLAGS(["--help" if argument == "-h" else argument for argument in argv])
    except flags.UnrecognizedFlagError as error:
        known = sorted(f"--{flag.name}" for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0]))
        raise unknown_name("flag", f"--{error.flagname}", known) from None
    except RecursionError:  # absl compares unknown names with the known ones by a recursion
        raise ValueError("Unknown flag with an endless name.") from None
    except flags.IllegalFlagValueError as error:
        raise _wrong_value(error) from None


def _wrong_value(error: flags.IllegalFlagValueError) -> Exception:
    """An error for a flag's wrong value, from absl's "flag --name=value: reason"."""
    found = re.match(r"flag --(\w+)=(.*?): ", str(error), re.DOTALL)
    if not found:
        return error
    name, value = found.groups()
    flag = flags.FLAGS[name]
    choices = getattr(flag.parser, "enum_values", None)
    if choices:
        return unknown_name(f"--{name}", value, choices)
    expected = "true or false" if flag.boolean else flag.parser.syntactic_help
    return ValueError(f"--{name}={value} must be {expected}.")


def _check_arguments(command: Command, arguments: list[str]) -> None:
    """Checks the positional arguments.

    Raises:
        SystemExit: their number is wrong, or one is empty; the text shows the usage.
    """
    given, expected = len(arguments) - 1, command.arguments.split()
    least = sum(not name.startswith("[") for name in expected)
    too_many = given > len(expected) and not command.arguments.endswith("...")
    if given < least or too_many or "" in arguments:
        raise SystemExit(usage(pathlib.Path(arguments[0]).name, command))


def _call_if_defined(module: ModuleType, name: str) -> None:
    getattr(module, name, lambda: None)()


def one_line(message: object) -> str:
    r"""A message on one line, without the middle of an endless one.

    Example:
        >>> from keras_resnet.commands.app import one_line
        >>> one_line("The first line\nand the second.")
        'The first line and the second.'
    """
    text = " ".join(str(message).split())
    half = LONGEST_MESSAGE // 2
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]} ... {text[-half:]}"


def show_log_messages() -> None:
    """Prints the package's log messages, from level INFO, to stdout as plain lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("keras_resnet")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False  # absl's handler of the root logger would print each message again, to stderr


def _show_messages() -> None:
    """Prints log messages as plain lines, and warnings as lines without the source code."""
    show_log_messages()
    warnings.formatwarning = lambda message, *args, **kwargs: f"warning: {one_line(message)}\n"  # type: ignore[assignment]
