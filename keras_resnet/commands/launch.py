"""Runs a command or a script as several workers on this machine."""

import contextlib
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from absl import flags

from keras_resnet.commands.flags import group
from keras_resnet.commands.table import COMMAND_GROUPS, COMMANDS

GRACE_PERIOD = 60.0  # seconds that the other workers have to exit after one has failed
INTERRUPT_PERIOD = 5.0  # seconds that the workers have to exit after Ctrl-C
OUTPUT_PERIOD = 5.0  # seconds to wait for the last output of workers that have exited

_printing = threading.Lock()


class Worker:
    """A worker's process, and a thread that prints its output, each line with the worker's index before it.

    The process is in a group of its own, so that Ctrl-C on a terminal reaches the launcher only.
    """

    def __init__(self, index: int, addresses: Sequence[str], command: Sequence[str]) -> None:
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        self.index = index
        self.muted = False  # whether its output is dropped
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
        self.reader = threading.Thread(target=self._pass_on, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def _pass_on(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                if not self.muted:
                    _print_line(f"{self.index}: {line}")

    @property
    def exit_code(self) -> int | None:
        """The process's exit code; None while it runs."""
        return self.process.poll()

    def kill(self) -> None:
        """Kills the process and those that it has started."""
        if not self.muted:
            _print_line(f"{self.index}: killed, because it did not exit in time")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _print_line(line: str) -> None:
    """Prints a line as a whole, also if it lacks its end."""
    with _printing, contextlib.suppress(BrokenPipeError):  # workers run on if nobody reads their output
        print(line.removesuffix("\n"), flush=True)


def define_flags() -> None:
    """Defines the flags of the command. Flags after the first positional argument are those of the workers."""
    with group("devices"):
        flags.DEFINE_integer("workers", 2, "Number of workers.", lower_bound=1)
    flags.FLAGS.set_gnu_getopt(False)


def main(argv: list[str]) -> int:
    """Runs the workers; the exit code is 0, or that of the worker that failed first.

    It passes signals on to the workers. Ctrl-C ends all of them within seconds.

    Raises:
        FileNotFoundError: there is no such script.
        KeyboardInterrupt: Ctrl-C was pressed; no worker is running any more.
    """
    command = _python_arguments(argv[1:])
    received = _receive_signals()
    addresses = _free_addresses(flags.FLAGS.workers)
    workers = [Worker(index, addresses, command) for index in range(len(addresses))]
    status = _wait(workers, received)
    for worker in workers:
        worker.reader.join(OUTPUT_PERIOD)
    if any(worker.muted for worker in workers):
        raise KeyboardInterrupt
    return status if status >= 0 else 128 - status  # as shells report signals


def _receive_signals() -> list[int]:
    """A list to which signals for this process are appended from now on."""
    received: list[int] = []
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, lambda number, _: received.append(number))
    return received


def _python_arguments(command: list[str]) -> list[str]:
    """The arguments with which Python runs a command of `keras-resnet`, or a script."""
    if command[0] in COMMANDS:
        return ["-m", "keras_resnet", *command]
    if command[0] in COMMAND_GROUPS:
        raise ValueError(f"`keras-resnet {command[0]}` runs in one process; run it without launch.")
    if not pathlib.Path(command[0]).is_file():
        raise FileNotFoundError(f"There is no script {command[0]!r}; name a script, or a command such as train.")
    return command


def _free_addresses(count: int) -> list[str]:
    """Addresses of this machine with unused ports."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait(workers: list[Worker], received: list[int]) -> int:
    """Waits until all workers have exited; kills those that outlive Ctrl-C or the failure of another for too long.

    Returns:
        The exit code of the worker that failed first, or 0.
    """
    status, deadline = 0, math.inf
    while running := [worker for worker in workers if worker.exit_code is None]:
        while received:
            deadline = min(deadline, _pass_on_signal(received.pop(0), running))
        if not status and (status := _failure(workers)):
            deadline = min(deadline, time.monotonic() + GRACE_PERIOD)
        if time.monotonic() > deadline:
            for worker in running:
                worker.kill()
        time.sleep(0.1)
    return status or _failure(workers)


def _pass_on_signal(number: int, running: list[Worker]) -> float:
    """Sends a signal to the running workers; returns the time when they must have exited.

    After Ctrl-C, their output is dropped: each would report the interruption, with or without a traceback. A second
    Ctrl-C leaves them no time.
    """
    patience = math.inf
    if number == signal.SIGINT:
        patience = 0.0 if any(worker.muted for worker in running) else INTERRUPT_PERIOD
    for worker in running:
        worker.muted = worker.muted or number == signal.SIGINT
        worker.process.send_signal(number)
    return time.monotonic() + patience


def _failure(workers: list[Worker]) -> int:
    """The exit code of a worker that has failed, or 0."""
    return next((worker.exit_code for worker in workers if worker.exit_code), 0)
