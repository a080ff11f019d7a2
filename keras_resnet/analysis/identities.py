"""Identity mappings: weights with which a new block hands on its input."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.blocks import Block
from keras_resnet.analysis.graph import Call, calls_between
from keras_resnet.analysis.stateless import Stateless
from keras_resnet.layers import StandardizedConv2D, channel_axis

BATCH = 128  # images computed at a time
ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU)
ONLY_IN_TRAINING = (keras.layers.Dropout, keras.layers.SpatialDropout2D)
TESTED = np.linspace(-8, 8, 33, dtype="float32")  # inputs of an activation that is to be applied twice


class Moments(NamedTuple):
    """Mean and variance of each channel of feature maps, float64 (channels,)."""

    mean: np.ndarray
    variance: np.ndarray


def moments_of(model: keras.Model, tensors: Sequence[keras.KerasTensor], images: np.ndarray) -> dict[int, Moments]:
    """The moments that feature maps have in training, over all images and positions.

    Normalizations before them use the statistics of batches of 128 images. The model stays as it is.

    Args:
        model: without models inside it.
        tensors: of its graph, each once.
        images: (N, height, width, channels), in 0 to 255.

    Returns:
        The moments by the `id` of the tensor.

    Example:
        >>> import keras, numpy as np
        >>> from keras_resnet.analysis.identities import moments_of
        >>> x = keras.Input((1, 2, 1))
        >>> model = keras.Model(x, keras.layers.ReLU()(x))
        >>> [found] = moments_of(model, model.outputs, np.array([[[[1.0], [3.0]]]])).values()
        >>> found.mean.tolist(), found.variance.tolist()
        ([2.0], [1.0])
    """
    function = Stateless(model, tensors)
    state = function.state()
    sums: dict[int, Any] = {id(tensor): 0.0 for tensor in tensors}  # of values and of squares
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        for tensor, values in zip(tensors, function(batch, state, training=True), strict=True):
            by_channel = np.moveaxis(np.asarray(values, "float64"), channel_axis(), 0)
            axes = tuple(range(1, by_channel.ndim))
            sums[id(tensor)] += len(batch) * np.stack([by_channel.mean(axes), (by_channel**2).mean(axes)])
    means = {key: total / len(images) for key, total in sums.items()}
    return {key: Moments(mean, np.maximum(square - mean**2, 0)) for key, (mean, square) in means.items()}


def make_identity(
    block: Block, layers: Mapping[keras.Operation, keras.Operation], moments: Moments | None = None
) -> None:
    """Sets the weights of a block like another one so that its output equals its input.

    The input must be the output of such a block: not negative after a ReLU.

    Args:
        block: the other block.
        layers: the layers to set, by those of the other block.
        moments: of the input, for a plain block. Without them, its normalizations get the statistics 0 and 1.

    Raises:
        ValueError: the layers cannot be an identity.

    Example:
        >>> import keras, keras_resnet
        >>> from keras_resnet.analysis.blocks import find_blocks
        >>> from keras_resnet.analysis.identities import make_identity
        >>> model = keras_resnet.ResNet20Cifar()
        >>> block = find_blocks(model)[1]
        >>> make_identity(block, {layer: layer for layer in model.layers})
        >>> model.get_layer("stage1_block2_bn2").gamma.numpy().any()
        np.False_
    """
    if block.shortcut is not None:
        _set_to_zero(layers[_last_weighted(block)])
        for call in calls_between([block.sum], [block.output]):
            _check_repeatable(call.operation)
        return
    if block.output is block.sum:
        raise ValueError(f"No identity can be made of {block.name}: it is plain, and ends without an activation.")
    for call in calls_between([block.entry], [block.output]):
        _hand_on(call.operation, layers[call.operation], moments)


def _last_weighted(block: Block) -> keras.Layer:
    """The last layer of a branch with weights; not those that compute the weights of channels, as in SE blocks."""
    made_by = {id(call.outputs[0]): call for call in calls_between([block.entry], [block.branch])}
    call: Call | None = made_by.get(id(block.branch))
    while call and not getattr(call.operation, "weights", ()):
        shape = call.outputs[0].shape
        call = next((made_by.get(id(tensor)) for tensor in call.inputs if tensor.shape == shape), None)
    if call is None:
        raise ValueError(f"No identity can be made of {block.name}: its branch ends in no layer with weights.")
    return call.operation


def _set_to_zero(layer: keras.Layer) -> None:
    scale, offset = (
        next((getattr(layer, name) for name in names if getattr(layer, name, None) is not None), None)
        for names in (("gamma", "kernel"), ("beta", "bias"))
    )
    if scale is None:
        raise ValueError(f"No identity can be made of the block of {layer.name}, which has no gamma and no kernel.")
    for weight in filter(lambda weight: weight is not None, (scale, offset)):
        weight.assign(np.zeros(weight.shape))


def _hand_on(original: keras.Operation, layer: keras.Operation, moments: Moments | None) -> None:
    """Makes a layer of a plain block an identity."""
    if isinstance(original, keras.layers.Conv2D):
        _set_to_dirac(layer)
    elif isinstance(original, keras.layers.BatchNormalization):
        _undo(layer, moments)
    elif not isinstance(original, ONLY_IN_TRAINING):
        _check_repeatable(original)


def _set_to_dirac(layer: keras.layers.Conv2D) -> None:
    """Sets a kernel to 1 in its middle, from each channel to itself."""
    height, width, channels, filters = layer.kernel.shape
    same = channels == filters and layer.groups == 1 and layer.strides == (1, 1)
    if isinstance(layer, StandardizedConv2D) or not (same and height % 2 and width % 2):
        raise ValueError(
            f"{layer.name} cannot be an identity: that takes as many filters as input channels ({filters} and "
            f"{channels} here), an odd size, one group, stride 1, and no standardized weights."
        )
    kernel = np.zeros(layer.kernel.shape)
    kernel[height // 2, width // 2] = np.eye(channels)
    layer.kernel.assign(kernel)
    if layer.bias is not None:
        layer.bias.assign(np.zeros(filters))


def _undo(layer: keras.layers.BatchNormalization, moments: Moments | None) -> None:
    """Sets a normalization so that gamma and beta undo what the statistics do."""
    if layer.gamma is None or layer.beta is None:
        raise ValueError(f"{layer.name} cannot be an identity: it has no gamma or no beta.")
    shape = layer.gamma.shape
    mean, variance = moments or Moments(np.zeros(shape), np.full(shape, 1 - layer.epsilon))
    layer.moving_mean.assign(mean)
    layer.beta.assign(mean)
    layer.moving_variance.assign(variance)
    rounded = keras.ops.convert_to_numpy(layer.moving_variance).astype("float64")
    layer.gamma.assign(np.sqrt(rounded + layer.epsilon))


def _check_repeatable(activation: keras.Operation) -> None:
    """Checks that an activation changes nothing where it has been applied already, as ReLU.

    Raises:
        ValueError: it does, or is no activation.
    """
    once = activation(TESTED) if isinstance(activation, ACTIVATIONS) else None
    if once is None or not np.array_equal(once, activation(once)):
        raise ValueError(f"{activation.name} cannot be an identity: it changes values that have passed it before.")
