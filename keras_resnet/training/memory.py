"""TODO training.memory."""

import math
import os
import resource
import sys

import keras
import tensorflow as tf


def check_memory(model, batch_size, image_shape):
    """Raises MemoryError where the outputs alone that a training step keeps exceed the memory of this machine.

    For a CPU: there, no allocation fails, but the system kills the process.
    """
    kept = (keras.layers.Conv2D, keras.layers.BatchNormalization)
    outputs = [layer.output for layer in model.layers if isinstance(layer, kept)]
    if tf.config.list_logical_devices("GPU"):
        return  # whose allocator says so itself
    needed = batch_size * sum(math.prod(output.shape[1:]) * tf.as_dtype(output.dtype).size for output in outputs)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise too_large(batch_size, image_shape, f"{needed / 2**30:.0f} GiB at least, there are {there / 2**30:.0f}")


def too_large(batch_size, image_shape, why):
    """The error of a batch that does not fit into the memory."""
    height, width, _ = image_shape
    return MemoryError(
        f"A step with {batch_size} images of {height}x{width} does not fit into the memory ({why}). Give a lower "
        "batch_size (and lower the learning_rate by the same factor), a smaller image_size, mixed precision, or "
        "more devices."
    )


def peak_memory() -> int:
    """Bytes that the first GPU, or without one the process, has held at most."""
    if tf.config.list_logical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
