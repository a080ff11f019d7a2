"""Models of stock Keras layers, equal to models that hold layers of this package."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import layers, ops

from keras_resnet.exporting.rewriting import Function, configuration, copied, layer_like, rewritten, values
from keras_resnet.layers import (
    BatchNormalization,
    BlurPool,
    Conv2D,
    PaddedMaxPooling2D,
    ReLU,
    StandardizedConv2D,
    ZeroPaddedShortcut,
)

IDENTITIES = (  # in inference
    layers.ActivityRegularization,
    layers.AlphaDropout,
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
)


def stock_model(model: keras.Model, dtype: str = "float32") -> keras.Model:
    """An equal functional `keras.Model` of stock Keras layers and operations, for inference.

    Nested models are inlined, dropout is removed. Layers of yours that Keras does not know remain.

    Args:
        model: a functional or sequential model.
        dtype: of all computation and weights.

    Raises:
        ValueError: the model is not functional.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.exporting.stock import stock_model
        >>> net = keras_resnet.create_model("resnet10t", attention="se")
        >>> any("keras_resnet" in str(type(layer)) for layer in stock_model(net).layers)
        False
    """
    return rewritten(model, lambda operation, name: _stock(operation, name, dtype))


def _stock(operation: keras.Operation, name: str, dtype: str) -> Function:
    if isinstance(operation, IDENTITIES):
        return lambda x, *args, **kwargs: x
    replacement = REPLACEMENTS.get(type(operation), copied)
    return replacement(operation, name, dtype)


def _batch_normalization(layer: BatchNormalization, name: str, dtype: str) -> Function:
    config = {**configuration(layer, name, dtype), "synchronized": False}  # which is for training
    return layer_like(layer, layers.BatchNormalization, config, values(layer))


def _stock_layer(layer: Conv2D | ReLU, name: str, dtype: str) -> Function:
    """Keras's layer of the same name, which is slower and nothing else."""
    return layer_like(layer, getattr(layers, type(layer).__name__), configuration(layer, name, dtype), values(layer))


def _standardized_convolution(layer: StandardizedConv2D, name: str, dtype: str) -> Function:
    config = configuration(layer, name, dtype)
    epsilon = config.pop("epsilon")
    kernel, *bias = values(layer)
    axes = (0, 1, 2)
    standardized = (kernel - kernel.mean(axes)) / np.sqrt(kernel.var(axes) + epsilon)
    return layer_like(layer, layers.Conv2D, config, [standardized, *bias])


def _blur(layer: BlurPool, name: str, dtype: str) -> Function:
    data_format = _data_format(layer.axis == -1)
    blur = layers.DepthwiseConv2D(
        layer.kernel.shape[:2], layer.strides, use_bias=False, data_format=data_format, dtype=dtype, name=name
    )
    blur.build([layer.kernel.shape[2] if axis == layer.axis % 4 else None for axis in range(4)])
    blur.set_weights([layer.kernel])
    return lambda x: blur(ops.pad(x, _of_space(((1, 1), (1, 1)), data_format), mode="reflect"))


def _padded_max_pooling(layer: PaddedMaxPooling2D, name: str, dtype: str) -> Function:
    """Pads with pixels of the image which are in the window anyway, so they change no maximum.

    Minus infinity would do the same, but converters and quantizers need finite values of the image's range.
    """
    pool = layers.MaxPooling2D.from_config(configuration(layer, name, dtype))
    border = tuple((size // 2, size // 2) for size in layer.pool_size)
    mode = "reflect" if all(size % 2 for size in layer.pool_size) else "symmetric"
    return lambda x: pool(ops.pad(x, _of_space(border, layer.data_format), mode=mode))


def _zero_padded_shortcut(layer: ZeroPaddedShortcut, name: str, dtype: str) -> Function:
    data_format = _data_format(layer.channels_last)
    subsample = layers.AveragePooling2D(1, layer.strides, data_format=data_format, dtype=dtype, name=name)
    width = (*((0, 0),) * 3, layer.padding) if layer.channels_last else ((0, 0), layer.padding, (0, 0), (0, 0))
    return lambda x: ops.pad(subsample(x) if layer.strides > 1 else x, width)


def _data_format(channels_last: bool) -> str:
    return "channels_last" if channels_last else "channels_first"


def _of_space(widths: tuple, data_format: str) -> tuple:
    """Padding of height and width alone."""
    none = (0, 0)
    return (none, *widths, none) if data_format == "channels_last" else (none, none, *widths)


REPLACEMENTS: dict[type, Callable[[keras.Operation, str, str], Function]] = {
    BatchNormalization: _batch_normalization,
    BlurPool: _blur,
    Conv2D: _stock_layer,
    PaddedMaxPooling2D: _padded_max_pooling,
    ReLU: _stock_layer,
    StandardizedConv2D: _standardized_convolution,
    ZeroPaddedShortcut: _zero_padded_shortcut,
}


def in_float32(model: keras.Model) -> keras.Model:
    """The model itself if it computes in float32, else an equal one that does.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.stock import in_float32
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, dtype="mixed_bfloat16")])
        >>> in_float32(model).layers[-1].compute_dtype
        'float32'
    """
    return model if all(layer.compute_dtype == "float32" for layer in _layers(model)) else stock_model(model)


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
