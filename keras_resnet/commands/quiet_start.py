"""Starts TensorFlow and LiteRT without the log lines that they print at every start.

They print them from C++, before log levels are set. While they start, standard error therefore goes through a filter:
this file, run as a program. It drops only the lines of `NOISE`. As another process, it still passes on the last words
of a TensorFlow that aborts.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator

NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|[IW]\d{4} \d\d[\d:.]+ "  # information and warnings in the format of absl's logs
    rb"|INFO: Created TensorFlow Lite XNNPACK delegate"
    rb"|E\d{4} .*failed call to cuInit: .*UNKNOWN ERROR \(303\)"  # a machine without a GPU's driver
)

PATIENCE = 2.0  # seconds for the filter to pass on its last lines


def start_tensorflow() -> None:
    """Imports TensorFlow and the models, whose layers Keras then knows, and finds the devices.

    The environment variable TF_CPP_MIN_LOG_LEVEL=0 shows all of TensorFlow's log messages.

    Raises:
        ImportError: TensorFlow cannot be imported.
    """
    with quiet_stderr():
        import tensorflow as tf

        import keras_resnet.models  # noqa: F401 (registers its layers with Keras)

        tf.config.list_physical_devices()  # looks for GPUs, which logs what it finds


def quiet_stderr() -> contextlib.AbstractContextManager[None]:
    """A context in which runtimes start quietly; the environment variable TF_CPP_MIN_LOG_LEVEL=0 shows everything."""
    filtered = sys.stderr is not None and os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") != "0"
    return _filtered_stderr() if filtered else contextlib.nullcontext()


@contextlib.contextmanager
def _filtered_stderr() -> Iterator[None]:
    """Passes what the process writes to standard error through the filter."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        program = [sys.executable, "-I", "-S", __file__]
        # In a session of its own, it gets no Ctrl-C, which is meant for the command.
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=stderr, start_new_session=True)
        os.dup2(process.stdin.fileno(), 2)  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            # The filter ends with its last writer. A process that was started meanwhile, and runs on, is another one.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
    finally:
        os.close(stderr)


def _pass_on() -> None:
    """Copies standard input to standard output, without the noise."""
    for line in sys.stdin.buffer:
        if not NOISE.match(line):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _pass_on()
