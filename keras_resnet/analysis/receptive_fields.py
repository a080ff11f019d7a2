"""Where the positions of feature maps lie on the image: at the centers of their receptive fields."""

from typing import NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.graph import Call, calls_between
from keras_resnet.layers import BlurPool, PaddedMaxPooling2D, ZeroPaddedShortcut

CENTERED = (BlurPool, PaddedMaxPooling2D, ZeroPaddedShortcut)  # output i lies at the center of input stride * i


class Positions(NamedTuple):
    """The positions of feature maps along the rows and columns of an image: `first + step * i` in pixels, from 0.

    Attributes:
        first: of position (0, 0), (2,).
        step: from one position to the next, (2,).
        sides: their numbers, (2,).
    """

    first: np.ndarray
    step: np.ndarray
    sides: np.ndarray

    def upsampled(self, maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Maps (N, h, w) at each pixel of images of `size`, by bilinear interpolation: (N, height, width).

        Beyond the outer positions, the values are those of the nearest one.

        Example:
            >>> import numpy as np
            >>> from keras_resnet.analysis.receptive_fields import Positions
            >>> positions = Positions(np.array([0, 0]), np.array([1, 2]), np.array([1, 2]))
            >>> positions.upsampled(np.array([[[0.0, 1.0]]]), (1, 4)).tolist()
            [[[0.0, 0.5, 1.0, 1.0]]]
        """
        rows, columns = (
            _interpolation(first + step * np.arange(side), pixels)
            for first, step, side, pixels in zip(self.first, self.step, self.sides, size, strict=True)
        )
        return rows @ maps @ columns.T


def _interpolation(places: np.ndarray, pixels: int) -> np.ndarray:
    """The weights of values at increasing places for each pixel: (pixels, places)."""
    return np.stack([np.interp(np.arange(pixels), places, unit) for unit in np.eye(len(places))], axis=1)


def positions_of(model: keras.Model, maps: keras.KerasTensor, size: tuple[int, int]) -> Positions:
    """Where feature maps of a model lie on images.

    Convolutions that pad both sides alike, as in most ResNets, put position i at `stride * i`: the first one lies on
    the border, not half a stride within. So maps that are stretched over the image, as is usual, are off by that much.

    Args:
        model: without models inside it.
        maps: feature maps (batch, height, width, channels) of its graph.
        size: (height, width) of the images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.features import last_maps
        >>> from keras_resnet.analysis.receptive_fields import positions_of
        >>> model = keras_resnet.ResNet18()
        >>> first, step, sides = positions_of(model, last_maps(model), (224, 224))
        >>> first.tolist(), step.tolist(), sides.tolist()
        ([0.0, 0.0], [32.0, 32.0], [7, 7])
    """
    pixels = Positions(np.zeros(2), np.ones(2), np.array(size))
    known = {id(model.inputs[0]): pixels}
    for call in calls_between(model.inputs, [maps]):
        before = [known[id(tensor)] for tensor in call.inputs if id(tensor) in known]
        if before and len(call.outputs[0].shape) == 4:
            known[id(call.outputs[0])] = _after(call, _merged(before))
    return known[id(maps)] if id(maps) in known else _spread(pixels, maps.shape)


def _merged(inputs: list[Positions]) -> Positions:
    """The positions of a sum or product of maps: a gate of one position has none of its own."""
    most = max(tuple(each.sides) for each in inputs)
    maps = [each for each in inputs if tuple(each.sides) == most]
    return maps[0]._replace(first=np.mean([each.first for each in maps], axis=0))


def _after(call: Call, before: Positions) -> Positions:
    """The positions of the output of a call."""
    layer = call.operation
    if isinstance(layer, keras.layers.ZeroPadding2D):
        (top, bottom), (left, right) = layer.padding
        margins = np.array([top, left])
        return Positions(before.first - margins * before.step, before.step, before.sides + margins + (bottom, right))
    if isinstance(layer, CENTERED):
        strides = np.array(layer.strides) * np.ones(2, int)
        return Positions(before.first, before.step * strides, -(-before.sides // strides))
    if hasattr(layer, "kernel_size") or hasattr(layer, "pool_size"):
        return _after_window(layer, before)
    return _spread(before, call.outputs[0].shape)


def _spread(before: Positions, shape: tuple[int | None, ...]) -> Positions:
    """Positions of maps of this shape, evenly over the same area: the same ones, if their number is the same."""
    sides = np.array([old if side is None else side for old, side in zip(before.sides, shape[1:3], strict=True)])
    step = before.step * before.sides / sides
    return Positions(before.first + (step - before.step) / 2, step, sides)


def _after_window(layer: keras.Layer, before: Positions) -> Positions:
    """The positions of a convolution or pooling: the centers of its windows."""
    size = np.array(layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size)
    strides = np.array(layer.strides)
    span = (size - 1) * np.array(getattr(layer, "dilation_rate", 1)) + 1
    if layer.padding == "same":
        sides = -(-before.sides // strides)
        padding = np.maximum((sides - 1) * strides + span - before.sides, 0) // 2
    else:
        sides, padding = (before.sides - span) // strides + 1, 0
    return Positions(before.first + ((span - 1) / 2 - padding) * before.step, before.step * strides, sides)
