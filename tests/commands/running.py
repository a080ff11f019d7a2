"""Runs commands in the process of the tests."""

import io
import logging
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

from absl import flags
from absl import logging as absl_logging
from absl.testing import flagsaver


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


@contextmanager
def unchanged_process():
    """Restores flags, logging and warnings, which a command changes for its own process."""
    logger, gnu, verbosity = (
        logging.getLogger("keras_resnet"),
        flags.FLAGS.is_gnu_getopt(),
        absl_logging.get_verbosity(),
    )
    before = logger.handlers, logger.propagate, logger.level, warnings.formatwarning
    try:
        with flagsaver.flagsaver():
            yield
    finally:
        flags.FLAGS.set_gnu_getopt(gnu)
        absl_logging.set_verbosity(verbosity)
        logger.handlers, logger.propagate, level, warnings.formatwarning = before
        logger.setLevel(level)


def ended(command, *arguments) -> Ended:
    """Calls a function that exits the process; returns the exit code and the output that the process would have."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with unchanged_process(), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            command(*arguments)
            code = None
        except SystemExit as stop:
            code = stop.code
    if isinstance(code, str):  # Python prints it to stderr and exits with 1
        return Ended(1, stdout.getvalue(), f"{stderr.getvalue()}{code}\n")
    return Ended(code or 0, stdout.getvalue(), stderr.getvalue())


def keras_resnet_command(monkeypatch, *arguments) -> Ended:
    """Runs `keras-resnet` with these arguments."""
    from keras_resnet.commands.main import main

    monkeypatch.setattr(sys, "argv", ["keras-resnet", *map(str, arguments)])
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")  # TensorFlow runs already, so there is nothing to filter
    return ended(main)
