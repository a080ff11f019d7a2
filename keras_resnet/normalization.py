"""The first layer of a model: RGB in 0 to 255 -> (x - mean) / std, as a stock Keras layer."""

import numpy as np
from keras import layers

from keras_resnet.layers import channel_axis

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
