"""Memory of a training step: a check before the run, the error when it is short, and the peak."""

import itertools
import math
import resource
import sys

import keras
import tensorflow as tf

from keras_resnet.models.complexity import layers_of
from keras_resnet.runtimes.memory import machine_memory


def check_memory(model: keras.Model, batch_size: int, image_shape: tuple[int, int, int]) -> None:
    """Checks that the outputs a training step must keep fit into the memory of this machine or container.

    It checks CPUs only, where the system kills a process that is out of memory; a GPU's allocator raises an error.

    Args:
        model: the model to train.
        batch_size: images per step on this machine.
        image_shape: (height, width, channels).

    Raises:
        MemoryError: they do not fit.
    """
    if tf.config.list_logical_devices("GPU"):
        return
    if getattr(model, "recompute_blocks", False):
        return  # what a step keeps then depends on the largest block
    kept = (keras.layers.Conv2D, keras.layers.BatchNormalization)
    layers = itertools.dropwhile(lambda layer: not layer.trainable_variables, layers_of(of_size(model, image_shape)))
    outputs = [layer.output for layer in layers if isinstance(layer, kept) and None not in layer.output.shape[1:]]
    needed = batch_size * sum(math.prod(output.shape[1:]) * tf.as_dtype(output.dtype).size for output in outputs)
    available = machine_memory()
    if needed > available:
        reason = f"it needs at least {needed / 2**30:.0f} GiB of {available / 2**30:.0f} GiB"
        raise out_of_memory_error(batch_size, image_shape, reason)


def of_size(model: keras.Model, image_shape: tuple[int, int, int]) -> keras.Model:
    """The model itself; if it takes images of any size, a copy, with other weights, for images of this shape.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.memory import of_size
        >>> model = keras_resnet.ResNet18(include_top=False, input_shape=(None, None, 3))
        >>> of_size(model, (64, 64, 3)).output_shape
        (None, 2, 2, 512)
    """
    if None not in model.input_shape[1:]:
        return model
    return keras.models.clone_model(model, input_tensors=keras.Input(image_shape, name="images"))


def out_of_memory_error(batch_size: int, image_shape: tuple[int, int, int], reason: str) -> MemoryError:
    """The error for a batch that does not fit into memory: why, and what to change."""
    height, width, _ = image_shape
    return MemoryError(
        f"A training step with {batch_size} images of {height}x{width} does not fit into memory ({reason}). Use a "
        "lower batch_size (and lower the learning_rate by the same factor), a smaller image_size, mixed precision or "
        "more devices."
    )


def peak_memory() -> int:
    """Peak memory so far, in bytes: of the first GPU, or of this process if there is no GPU."""
    if tf.config.list_logical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # elsewhere in KiB
