"""Evaluation protocols: which views of each image a model sees."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.examples import Arrays, Examples
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.models.surgery import fully_convolutional
from keras_resnet.transforms.views import View, center_view, flip_views, ten_crop_views, whole_view

VIEWS_AT_ONCE = 64  # views of the model's size in a batch; fewer if they are larger
WAITING = 4  # batches of pixels that wait for others of their shape, in "multi_scale"
SCALES = tuple(side / 224 for side in (224, 256, 384, 480, 640))  # He et al. 2015, section 3.4

Batches = Callable[[UnreadableImages], Iterable[tuple[tf.Tensor, ...]]]


class Pass(NamedTuple):
    """One pass over the images of a split.

    Attributes:
        model: to run on each view.
        batches: function that makes batches (views, labels, positions) and reports unreadable images to its argument.
            The views have the shape (images, views of an image, height, width, channels).
    """

    model: keras.Model
    batches: Batches


class Plan(NamedTuple):
    """The passes of a protocol, whose probabilities are averaged, and its description for the result."""

    passes: list[Pass]
    description: str


def plan(
    model: keras.Model, view: View, examples: Examples, protocol: str, scales: Sequence[int] | None = None
) -> Plan:
    """Plans the passes of a protocol.

    Args:
        model: a Keras model that fits the view.
        view: size and crop of the images.
        examples: to evaluate on.
        protocol: one of `PROTOCOLS`.
        scales: short sides for "multi_scale", pixels; default: `SCALES` times the short side of the view.

    Raises:
        ValueError: "multi_scale", and the model cannot become fully convolutional.
    """
    if protocol == "multi_scale":
        return _multi_scale(model, view, examples, scales or [round(scale * min(view.size)) for scale in SCALES])
    return {"center": _center, "flip": _flip, "ten_crop": _ten_crop}[protocol](model, view, examples)


def _center(model: keras.Model, view: View, examples: Examples) -> Plan:
    batches = _batches(examples, functools.partial(center_view, view=view), VIEWS_AT_ONCE)
    return Plan([Pass(model, batches)], f"{_seen(view, examples)}, single view")


def _flip(model: keras.Model, view: View, examples: Examples) -> Plan:
    batches = _batches(examples, functools.partial(flip_views, view=view), VIEWS_AT_ONCE // 2)
    return Plan([Pass(model, batches)], f"{_seen(view, examples)} and its mirror image, probabilities averaged")


def _seen(view: View, examples: Examples) -> str:
    whole = isinstance(examples, Arrays) and view.resized == tuple(examples.image_shape[:2])
    return f"whole {_width_by_height(view)} image" if whole else str(view)


def _ten_crop(model: keras.Model, view: View, examples: Examples) -> Plan:
    batches = _batches(examples, functools.partial(ten_crop_views, view=view), VIEWS_AT_ONCE // 10)
    description = f"10-crop of {_width_by_height(view)} from short side {min(view.resized)}, softmax averaged"
    return Plan([Pass(model, batches)], description)


def _multi_scale(model: keras.Model, view: View, examples: Examples, scales: Sequence[int]) -> Plan:
    model = fully_convolutional(model)
    passes = [Pass(model, _batches_by_shape(examples, scale, view)) for scale in scales]
    return Plan(passes, f"fully convolutional at short sides {', '.join(map(str, scales))}, softmax averaged")


def _width_by_height(view: View) -> str:
    return "x".join(map(str, view.size[::-1]))


def _batches(examples: Examples, views: Callable, batch_size: int) -> Batches:
    return lambda unreadable: evaluation_batches(examples, batch_size, views, unreadable)


def _batches_by_shape(examples: Examples, short_side: int, view: View) -> Batches:
    """Batches of whole images, resized to a short side; the images of a batch have the same shape."""
    batch_pixels = VIEWS_AT_ONCE * min(view.size) ** 2
    views = functools.partial(whole_view, short_side=short_side, interpolation=view.interpolation)
    return lambda unreadable: _grouped(evaluation_batches(examples, 1, views, unreadable), batch_pixels)


def _grouped(singles: tf.data.Dataset, batch_pixels: int) -> Iterator[tuple[tf.Tensor, ...]]:
    """Joins batches of one image to batches of equal shape, in any order.

    A batch has at most `batch_pixels`, or one image. The images that wait for others of their shape have at most
    `WAITING` times as many: photos come in thousands of shapes, too many for a batch of each in memory.
    """
    groups: dict[tuple[int, int], list] = {}
    waiting = 0
    for single in singles:
        height, width = single[0].shape[2:4]
        groups.setdefault((height, width), []).append(single)
        waiting += height * width
        full = (len(groups[height, width]) + 1) * height * width > batch_pixels
        if full or waiting > WAITING * batch_pixels:
            chosen = (height, width) if full else max(groups, key=lambda shape: len(groups[shape]) * math.prod(shape))
            group = groups.pop(chosen)
            waiting -= len(group) * math.prod(chosen)
            yield _joined(group)
    yield from map(_joined, groups.values())


def _joined(group: list) -> tuple[tf.Tensor, ...]:
    return tuple(tf.concat(parts, 0) for parts in zip(*group, strict=True))
