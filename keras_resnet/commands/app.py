"""Runs a command: defines and parses its flags, shows log messages, and prints errors as one line."""

import functools
import logging
import pathlib
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags
from absl import logging as absl_logging

from keras_resnet.interrupts import ctrl_c_arrives

# Errors whose message tells the user what to do; any other one is a bug and keeps its traceback.
EXPLAINED_ERRORS = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)

Main = Callable[[list[str]], int | None]


def run(define_flags: Callable[[], None], main: Main) -> NoReturn:
    """Runs a command and exits the process.

    Args:
        define_flags: defines the command's flags.
        main: takes the program's name and the positional arguments; returns the exit code, None for 0. An error with an
            explanation, or Ctrl-C, ends in one line on stderr and exit code 1.
    """
    others = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - others:  # --help lists the flags of the program's own module only
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    show_log_messages()
    app.run(functools.partial(_run_with_short_errors, main))


def usage_error(argv: list[str], arguments: str) -> SystemExit:
    """The error to raise when positional arguments are missing: a usage line on stderr and exit code 1.

    Args:
        argv: as `main` gets it.
        arguments: the arguments and flags that the command takes.

    Example:
        >>> from keras_resnet.commands.app import usage_error
        >>> print(usage_error(["scripts/predict.py"], "RUN IMAGE..."))
        usage: predict.py RUN IMAGE...
    """
    return SystemExit(f"usage: {pathlib.Path(argv[0]).name} {arguments}")


def show_log_messages() -> None:
    """Prints the package's log messages, from level INFO, to stdout as plain lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("keras_resnet")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False  # absl's handler of the root logger would print each message again, to stderr


def _run_with_short_errors(main: Main, argv: list[str]) -> int | None:
    if not flags.FLAGS["verbosity"].present:
        absl_logging.set_verbosity(absl_logging.WARNING)  # TFDS logs every file that it opens
    try:
        with ctrl_c_arrives():
            return main(argv)
    except EXPLAINED_ERRORS as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; completed work is kept")
