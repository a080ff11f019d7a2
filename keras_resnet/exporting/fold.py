"""`fold_batchnorm`: batch normalization as part of the convolutions before it."""

from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_resnet.exporting.rewriting import Function, configuration, copied, layer_like, rewritten, values
from keras_resnet.exporting.stock import stock_model

# Layers that a batch normalization after them can become a part of: they are linear and have a kernel per channel.
LINEAR = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D, layers.Dense)


def fold_batchnorm(model: keras.Model) -> keras.Model:
    """An equal model of stock Keras layers for inference, with batch normalization folded into convolutions.

    A batch normalization becomes part of the convolution or fully connected layer before it if nothing else reads that
    layer's output; in networks of version 2, some remain. The normalization of the input becomes part of the first
    convolution if that is exact: without padding between them. Layers of this package become Keras's own, nested models
    are inlined, and dropout is removed. All computation is in float32, whatever the precision of training.

    Source: Jacob et al. 2017, https://arxiv.org/abs/1712.05877, section 3.2.

    Args:
        model: a functional or sequential Keras model, such as all models of this package. It remains as it is.

    Returns:
        A functional `keras.Model` with the same inputs and outputs, up to rounding errors. Its `.keras` file opens with
        Keras alone. It is for inference: its layers have no regularizers, and training it would not normalize batches.

    Raises:
        ValueError: the model, or one inside it, is not functional.

    Example:
        >>> import keras, keras_resnet
        >>> folded = keras_resnet.fold_batchnorm(keras_resnet.ResNet20Cifar())
        >>> any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
        False
    """
    return folded(stock_model(model))


def folded(model: keras.Model, dtype: str = "float32") -> keras.Model:
    """A model of stock layers with its normalizations folded.

    Args:
        model: as `stock_model` returns it.
        dtype: of its computation.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.fold import folded
        >>> x = keras.Input((4, 4, 3))
        >>> model = keras.Model(x, keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3)(x)))
        >>> [type(layer).__name__ for layer in folded(model).layers]
        ['InputLayer', 'Conv2D']
    """
    before, after = _foldings(model)
    gone = {*before.values(), *after.values()}

    def replacement(operation: keras.Operation, name: str) -> Function:
        if operation in gone:
            return lambda x, **kwargs: x
        if operation in before or operation in after:
            return _with_normalization(operation, before.get(operation), after.get(operation), name, dtype)
        return copied(operation, name, dtype)

    return rewritten(model, replacement)


Normalizations = dict[keras.Operation, keras.Layer]  # of a linear layer: the normalization of its input or output


def _foldings(model: keras.Model) -> tuple[Normalizations, Normalizations]:
    """The normalizations before and after linear layers that can be folded into them."""
    nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes]
    calls = Counter(node.operation for node in nodes)
    readers = Counter(id(tensor) for tensor in model.outputs)
    readers.update(id(tensor) for node in nodes for tensor in node.input_tensors)
    before: Normalizations = {}
    after: Normalizations = {}
    for node in nodes:
        if len(node.input_tensors) != 1:
            continue
        tensor, second = node.input_tensors[0], node.operation
        first = tensor._keras_history.operation
        if readers[id(tensor)] > 1 or calls[first] > 1 or calls[second] > 1:
            continue
        if _follows(second, first, len(tensor.shape)):
            after[first] = second
        elif _precedes(first, second):
            before[second] = first
    return before, after


def _follows(normalization: keras.Operation, linear: keras.Operation, rank: int) -> bool:
    """Whether this is a batch normalization of the channels of a linear layer's outputs."""
    return (
        type(normalization) is layers.BatchNormalization
        and type(linear) in LINEAR
        and linear.activation is keras.activations.linear
        and normalization.axis % rank == _channel_axis(linear) % rank
    )


def _precedes(normalization: keras.Operation, linear: keras.Operation) -> bool:
    """Whether this is a normalization of each channel of a convolution's input, which that does not pad with zeros."""
    return (
        type(normalization) is layers.Rescaling
        and "float" in normalization.input.dtype
        and type(linear) is layers.Conv2D
        and linear.padding == "valid"
        and linear.groups == 1
        and all(_per_channel(value, _channel_axis(linear)) for value in (normalization.scale, normalization.offset))
    )


def _channel_axis(linear: keras.Layer) -> int:
    return 1 if getattr(linear, "data_format", None) == "channels_first" else -1


def _per_channel(statistic: Any, axis: int) -> bool:
    """Whether the scale or offset of a Rescaling layer is a number, or one for each channel."""
    shape = np.shape(statistic)
    return len(shape) <= 1 if axis == -1 else shape in ((), (1,)) or (len(shape) == 3 and shape[1:] == (1, 1))


def _with_normalization(
    linear: keras.Layer, before: keras.Layer | None, after: keras.Layer | None, name: str, dtype: str
) -> keras.Layer:
    """A linear layer that also normalizes, before or after its own computation."""
    kernel, *rest = values(linear)
    bias = rest[0] if rest else np.zeros(())
    if before:
        scale, offset = (np.ravel(np.asarray(value, "float64")) for value in (before.scale, before.offset))
        bias = bias + (kernel * offset[:, None]).sum((0, 1, 2))
        kernel = kernel * scale[:, None]
    if after:
        scale, offset = _scale_and_offset(after)
        bias = bias * scale + offset
        kernel = kernel * (scale.reshape(kernel.shape[-2:]) if isinstance(linear, layers.DepthwiseConv2D) else scale)
    config = {**configuration(linear, name, dtype), "use_bias": True}
    return layer_like(linear, type(linear), config, [kernel, bias])


def _scale_and_offset(normalization: layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalization in inference, as x * scale + offset, float64."""

    def value(variable: keras.Variable | None, otherwise: float) -> np.ndarray | float:
        return otherwise if variable is None else keras.ops.convert_to_numpy(variable).astype("float64")

    variance = value(normalization.moving_variance, 1.0)
    scale = value(normalization.gamma, 1.0) / np.sqrt(variance + normalization.epsilon)
    return scale, value(normalization.beta, 0.0) - value(normalization.moving_mean, 0.0) * scale
