"""`write_weights`: writes the weights of a model as a small file, such as those that come with this package."""

import os
import pathlib

import keras
import numpy as np

from keras_resnet.files import write_atomically
from keras_resnet.preprocessing import get_normalization
from keras_resnet.weights.hdf5 import NORMALIZATION, Tensors


def write_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes a model's weights and the normalization of its input, in about half the bytes of float32.

    Kernels are rounded to float16. All other tensors stay float32: they are small, and the variance of a stem may
    exceed 65,504, float16's maximum. `load_weights` also sets the normalization.

    Args:
        model: a model of this package.
        path: of the `.safetensors` file; an existing one is replaced.

    Raises:
        ValueError: a weight is NaN or infinite, also after rounding.
        OSError: the file cannot be written; an existing one is unchanged.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.weights.packaging import write_weights
        >>> write_weights(keras_resnet.ResNet20Cifar(), "net.safetensors")
        >>> model = keras_resnet.ResNet20Cifar(weights="net.safetensors")
    """
    from safetensors.numpy import save

    content = save(_tensors(model))
    write_atomically(pathlib.Path(path).expanduser(), lambda scratch: pathlib.Path(scratch).write_bytes(content))


def _tensors(model: keras.Model) -> Tensors:
    """All tensors of the file, by "layer/variable"."""
    tensors = {}
    for layer in model.layers:
        for variable in layer.weights:
            name, dtype = f"{layer.name}/{variable.name}", "float16" if variable.name == "kernel" else "float32"
            with np.errstate(over="ignore"):  # reported below
                tensors[name] = keras.ops.convert_to_numpy(variable).astype(dtype)
            if not np.isfinite(tensors[name]).all():
                raise ValueError(f"{name} of {model.name} contains NaN, infinity, or a number too large for {dtype}.")
    if statistics := get_normalization(model):
        tensors |= zip(NORMALIZATION, [np.asarray(statistic, "float32") for statistic in statistics], strict=True)
    return tensors
