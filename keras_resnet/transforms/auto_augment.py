"""RandAugment and TrivialAugment: randomly chosen operations. Stateless: the same seed returns the same image."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_resnet.transforms.operations import (
    autocontrast,
    brightness,
    color,
    contrast,
    equalize,
    identity,
    posterize,
    rotate,
    sharpness,
    shear_x,
    shear_y,
    solarize,
    translate_x,
    translate_x_by_fraction,
    translate_y,
    translate_y_by_fraction,
)

BINS = 31  # magnitudes are 0 to 30


class Operation(NamedTuple):
    """A row of the tables: a function of (uint8 image, float64 magnitude), and its evenly spaced magnitudes."""

    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    first: float = 0.0  # at magnitude 0
    last: float = 0.0  # at magnitude 30
    signed: bool = False  # negated half of the time


# Cubuk et al. 2020, with the ranges of AutoAugment (Cubuk et al. 2019, table 6) as in torchvision's RandAugment;
# translations are fractions of the side, AutoAugment's 150 of 331 pixels.
RAND_AUGMENT = {
    "identity": Operation(identity),
    "autocontrast": Operation(autocontrast),
    "equalize": Operation(equalize),
    "rotate": Operation(rotate, 0, 30, signed=True),
    "solarize": Operation(solarize, 255, 0),
    "color": Operation(color, 0, 0.9, signed=True),
    "posterize": Operation(posterize, 8, 4),
    "contrast": Operation(contrast, 0, 0.9, signed=True),
    "brightness": Operation(brightness, 0, 0.9, signed=True),
    "sharpness": Operation(sharpness, 0, 0.9, signed=True),
    "shear_x": Operation(shear_x, 0, 0.3, signed=True),
    "shear_y": Operation(shear_y, 0, 0.3, signed=True),
    "translate_x": Operation(translate_x_by_fraction, 0, 150 / 331, signed=True),
    "translate_y": Operation(translate_y_by_fraction, 0, 150 / 331, signed=True),
}
# Müller and Hutter 2021, the wide space, as in torchvision's TrivialAugmentWide.
TRIVIAL_AUGMENT = RAND_AUGMENT | {
    "rotate": Operation(rotate, 0, 135, signed=True),
    "color": Operation(color, 0, 0.99, signed=True),
    "posterize": Operation(posterize, 8, 2),
    "contrast": Operation(contrast, 0, 0.99, signed=True),
    "brightness": Operation(brightness, 0, 0.99, signed=True),
    "sharpness": Operation(sharpness, 0, 0.99, signed=True),
    "shear_x": Operation(shear_x, 0, 0.99, signed=True),
    "shear_y": Operation(shear_y, 0, 0.99, signed=True),
    "translate_x": Operation(translate_x, 0, 32, signed=True),  # pixels
    "translate_y": Operation(translate_y, 0, 32, signed=True),
}


def magnitudes(space: dict[str, Operation]) -> np.ndarray:
    """The magnitudes of all operations of a table, float64 (operations, 2, 31).

    The second of the two rows of an operation is the negated first if it is signed, else the first again.

    Example:
        >>> from keras_resnet.transforms.auto_augment import RAND_AUGMENT, magnitudes
        >>> rotate = magnitudes(RAND_AUGMENT)[list(RAND_AUGMENT).index("rotate")]
        >>> rotate[:, 9].tolist()  # degrees, at magnitude 9
        [9.0, -9.0]
    """
    rows = [np.linspace(operation.first, operation.last, BINS) for operation in space.values()]
    return np.stack(
        [[row, -row if operation.signed else row] for row, operation in zip(rows, space.values(), strict=True)]
    )


def draw(seed: tf.Tensor, count: int, table: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws `count` operations and their magnitudes from a table of magnitudes, each entry equally likely.

    Returns:
        The operations' rows in the table, int32 (count,), and their magnitudes, float64 (count,).

    Example:
        >>> from keras_resnet.transforms.auto_augment import RAND_AUGMENT, draw, magnitudes
        >>> numbers, strengths = draw([0, 1], 2, magnitudes(RAND_AUGMENT))
        >>> numbers.shape.as_list(), strengths.shape.as_list()
        ([2], [2])
    """
    entries = tf.cast(tf.random.stateless_uniform([count, table.ndim], seed) * table.shape, tf.int32)
    return entries[:, 0], tf.gather_nd(table, entries)


def _apply(image, seed, count, space, table, probability=1.0):
    """Applies `count` random operations of the space, one after another, each with the probability."""
    image = tf.convert_to_tensor(image)
    static_shape = image.shape
    if image.dtype != tf.uint8:
        image = tf.saturate_cast(tf.round(image), tf.uint8)
    numbers, strengths = draw(seed, count, table)
    if probability < 1:
        chances = tf.random.stateless_uniform([count], tf.random.experimental.stateless_fold_in(seed, 1))
        numbers = tf.where(chances < probability, numbers, list(space).index("identity"))
    for number, strength in zip(tf.unstack(numbers), tf.unstack(strengths), strict=True):
        branches = [functools.partial(operation.function, image, strength) for operation in space.values()]
        image = tf.switch_case(number, branches)
        image.set_shape(static_shape)
    return image


def rand_augment(
    image: tf.Tensor, seed: tf.Tensor, operations: int = 2, magnitude: int = 9, probability: float = 1.0
) -> tf.Tensor:
    """Applies operations of `RAND_AUGMENT`, all 14 equally likely and of the same magnitude.

    Source: Cubuk et al. 2020, "RandAugment", section 3; ranges as in torchvision's RandAugment on Pillow images.

    Args:
        image: (H, W, 3), at least 3 x 3, RGB in 0 to 255; uint8, or float32, which is rounded and clipped.
        seed: int32 (2,).
        operations: number of operations, applied one after another; they may repeat.
        magnitude: integer, 0 to 30. The papers, TensorFlow and timm count from 0 to 10 in the same ranges, so it is
            three times theirs.
        probability: with which each of the operations is applied; 0.5 in timm.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: `operations` or `magnitude` is outside its range.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.auto_augment import rand_augment
        >>> rand_augment(tf.ones((32, 32, 3), tf.uint8), [0, 1], operations=2, magnitude=9).shape.as_list()
        [32, 32, 3]
    """
    if operations < 1:
        raise ValueError(f"rand_augment: operations={operations} must be at least 1.")
    if magnitude not in range(BINS):
        raise ValueError(f"rand_augment: magnitude={magnitude} must be an integer from 0 to {BINS - 1}.")
    table = magnitudes(RAND_AUGMENT)[:, :, magnitude : magnitude + 1]
    return _apply(image, seed, operations, RAND_AUGMENT, table, probability)


def trivial_augment(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Applies one operation of `TRIVIAL_AUGMENT`, all 14 and all magnitudes equally likely.

    Source: Müller and Hutter 2021, "TrivialAugment", section 3, with the wide space; as torchvision's
    TrivialAugmentWide on Pillow images.

    Args:
        image: (H, W, 3), at least 3 x 3, RGB in 0 to 255; uint8, or float32, which is rounded and clipped.
        seed: int32 (2,).

    Returns:
        uint8 (H, W, 3).

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.auto_augment import trivial_augment
        >>> trivial_augment(tf.ones((32, 32, 3), tf.uint8), [0, 1]).shape.as_list()
        [32, 32, 3]
    """
    return _apply(image, seed, 1, TRIVIAL_AUGMENT, magnitudes(TRIVIAL_AUGMENT))
