"""Feature: what a backbone's outputs are."""

import math
from collections.abc import Mapping
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


def features_of(model: keras.Model) -> tuple[Feature, ...] | None:
    """The features that a model outputs, in their order; None if its output is not a dict of feature maps."""
    outputs = model.output
    if not (isinstance(outputs, Mapping) and all(len(output.shape) == 4 for output in outputs.values())):
        return None
    axis = channel_axis()
    first = 1 if axis == -1 else 2  # the axis of the height
    images = tuple(PROBE if side is None else side for side in (1, *model.inputs[0].shape[1:]))
    shapes = model.compute_output_shape(images)
    return tuple(
        # The sizes are rounded up, so their ratio is at most the stride, which is a power of 2.
        Feature(name, 2 ** math.ceil(math.log2(images[first] / shape[first])), shape[axis])
        for name, shape in shapes.items()
    )
