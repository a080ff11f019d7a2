"""Runs a command or a script as several workers on this machine."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO, NamedTuple

from absl import flags

from keras_resnet.commands.flags import group
from keras_resnet.commands.table import COMMANDS

GRACE_PERIOD = 60.0  # seconds that the other workers have to exit after one has failed


class Worker(NamedTuple):
    """A worker's process, and the thread that passes its output on."""

    process: subprocess.Popen[str]
    reader: threading.Thread


def define_flags() -> None:
    """Defines the flags of the command. Flags after the first positional argument are those of the workers."""
    with group("devices"):
        flags.DEFINE_integer("workers", 2, "Number of workers.", lower_bound=1)
    flags.FLAGS.set_gnu_getopt(False)


def main(argv: list[str]) -> int:
    """Runs the workers; the exit code is 0, or that of the worker that failed first."""
    command = _python_arguments(argv[1:])
    addresses = _free_addresses(flags.FLAGS.workers)
    workers = [_start(index, addresses, command) for index in range(len(addresses))]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: _send(workers, number))
    return _wait(workers)


def _python_arguments(command: list[str]) -> list[str]:
    """The arguments with which Python runs a command of `keras-resnet`, or a script."""
    if command[0] in COMMANDS:
        return ["-m", "keras_resnet", *command]
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


def _start(index: int, addresses: list[str], command: list[str]) -> Worker:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    reader = threading.Thread(target=_pass_on, args=(index, process.stdout))
    reader.start()
    return Worker(process, reader)


def _pass_on(index: int, lines: IO[str]) -> None:
    for line in lines:
        print(f"{index}: {line}", end="", flush=True)


def _wait(workers: list[Worker]) -> int:
    """Waits until all workers have exited; kills them if they outlive the failure of one by the grace period."""
    status, deadline = 0, None
    while any(worker.process.poll() is None for worker in workers):
        failed = _failed(workers)
        if failed and deadline is None:
            status, deadline = failed[0], time.monotonic() + GRACE_PERIOD
        if deadline and time.monotonic() > deadline:
            _send(workers, signal.SIGKILL)
        time.sleep(0.1)
    for worker in workers:
        worker.reader.join()
    status = status or next(iter(_failed(workers)), 0)
    return status if status >= 0 else 128 - status  # as shells report signals


def _failed(workers: list[Worker]) -> list[int]:
    """The exit codes of the workers that have failed."""
    return [worker.process.returncode for worker in workers if worker.process.returncode]


def _send(workers: list[Worker], number: int) -> None:
    """Sends a signal to the workers that are still running."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.send_signal(number)
