"""The number of TensorFlow's threads."""

import tensorflow as tf


def set_threads(threads: int | None) -> None:
    """Sets the threads of TensorFlow's operations in this process; None for one for each core.

    Raises:
        ValueError: TensorFlow runs already, with other threads.
    """
    if threads in (None, tf.config.threading.get_intra_op_parallelism_threads()):
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        raise ValueError("TensorFlow runs already, so its number of threads cannot be changed") from None
