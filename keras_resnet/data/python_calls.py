"""Calls of Python functions from tf.data pipelines, which let the process exit at any time.

`tf.numpy_function` alone does not: a thread of TensorFlow that waits for the interpreter while Python exits never
returns, and the iterator of the pipeline waits for that thread forever.
"""

import atexit
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

PERMITS = 1024  # calls at the same time; more than pipelines have threads, so that none waits


def call_python(
    function: Callable[..., Sequence[Any]], inputs: Sequence[tf.Tensor], dtypes: Sequence[tf.DType]
) -> list[tf.Tensor]:
    """Calls a Python function of NumPy arrays, as `tf.numpy_function` does. No call begins once Python exits.

    Args:
        function: returns one array for each of `dtypes`. If it raises an error, so does the pipeline, with its message.
        inputs: the function's arguments.
        dtypes: the types of what it returns.

    Returns:
        Tensors of unknown shape.

    Raises:
        tf.errors.InvalidArgumentError: the function raised an error.
        tf.errors.OutOfRangeError: Python exits.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.data.python_calls import call_python
        >>> words = tf.data.Dataset.from_tensors(b"residual")
        >>> lengths = words.map(lambda word: call_python(lambda text: [len(text)], [word], [tf.int64])[0])
        >>> int(next(iter(lengths)))
        8
    """

    def results_or_error(*values):
        try:
            return ("", *function(*values))
        except Exception as error:  # raised by the pipeline, after the permit is returned
            placeholders = (np.zeros((), tf.as_dtype(dtype).as_numpy_dtype) for dtype in dtypes)
            return (str(error) or type(error).__name__, *placeholders)

    permits = _permits()
    with tf.control_dependencies([permits.dequeue()]):
        error, *results = tf.numpy_function(results_or_error, inputs, [tf.string, *dtypes])
    with tf.control_dependencies([error]):
        returned = permits.enqueue(True)
    with tf.control_dependencies([returned]):
        succeeded = tf.debugging.Assert(tf.equal(error, ""), [error])
    with tf.control_dependencies([succeeded]):
        return [tf.identity(result) for result in results]


@functools.cache
def _permits() -> tf.queue.QueueBase:
    """The permits to call Python. They are withdrawn before the interpreter exits.

    TensorFlow's threads take and return a permit without the interpreter.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        permits = tf.queue.FIFOQueue(PERMITS, tf.bool, shapes=())
        permits.enqueue_many(tf.ones(PERMITS, tf.bool))

    def withdraw():
        permits.dequeue_many(PERMITS)  # waits for calls that have begun
        permits.close()  # fails calls that wait for a permit

    atexit.register(withdraw)
    return permits
