"""Feature maps: where they are in a network's graph, their values for an image, and the filters of the first layer."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.blocks import find_blocks, stages_of
from keras_resnet.analysis.graph import Call, calls, calls_between, convolutions, flattened, values_of
from keras_resnet.errors import check_name
from keras_resnet.layers import channel_axis
from keras_resnet.runtimes.scores import converted

CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


class Filters(NamedTuple):
    """The filters of a convolution.

    Attributes:
        layer: its name.
        kernels: its weights as the layer holds them, float32 (filters, height, width, input channels).
    """

    layer: str
    kernels: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureMaps:
    """What a layer outputs for an image.

    Attributes:
        layer: its name.
        maps: float64 (height, width, channels).
    """

    layer: str
    maps: np.ndarray

    @property
    def strengths(self) -> np.ndarray:
        """The mean absolute value of each channel, (channels,)."""
        return np.abs(self.maps).mean((0, 1))

    @property
    def active(self) -> float:
        """The share of values above zero, 0 to 1."""
        return float((self.maps > 0).mean())

    def strongest(self, count: int) -> np.ndarray:
        """The numbers of the strongest channels, from 0, the strongest first; all, if there are fewer than `count`.

        Example:
            >>> import numpy as np
            >>> from keras_resnet.analysis.features import FeatureMaps
            >>> FeatureMaps("conv", np.array([[[0.0, 1.0, -3.0]]])).strongest(2).tolist()
            [2, 1]
        """
        return np.argsort(-self.strengths, kind="stable")[:count]


def first_filters(model: keras.Model) -> Filters:
    """The filters of the first convolution of a model.

    Raises:
        ValueError: the model has no convolution.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.features import first_filters
        >>> first_filters(keras_resnet.ResNet20Cifar()).kernels.shape
        (16, 3, 3, 3)
    """
    first = next(convolutions(flattened(model)), None)
    if first is None:
        raise ValueError(f"{model.name} has no convolution, so it has no filters to show.")
    kernel = np.asarray(keras.ops.convert_to_numpy(first.operation.kernel), "float32")
    return Filters(first.operation.name, np.moveaxis(kernel, -1, 0))


def feature_maps(model: keras.Model, image: np.ndarray, layers: Sequence[str] | None = None) -> list[FeatureMaps]:
    """The outputs of layers for an image.

    Args:
        model: a functional model, also with models inside it.
        image: (height, width, channels), in 0 to 255.
        layers: names of layers that output feature maps; default: `stage_ends`.

    Raises:
        ValueError: a layer is unknown or outputs something else; or the default is asked of a model without blocks.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.features import feature_maps
        >>> found = feature_maps(keras_resnet.ResNet20Cifar(), np.zeros((32, 32, 3)))
        >>> [(each.layer, each.maps.shape) for each in found][-1]
        ('stage3_block3_out', (8, 8, 64))
    """
    flat = flattened(model)
    names = stage_ends(flat) if layers is None else layers
    tensors = [layer_output(flat, name) for name in names]
    values = values_of(flat, tensors)(converted(np.asarray(image), flat.inputs[0].dtype)[None])
    return [FeatureMaps(name, np.asarray(value, "float64")[0]) for name, value in zip(names, values, strict=True)]


def stage_ends(model: keras.Model) -> list[str]:
    """The names of the layers whose outputs are the ends of the stem and of each stage of a network.

    Args:
        model: without models inside it.

    Raises:
        ValueError: the model has no blocks.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.features import stage_ends
        >>> stage_ends(keras_resnet.ResNet18())
        ['stem_pool', 'stage1_block2_out', 'stage2_block2_out', 'stage3_block2_out', 'stage4_block2_out']
    """
    try:
        blocks = find_blocks(model)
    except ValueError as error:
        raise ValueError(f"{error} Name the layers whose feature maps to show.") from None
    makers = {id(tensor): call.operation.name for call in calls(model) for tensor in call.outputs}
    ends = [blocks[0].entry, *(stage[-1].output for stage in stages_of(blocks))]
    return [makers[id(tensor)] for tensor in ends if id(tensor) in makers]


def layer_output(model: keras.Model, layer: str) -> keras.KerasTensor:
    """The feature maps (batch, height, width, channels) that a layer outputs; of its last use, if there are several.

    Args:
        model: without models inside it.
        layer: its name.

    Raises:
        ValueError: there is no such layer, it does not output feature maps, or Keras has channels first.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.features import layer_output
        >>> layer_output(keras_resnet.ResNet20Cifar(), "stem_conv").shape
        (None, 32, 32, 16)
    """
    _check_channels_last()
    maps = {call.operation.name: call.outputs[0] for call in calls(model) if _is_map(call.outputs[0])}
    check_name("layer with feature maps", layer, maps)
    return maps[layer]


def last_maps(model: keras.Model) -> keras.KerasTensor:
    """The last feature maps of a classifier: what it averages over all positions, or flattens.

    Args:
        model: without models inside it.

    Raises:
        ValueError: the model has no feature maps, or Keras has channels first.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.features import last_maps
        >>> last_maps(keras_resnet.ResNet20Cifar()).shape
        (None, 8, 8, 64)
    """
    _check_channels_last()
    with_positions = {id(tensor) for tensor in model.inputs if _is_map(tensor)}
    last = None
    for call in calls(model):
        maps = [tensor for tensor in call.inputs if id(tensor) in with_positions]
        if maps and _loses_positions(call, maps[0]):
            last = maps[0]
        elif maps:
            with_positions.update(id(tensor) for tensor in call.outputs)
    if last is None or not _has_convolution(model, last):
        raise ValueError(f"{model.name} has no feature maps: no convolution precedes a pooling over all positions.")
    return last


def _check_channels_last() -> None:
    if channel_axis() != -1:
        raise ValueError("This needs channels last: keras.config.set_image_data_format('channels_last').")


def _is_map(tensor: keras.KerasTensor) -> bool:
    return len(tensor.shape) == 4


def _loses_positions(call: Call, maps: keras.KerasTensor) -> bool:
    """Whether a call pools over all positions, or flattens; a convolution of a tiny image to 1 x 1 does not."""
    result = call.outputs[0]
    if not _is_map(result):
        return True
    pools = tuple(result.shape[1:3]) == (1, 1) != tuple(maps.shape[1:3])
    return pools and not isinstance(call.operation, CONVOLUTIONS)


def _has_convolution(model: keras.Model, end: keras.KerasTensor) -> bool:
    return any(isinstance(call.operation, CONVOLUTIONS) for call in calls_between(model.inputs, [end]))
