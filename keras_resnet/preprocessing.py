"""Preprocessing and its constants: the normalization layer, `preprocess_input` and `decode_predictions`.

The two functions are for code that was written for `keras.applications`.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_resnet.errors import first_line
from keras_resnet.layers import channel_axis

# Mean and standard deviation of ImageNet's training images, RGB, in units of 0 to 255: 255 times
# (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of fb.resnet.torch and torchvision.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

NORMALIZATION_LAYER = "normalization"  # its name in a model

Statistic = float | Sequence[float] | np.ndarray


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Returns `x` unchanged, because models of this package normalize their own input.

    Provided for code written for `keras.applications`. Pass RGB images in 0 to 255.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.preprocess_input([0, 255])
        [0, 255]
    """
    del data_format
    return x


def decode_predictions(preds: np.ndarray, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The names of ImageNet's most probable classes, as in `keras.applications`.

    The class index (35 kB) is Keras's own, read from Keras's cache, or downloaded on first use and verified.

    Args:
        preds: probabilities, (batch, 1000).
        top: number of classes to return.

    Returns:
        For each image a list of (WordNet ID, name, probability), the most probable class first.

    Raises:
        ValueError: `preds` does not have the shape (batch, 1000), or `top` is below 1.
        OSError: the class index is not in the cache and could not be downloaded; the message says where to put it.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.decode_predictions(probabilities, top=1)  # doctest: +SKIP
        [[('n02123045', 'tabby', 0.93)]]
    """
    from keras.applications import imagenet_utils

    if top < 1:
        raise ValueError(f"top={top} must be at least 1.")
    preds = np.asarray(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise ValueError(f"decode_predictions takes probabilities of shape (batch, 1000), not {preds.shape}.")
    try:
        return imagenet_utils.decode_predictions(preds, top=top)
    except Exception as error:  # get_file raises Exception itself
        folder = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
        raise OSError(
            f"ImageNet's class index could not be downloaded ({first_line(error)}); "
            f"put imagenet_class_index.json into {folder} by hand."
        ) from error


def normalization(x: keras.KerasTensor, mean: Statistic, std: Statistic) -> keras.KerasTensor:
    """(x - mean) / std in float32, as one of Keras's own layers, which every exporter supports."""
    scale, offset = _scale_and_offset(mean, std, x.shape[1:])
    return layers.Rescaling(scale, offset, dtype="float32", name=NORMALIZATION_LAYER)(x)


def set_normalization(model: keras.Model, mean: Statistic, std: Statistic) -> None:
    """Changes the mean and std of a model's normalization layer, if it has one."""
    for layer in model.layers:
        if layer.name == NORMALIZATION_LAYER:
            layer.scale, layer.offset = _scale_and_offset(mean, std, layer.input.shape[1:])
            # Functions compiled earlier contain the old values.
            model.train_function = model.test_function = model.predict_function = None


def _scale_and_offset(mean: Statistic, std: Statistic, shape: Sequence[Any]) -> tuple[list, list]:
    """The arguments of keras.layers.Rescaling: x / std - mean / std."""
    means, stds = _statistic("mean", mean, shape), _statistic("std", std, shape)
    if not (stds > 0).all():
        raise ValueError("std must be above 0 everywhere.")
    return (1 / stds).tolist(), (-means / stds).tolist()


def _statistic(name: str, statistic: Statistic, shape: Sequence[Any]) -> np.ndarray:
    """A mean or standard deviation (scalar, per channel, or H x W x C) in the layout of an input of that shape."""
    value = np.asarray(statistic, "float64")
    image_shape = tuple(shape) if channel_axis() == -1 else (*shape[1:], shape[0])
    channels = image_shape[-1]
    if value.shape not in ((), (channels,), image_shape):
        raise ValueError(
            f"{name} has the shape {value.shape}, which does not match images of shape {image_shape}; pass "
            f"a number, {channels} numbers (one per channel), or an image of that shape, in units of 0 to 255."
        )
    if value.ndim == 0:
        value = np.broadcast_to(value, (channels,))
    if channel_axis() == -1:
        return value
    return value.reshape(channels, 1, 1) if value.ndim == 1 else value.transpose(2, 0, 1)
