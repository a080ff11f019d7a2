"""What images mean to models: normalization constants, and helpers for code from keras.applications."""

import os
import pathlib

import numpy as np
from keras import layers

from keras_resnet.errors import first_line
from keras_resnet.layers import channel_axis

# Mean and standard deviation of ImageNet's training images, RGB, in units of 0 to 255. They are
# (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of fb.resnet.torch and torchvision times 255.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def preprocess_input(x, data_format=None):
    """Returns `x` as it is: a model of this package normalises its own input.

    It stands here for code that comes from `keras.applications`. TrainingInput RGB images in 0 to 255.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.preprocess_input([0, 255])
        [0, 255]
    """
    del data_format
    return x


def decode_predictions(preds, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The names of the most probable of ImageNet's 1,000 classes, as in `keras.applications`.

    The class index (35 kB) is Keras's own: read from its cache, or fetched at the first use and verified.

    Args:
        preds: probabilities (batch, 1000).
        top: classes to name, the most probable first.

    Returns:
        For each image a list of (WNID, name, probability).

    Raises:
        ValueError: `preds` is not (batch, 1000).
        OSError: the class index is not in the cache and cannot be fetched; says where to put it.

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
        raise ValueError(f"decode_predictions takes probabilities (batch, 1000), not {preds.shape}.")
    try:
        return imagenet_utils.decode_predictions(preds, top=top)
    except Exception as error:  # get_file raises bare Exceptions
        folder = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
        raise OSError(
            f"ImageNet's class index cannot be had ({first_line(error)}); "
            f"put imagenet_class_index.json into {folder} by hand."
        ) from error


LAYER = "normalization"


def normalization(x, mean, std):
    """(x - mean) / std in float32, as a stock layer that every exporter understands."""
    scale, offset = _scale_and_offset(mean, std, x.shape[1:])
    return layers.Rescaling(scale, offset, dtype="float32", name=LAYER)(x)


def set_normalization(model, mean, std):
    """Gives a model that normalises its input another mean and std; one that does not is left alone."""
    for layer in model.layers:
        if layer.name == LAYER:
            layer.scale, layer.offset = _scale_and_offset(mean, std, layer.input.shape[1:])
            # Functions that were compiled before hold the old values.
            model.train_function = model.test_function = model.predict_function = None


def _scale_and_offset(mean, std, shape):
    """Lists for keras.layers.Rescaling: x / std - mean / std."""
    mean, std = (_statistic(name, value, shape) for name, value in (("mean", mean), ("std", std)))
    if not (std > 0).all():
        raise ValueError("std must be above 0 everywhere.")
    return (1 / std).tolist(), (-mean / std).tolist()


def _shape_of_statistics(channels):
    return (channels,) if channel_axis() == -1 else (channels, 1, 1)


def _statistic(name, value, shape):
    """A mean or standard deviation (scalar, per channel, or H x W x C) laid out as the input is."""
    value = np.asarray(value, "float64")
    image_shape = tuple(shape) if channel_axis() == -1 else (*shape[1:], shape[0])
    channels = image_shape[-1]
    if value.shape not in ((), (channels,), image_shape):
        raise ValueError(
            f"{name} has the shape {value.shape}, which does not fit images of shape {image_shape}; pass "
            f"a number, {channels} numbers (one a channel), or an image of that shape, in units of 0 to 255."
        )
    if value.ndim == 0:
        return np.broadcast_to(value, _shape_of_statistics(channels))
    if channel_axis() == -1:
        return value
    return value.reshape(channels, 1, 1) if value.ndim == 1 else value.transpose(2, 0, 1)
