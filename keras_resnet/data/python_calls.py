"""Calls of Python functions from tf.data pipelines, which let the process exit at any time.

`tf.numpy_function` alone does not: a thread of TensorFlow that waits for the interpreter while Python exits never
returns, and the iterator of the pipeline waits for that thread forever.
"""

import atexit
import functools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

PAUSE = 0.02  # seconds in which threads that wait for the interpreter get it
QUIET_PAUSES = 5  # pauses without a call, one after the other, after which none is in progress


def call_python(function: Callable[..., Any], inputs: Sequence[tf.Tensor], dtypes: Any) -> Any:
    """`tf.numpy_function` for pipelines. No call begins once Python exits, and Python waits for those that have begun.

    Args:
        function: a function of NumPy arrays that returns NumPy arrays.
        inputs: its arguments.
        dtypes: the type of what it returns, or a list of types.

    Returns:
        One tensor, or as many as types, of unknown shape.

    Raises:
        tf.errors.InvalidArgumentError: Python exits, or the function raised a ValueError.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.python_calls import call_python
        >>> words = tf.data.Dataset.from_tensors(b"residual")
        >>> lengths = words.map(lambda word: call_python(len, [word], tf.int64))
        >>> int(next(iter(lengths)))
        8
    """
    gate = _gate()
    is_open = tf.debugging.Assert(tf.logical_not(gate.is_closed()), ["Python exits."])
    with tf.control_dependencies([is_open]):
        return tf.numpy_function(gate.counted(function), inputs, dtypes)


@functools.cache
def _gate() -> "_Gate":
    """The gate of this process, which is closed when Python exits."""
    gate = _Gate()
    atexit.register(gate.close)
    return gate


class _Gate:
    """Lets calls pass until it is closed. TensorFlow's threads can see that it is closed without the interpreter."""

    def __init__(self) -> None:
        with tf.init_scope(), tf.device("CPU:0"):
            self._queue = tf.queue.FIFOQueue(1, tf.bool)  # always empty
        self._calls, self._lock = 0, threading.Lock()

    def is_closed(self) -> tf.Tensor:
        return self._queue.is_closed()

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its calls counted while they last."""

        def call(*values):
            self._add(1)
            try:
                return function(*values)
            finally:
                self._add(-1)

        return call

    def _add(self, calls: int) -> None:
        with self._lock:
            self._calls += calls

    def close(self) -> None:
        """Lets no more calls pass, and waits for those that have."""
        self._queue.close()
        quiet = 0
        while quiet < QUIET_PAUSES:
            time.sleep(PAUSE)
            quiet = 0 if self._calls else quiet + 1
