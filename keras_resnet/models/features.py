"""Feature: what a backbone's outputs are."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras

from keras_resnet.layers import channel_axis

PROBE = 1024  # height and width of the images from which the strides of a model of any size are computed


class Feature(NamedTuple):
    """One output of a model that was built with `features=True`.

    Attributes:
        name: its key among the outputs: "C2" is the output of the first stage.
        stride: pixels of the image from one of its positions to the next.
        channels: their number.
    """

    name: str
    stride: int
    channels: int


def feature_names(stages: Sequence) -> list[str]:
    """The names of the outputs of stages: "C2" is that of the first.

    Example:
        >>> from keras_resnet.models.features import feature_names
        >>> feature_names((3, 4, 6, 3))
        ['C2', 'C3', 'C4', 'C5']
    """
    return [f"C{number}" for number in range(2, 2 + len(stages))]


def features_of(model: keras.Model) -> tuple[Feature, ...] | None:
    """The features that a model outputs, in their order; None if its output is not a dict of feature maps."""
    outputs = model.output
    if not (isinstance(outputs, Mapping) and all(len(output.shape) == 4 for output in outputs.values())):
        return None
    axis = channel_axis()
    first = 1 if axis == -1 else 2  # the axis of the height
    images = tuple(PROBE if side is None else side for side in (1, *model.inputs[0].shape[1:]))
    shapes = model.compute_output_shape(images)
    return tuple(Feature(name, _stride(images[first], shape[first]), shape[axis]) for name, shape in shapes.items())


def _stride(side: int, size: int) -> int:
    """The power of 2 by which a side of an image was divided, and then rounded up or, by some poolings, down.

    Features that a user computes, not a network of this package, may have another ratio.
    """
    powers = [2**exponent for exponent in range(side.bit_length() + 1)]
    up = (stride for stride in powers if -(-side // stride) == size)
    down = (stride for stride in powers if side // stride == size)
    return next(itertools.chain(up, down), max(1, round(side / size)))
