"""Runs a training script as several processes of this machine that train one model together.

    python scripts/launch_local.py [--workers=2] scripts/train_imagenet.py --data_dir=PHOTOS --workdir=runs/two

What stands behind the script's name are its own flags. The processes find each other by TF_CONFIG, as workers in a
network do; each line of their output begins with the number of its process. If one ends with an error, the others have
a minute to end by themselves.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from absl import app, flags

WORKERS = flags.DEFINE_integer("workers", 2, "Processes to run.", lower_bound=1)
GRACE = 60.0  # seconds that processes have to end after one has failed, or after a signal


def free_addresses(count):
    """Addresses of this machine whose ports nobody uses."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def start(index, addresses, command):
    """A process of the cluster, whose lines are passed on."""
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    process.reader = threading.Thread(target=pass_on, args=(index, process.stdout))
    process.reader.start()
    return process


def pass_on(index, lines):
    for line in lines:
        print(f"{index}: {line}", end="", flush=True)


def wait(processes):
    """The exit status: 0, or that of the process that failed first."""
    status, deadline = 0, None
    while any(process.poll() is None for process in processes):
        failed = [process.returncode for process in processes if process.returncode]
        if failed and deadline is None:
            status, deadline = failed[0], time.monotonic() + GRACE
        if deadline and time.monotonic() > deadline:
            stop(processes, signal.SIGKILL)
        time.sleep(0.1)
    for process in processes:
        process.reader.join()
    status = status or next((process.returncode for process in processes if process.returncode), 0)
    return status if status >= 0 else 128 - status  # of a signal, as a shell has it


def stop(processes, number):
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def main(arguments):
    command = arguments[1:]
    if not command:
        sys.exit("error: Name the script to run, and its flags behind it.")
    addresses = free_addresses(WORKERS.value)
    processes = [start(index, addresses, command) for index in range(WORKERS.value)]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop(processes, number))
    sys.exit(wait(processes))


if __name__ == "__main__":
    app.run(main)
