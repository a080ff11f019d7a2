"""RandAugment and TrivialAugment: randomly chosen operations. Stateless: the same seed gives the same image.

Every operation gives what Pillow gives (ImageOps, ImageEnhance, Image.transform with the nearest pixel), bit by bit;
what a shear, rotation or translation uncovers is black.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

BINS = 31  # magnitudes are 0 to 30
# Pillow's grey (Convert.c): 65536 times the weights 0.299, 0.587, 0.114, summed in whole numbers. All sums stay below
# 2^24, so that float32 is exact.
_GREY = np.float32([[19595], [38470], [7471]])
# ImageFilter.SMOOTH, a kernel (3, 3) for each of three channels.
_SMOOTH = np.repeat(np.float32([[1, 1, 1], [1, 5, 1], [1, 1, 1]])[:, :, None, None] / 13, 3, axis=2)
_SAME_PLACE = np.float64([[1, 0, 0], [0, 1, 0]])


def _affine(image, matrix):
    """Output pixel (x, y) is the input pixel at `matrix` @ (x, y, 1), float64 (2, 3); black outside of the image.

    As Image.transform with AFFINE and NEAREST (Geometry.c, affine_fixed): between pixel centres, in whole numbers of
    1 / 65536 pixel. Sides stay below 10,000 pixels or so, or the numbers leave 32 bits.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    # Half a pixel to the centre; one pixel more for the border, onto which all that is outside is clipped.
    offsets = matrix[:, 2:] + tf.reduce_sum(matrix[:, :2], 1, keepdims=True) / 2 + 1
    fixed = tf.cast(tf.floor(tf.concat([matrix[:, :2], offsets], 1) * 65536 + 0.5), tf.int32)
    columns, rows = tf.range(width)[None, :], tf.range(height)[:, None]

    def place(line, side):
        by_column, by_row, offset = tf.unstack(line)
        return tf.clip_by_value(tf.bitwise.right_shift(by_column * columns + (by_row * rows + offset), 16), 0, side + 1)

    x, y = place(fixed[0], width), place(fixed[1], height)
    pixels = tf.reshape(tf.pad(image, [[1, 1], [1, 1], [0, 0]]), [-1, 3])
    return tf.gather(pixels, y * (width + 2) + x)


def _shear(image, slope, direction):
    return _affine(image, _SAME_PLACE + slope * direction)


def _translate(image, pixels, direction):
    return _affine(image, _SAME_PLACE + tf.cast(tf.cast(pixels, tf.int32), tf.float64) * direction)


shear_x = functools.partial(_shear, direction=np.float64([[0, 1, 0], [0, 0, 0]]))
shear_y = functools.partial(_shear, direction=np.float64([[0, 0, 0], [1, 0, 0]]))
translate_x = functools.partial(_translate, direction=np.float64([[0, 0, -1], [0, 0, 0]]))
translate_y = functools.partial(_translate, direction=np.float64([[0, 0, 0], [0, 0, -1]]))


def _translate_share(image, share, axis):
    """By a share of the side: axis 0 up and down, 1 left and right."""
    return (translate_y, translate_x)[axis](image, share * tf.cast(tf.shape(image)[axis], tf.float64))


def rotate(image, degrees):
    """Counter-clockwise about the centre, as Image.rotate."""
    angle = degrees * (np.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    turn = tf.reshape(tf.stack([cos, -sin, sin, cos]), [2, 2])
    center = tf.cast(tf.shape(image)[1::-1], tf.float64)[:, None] / 2
    return _affine(image, tf.concat([turn, center - tf.matmul(turn, center)], 1))


def _blend(degenerate, image, factor):
    """Image.blend: from `degenerate` to `image`, both float32, and beyond; clipped, cut to whole numbers."""
    blended = degenerate + tf.cast(factor, tf.float32) * (image - degenerate)
    return tf.cast(tf.clip_by_value(blended, 0, 255), tf.uint8)


def _grey(image, channels):
    """The grey of a float32 image (H, W, 3), rounded, in so many equal channels."""
    grey = tf.matmul(tf.reshape(image, [-1, 3]), np.repeat(_GREY, channels, axis=1))
    return tf.reshape(tf.floor(grey / 65536 + 0.5), tf.concat([tf.shape(image)[:2], [channels]], 0))


def brightness(image, change):
    """ImageEnhance.Brightness of factor 1 + change."""
    return _blend(0.0, tf.cast(image, tf.float32), 1 + change)


def contrast(image, change):
    """ImageEnhance.Contrast of factor 1 + change."""
    image = tf.cast(image, tf.float32)
    mean = tf.reduce_mean(tf.cast(_grey(image, 1), tf.float64))  # float32 has too few digits for large images
    return _blend(tf.cast(tf.floor(mean + 0.5), tf.float32), image, 1 + change)


def color(image, change):
    """ImageEnhance.Color (saturation) of factor 1 + change."""
    image = tf.cast(image, tf.float32)
    return _blend(_grey(image, 3), image, 1 + change)


def sharpness(image, change):
    """ImageEnhance.Sharpness of factor 1 + change; the outermost pixels stay, as they do in Pillow."""
    inner = tf.cast(image, tf.float32)
    smooth = tf.floor(tf.nn.depthwise_conv2d(inner[None], _SMOOTH, [1, 1, 1, 1], "VALID")[0] + 0.5)
    inner = _blend(smooth, inner[1:-1, 1:-1], 1 + change)
    inner = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], 1)
    return tf.concat([image[:1], inner, image[-1:]], 0)


def posterize(image, bits):
    """ImageOps.posterize: only the highest bits stay, rounded to a whole number of them."""
    dropped = 8 - tf.cast(tf.round(bits), tf.int32)
    return tf.bitwise.bitwise_and(image, tf.cast(256 - tf.bitwise.left_shift(1, dropped), tf.uint8))


def solarize(image, threshold):
    """ImageOps.solarize: values from the threshold on are inverted."""
    inverted = tf.cast(image >= tf.cast(tf.math.ceil(threshold), tf.uint8), tf.uint8)
    return tf.bitwise.bitwise_xor(image, inverted * tf.constant(255, tf.uint8))  # 255 - x is x with all bits inverted


def _by_histogram(image, find_table):
    """Each channel through a table (256) of its own; `find_table` makes the three from the histograms, (3, 256)."""
    height, width = tf.unstack(tf.shape(image)[:2])
    # A value of channel c is number 256 c + value. Whole rows at once, as in `color.lighting`.
    numbers = tf.reshape(tf.cast(image, tf.int32), [height, 3 * width]) + tf.tile([0, 256, 512], [width])
    counts = tf.math.bincount(tf.reshape(numbers, [-1]), minlength=768, maxlength=768)
    table = find_table(tf.reshape(counts, [3, 256]))
    return tf.reshape(tf.gather(tf.reshape(table, [-1]), numbers), tf.shape(image))


def _stretch(counts):
    """autocontrast's tables: the lowest value of a channel becomes 0 and the highest 255."""
    values = tf.range(256, dtype=tf.float64)
    low = tf.reduce_min(tf.where(counts > 0, values, 255), 1, keepdims=True)
    high = tf.reduce_max(tf.where(counts > 0, values, 0), 1, keepdims=True)
    scale = tf.where(high > low, 255 / tf.maximum(high - low, 1), 1)
    stretched = values * scale + tf.where(high > low, -low * scale, 0)
    return tf.cast(tf.clip_by_value(stretched, 0, 255), tf.uint8)


def _flatten(counts):
    """equalize's tables: the values of a channel become about equally frequent."""
    below = tf.cumsum(counts, axis=1, exclusive=True)
    step = tf.reduce_max(tf.where(counts > 0, below, 0), 1, keepdims=True) // 255  # 0: too few pixels, or one value
    flat = tf.minimum((step // 2 + below) // tf.maximum(step, 1), 255)
    return tf.cast(tf.where(step > 0, flat, tf.range(256)), tf.uint8)


def autocontrast(image, _):
    """ImageOps.autocontrast without a cutoff."""
    return _by_histogram(image, _stretch)


def equalize(image, _):
    """ImageOps.equalize."""
    return _by_histogram(image, _flatten)


def identity(image, _):
    """The image as it is."""
    return image


class Operation(NamedTuple):
    """A row of the tables: a function of (uint8 image, float64 magnitude), and its magnitudes, evenly spaced."""

    function: Callable
    first: float = 0.0  # at magnitude 0
    last: float = 0.0  # at magnitude 30
    signed: bool = False  # negative as often as positive


# Cubuk et al. 2020, with the ranges of AutoAugment (Cubuk et al. 2019, table 6) as torchvision's RandAugment has them;
# translations are shares of the side, AutoAugment's 150 of 331 pixels.
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
    "translate_x": Operation(functools.partial(_translate_share, axis=1), 0, 150 / 331, signed=True),
    "translate_y": Operation(functools.partial(_translate_share, axis=0), 0, 150 / 331, signed=True),
}
# Müller and Hutter 2021, the wide space, as torchvision's TrivialAugmentWide has it.
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


def magnitudes(space) -> np.ndarray:
    """The magnitudes of a table's operations, float64 (operations, 2, 31): as they are, and those with a sign negated.

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


def draw(seed, count, table):
    """Which operations, and how strong: `count` rows of a table of magnitudes, every entry equally likely.

    Returns:
        The numbers of the operations, int32 (count,), and their magnitudes, float64 (count,).

    Example:
        >>> from keras_resnet.transforms.auto_augment import RAND_AUGMENT, draw, magnitudes
        >>> numbers, strengths = draw([0, 1], 2, magnitudes(RAND_AUGMENT))
        >>> numbers.shape.as_list(), strengths.shape.as_list()
        ([2], [2])
    """
    places = tf.cast(tf.random.stateless_uniform([count, table.ndim], seed) * table.shape, tf.int32)
    return places[:, 0], tf.gather_nd(table, places)


def _apply(image, seed, count, space, table):
    """`count` drawn operations of the space, one after the other."""
    image = tf.convert_to_tensor(image)
    static_shape = image.shape
    if image.dtype != tf.uint8:
        image = tf.saturate_cast(tf.round(image), tf.uint8)
    numbers, strengths = draw(seed, count, table)
    for number, strength in zip(tf.unstack(numbers), tf.unstack(strengths), strict=True):
        branches = [functools.partial(operation.function, image, strength) for operation in space.values()]
        image = tf.switch_case(number, branches)
        image.set_shape(static_shape)
    return image


def rand_augment(image, seed, operations=2, magnitude=9):
    """Operations drawn from the 14 of `RAND_AUGMENT`, all equally likely, all of one magnitude.

    Source: Cubuk et al. 2020, "RandAugment", section 3; ranges as in torchvision's RandAugment on Pillow images.

    Args:
        image: (H, W, 3), at least 3 x 3, RGB in 0 to 255; uint8, or float32, which is rounded and clipped.
        seed: int32 (2,).
        operations: how many, one after the other; the same may come again.
        magnitude: 0 to 30, a whole number.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: `operations` or `magnitude` outside its range.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.auto_augment import rand_augment
        >>> rand_augment(tf.ones((32, 32, 3), tf.uint8), [0, 1], operations=2, magnitude=9).shape.as_list()
        [32, 32, 3]
    """
    if operations < 1:
        raise ValueError(f"rand_augment: operations={operations} must be at least 1.")
    if magnitude not in range(BINS):
        raise ValueError(f"rand_augment: magnitude={magnitude} must be a whole number from 0 to {BINS - 1}.")
    table = magnitudes(RAND_AUGMENT)[:, :, magnitude : magnitude + 1]
    return _apply(image, seed, operations, RAND_AUGMENT, table)


def trivial_augment(image, seed):
    """One operation of the 14 of `TRIVIAL_AUGMENT`, of a random magnitude, all equally likely.

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
