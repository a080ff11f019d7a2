"""A service in a process of its own, which has neither Keras nor TensorFlow."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

from tests.conftest import REPOSITORY

WITHOUT_TENSORFLOW = """
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None  # any import of them fails
sys.argv[0] = "keras-resnet"
from keras_resnet.commands.main import main
main()
"""


class RunningService:
    """The process of a service, and where it listens."""

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process = process
        self.port = port

    def memory(self) -> float:
        """Resident memory, megabytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def command(*arguments: object) -> list[str]:
    """The command `keras-resnet serve` with these arguments."""
    return [sys.executable, "-c", WITHOUT_TENSORFLOW, "serve", *map(str, arguments)]


@contextlib.contextmanager
def running_service(*arguments: object) -> Iterator[RunningService]:
    """A context in which `keras-resnet serve` runs with these arguments, at a free port."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command(*arguments, "--port=0"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        try:
            printed = []
            for line in process.stdout:
                printed.append(line)
                found = re.search(r"Serving .* at http://127\.0\.0\.1:(\d+)/", line)
                if found:
                    yield RunningService(process, int(found[1]))
                    return
            raise AssertionError("".join(printed))
        finally:
            process.kill()
