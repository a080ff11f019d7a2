"""What ends a run that cannot come to a good end, each with the way out."""

import math
import os

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.checkpoints import last_good, place, variables_of

DIVERGED = 100.0  # times the loss of guessing; a net that learns never comes near it


class DivergenceGuard(keras.callbacks.Callback):
    """Stops a run whose running loss is no number, or a hundred times that of guessing.

    Args:
        classes: of the model.
        run: the run directory, whose last checkpoint the message names.
        skipped: steps of the first epoch that were made before `fit`.
    """

    def __init__(self, classes, run, skipped):
        super().__init__()
        self.run, self.skipped = run, skipped
        self.limit = DIVERGED * max(1.0, math.log(classes))

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not logs["loss"] < self.limit:
            where = place(self.epoch, self.skipped + batch + 1)
            raise diverged(f"The loss is {logs['loss']:.4g} {where}", self.run)

    def on_epoch_end(self, epoch, logs=None):
        self.skipped = 0


def check_finite(model, where, run):
    """Raises FloatingPointError where a weight, or a value of the optimizer, is no finite number."""
    for variable in variables_of(model):
        value = np.asarray(variable)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise diverged(f"{variable.path} is not finite {where}", run)


def diverged(what, run):
    """The error of a run that has diverged."""
    return FloatingPointError(
        f"{what}: the training has diverged. {last_good(run)} Start anew, in another workdir, with a lower "
        "learning_rate or a longer warmup."
    )


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


def cause(error) -> str:
    """The line of an error of TensorFlow that says what is wrong; before it stands where in the graph."""
    place = ("Graph execution error", "Detected at", " ", "\t")
    lines = [line for line in error.message.splitlines() if line.strip() and not line.startswith(place)]
    return lines[0] if lines else type(error).__name__


def too_large(batch_size, image_shape, why):
    """The error of a batch that does not fit into the memory."""
    height, width, _ = image_shape
    return MemoryError(
        f"A step with {batch_size} images of {height}x{width} does not fit into the memory ({why}). Give a lower "
        "batch_size (and lower the learning_rate by the same factor), a smaller image_size, mixed precision, or "
        "more devices."
    )
