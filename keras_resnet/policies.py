"""RandAugment and TrivialAugment: random operations of Pillow's on a training image.

Images are uint8 (H, W, 3), in and out. An operation is a function of an image and a number; only the one
that was drawn runs. What moves in from outside of the image is black, as in torchvision.
"""

import functools
import math

import tensorflow as tf

BINS = 30  # the greatest magnitude


def rand_augment(image, seed, operations=2, magnitude=9.0):
    """`operations` of 14 operations in a row, each drawn anew, all of one magnitude, with random sign.

    Source: Cubuk et al. 2019, "RandAugment", https://arxiv.org/abs/1909.13719; ranges as in torchvision.

    Args:
        image: uint8 (H, W, 3).
        seed: int32 (2,).
        operations: how many.
        magnitude: 0 to 30.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.policies import rand_augment
        >>> rand_augment(tf.zeros((8, 8, 3), tf.uint8), (1, 2)).shape.as_list()
        [8, 8, 3]
    """
    draws = tf.random.stateless_uniform([operations, 2], seed)
    for kind, sign in map(tf.unstack, tf.unstack(draws)):
        image = _apply(image, RAND_AUGMENT, kind, magnitude / BINS, sign)
    return image


def trivial_augment(image, seed):
    """One of 14 operations, of a random magnitude.

    Source: Müller and Hutter 2021, "TrivialAugment", https://arxiv.org/abs/2103.10158, the wide ranges.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.policies import trivial_augment
        >>> trivial_augment(tf.zeros((8, 8, 3), tf.uint8), (1, 2)).shape.as_list()
        [8, 8, 3]
    """
    kind, share, sign = tf.unstack(tf.random.stateless_uniform([3], seed))
    return _apply(image, TRIVIAL_AUGMENT, kind, tf.floor(share * (BINS + 1)) / BINS, sign)


def _apply(image, operations, kind, share, sign):
    """The operation that `kind`, uniform in 0 to 1, falls on, at a `share` of its range."""
    image, sign = tf.saturate_cast(image, tf.uint8), tf.where(sign < 0.5, -1.0, 1.0)
    branches = [
        functools.partial(operation, image, value(share, sign, tf.cast(tf.shape(image), tf.float32)))
        for operation, value in operations.values()
    ]
    chosen = tf.cast(kind * len(branches), tf.int32)
    return tf.ensure_shape(tf.switch_case(chosen, branches), image.shape)


# ---------------------------------------------------------------------------------------------
# Operations, each on an image and a number


def identity(image, value):
    del value
    return image


def autocontrast(image, value):
    """Stretches each channel to 0 to 255."""
    del value
    pixels = tf.cast(image, tf.float32)
    rows = tf.reshape(pixels, (tf.shape(image)[0], -1))  # over whole rows first: three times as fast
    low, high = (reduce(tf.reshape(reduce(rows, axis=0), (-1, 3)), axis=0) for reduce in (tf.reduce_min, tf.reduce_max))
    stretched = tf.floor((pixels - low) * (255 / tf.maximum(high - low, 1)) + 1e-3)  # 1e-3: below is rounding error
    return tf.where(high > low, tf.cast(stretched, tf.uint8), image)


def equalize(image, value):
    """Makes the histogram of each channel flat."""
    del value
    levels = tf.cast(image, tf.int32) + tf.constant([0, 256, 512])
    counts = tf.reshape(tf.math.bincount(tf.reshape(levels, [-1]), minlength=768, maxlength=768), (3, 256))
    last = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    steps = (tf.reduce_sum(counts, axis=1) - tf.gather(counts, last, batch_dims=1)) // 255
    below = tf.cumsum(counts, axis=1, exclusive=True)
    table = tf.minimum((steps[:, None] // 2 + below) // tf.maximum(steps[:, None], 1), 255)
    table = tf.where(steps[:, None] > 0, table, tf.range(256))
    return tf.gather(tf.cast(tf.reshape(table, [-1]), tf.uint8), levels)


def solarize(image, threshold):
    """Inverts the values from `threshold` on."""
    inverted = image >= tf.cast(tf.math.ceil(threshold), tf.uint8)
    return tf.bitwise.bitwise_xor(image, 255 * tf.cast(inverted, tf.uint8))


def posterize(image, bits):
    """Keeps the highest `bits` of 8."""
    lost = 8 - tf.cast(bits, tf.int32)
    return tf.bitwise.bitwise_and(image, tf.cast(tf.bitwise.left_shift(255, lost) % 256, tf.uint8))


def brightness(image, factor):
    """Blends with black."""
    return _blend(0.0, image, factor)


def contrast(image, factor):
    """Blends with the mean grey."""
    return _blend(tf.floor(tf.reduce_mean(_grey(image)) + 0.5), image, factor)


def color(image, factor):
    """Blends with the grey image."""
    return _blend(_grey(image), image, factor)


def sharpness(image, factor):
    """Blends with the smoothed image: weights of 1 around 5, the border as it is."""
    pixels = tf.cast(image, tf.float32)
    rows = pixels[:-2] + pixels[1:-1] + pixels[2:]
    smooth = tf.floor((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * pixels[1:-1, 1:-1]) / 13 + 0.5)
    inner = _blend(smooth, image[1:-1, 1:-1], factor)
    middle = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], middle, image[-1:]], axis=0)


def _grey(image):
    """float32 (H, W, 1): Pillow's rounded luma."""
    red, green, blue = tf.unstack(tf.cast(image, tf.int32), axis=-1)
    return tf.cast((red * 19595 + green * 38470 + blue * 7471 + 0x8000) // 0x10000, tf.float32)[..., None]


def _blend(other, image, factor):
    blended = other + factor * (tf.cast(image, tf.float32) - other)
    return tf.cast(tf.clip_by_value(blended, 0, 255), tf.uint8)


def shear_x(image, level):
    return _transform(image, (1, level, 0), (0, 1, 0))


def shear_y(image, level):
    return _transform(image, (1, 0, 0), (level, 1, 0))


def translate_x(image, pixels):
    return _transform(image, (1, 0, tf.round(pixels)), (0, 1, 0))


def translate_y(image, pixels):
    return _transform(image, (1, 0, 0), (0, 1, tf.round(pixels)))


def rotate(image, degrees):
    """Counterclockwise about the centre."""
    height, width, _ = tf.unstack(tf.cast(tf.shape(image), tf.float32))
    radians = degrees * (math.pi / 180)
    cos, sin = tf.cos(radians), tf.sin(radians)
    x, y = width / 2, height / 2
    return _transform(image, (cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y))


def _transform(image, row_of_x, row_of_y):
    """Pillow's affine transform to the nearest pixel: an output pixel's centre (x, y, 1) -> where it comes from."""
    (a, b, c), (d, e, f) = row_of_x, row_of_y
    # The kernel's coordinates count from the centre of the first pixel, Pillow's from its corner.
    shifted = [a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2, 0, 0]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack([tf.cast(number, tf.float32) for number in shifted])[None],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]


# ---------------------------------------------------------------------------------------------
# Policies: name -> (operation, function of (share of the range, sign, shape of the image) that gives its number)


def _none(share, sign, shape):
    return 0.0


def _signed(highest):
    return lambda share, sign, shape: sign * share * highest


def _factor(highest):
    """Of an enhancement: 1 changes nothing."""
    return lambda share, sign, shape: 1 + sign * share * highest


def _part_of_side(axis, part):
    return lambda share, sign, shape: sign * share * part * shape[axis]


def _bits(lost):
    return lambda share, sign, shape: 8 - tf.round(share * lost)


def _threshold(share, sign, shape):
    return 255 * (1 - share)


RAND_AUGMENT = {
    "identity": (identity, _none),
    "shear_x": (shear_x, _signed(0.3)),
    "shear_y": (shear_y, _signed(0.3)),
    "translate_x": (translate_x, _part_of_side(1, 150 / 331)),
    "translate_y": (translate_y, _part_of_side(0, 150 / 331)),
    "rotate": (rotate, _signed(30.0)),
    "brightness": (brightness, _factor(0.9)),
    "color": (color, _factor(0.9)),
    "contrast": (contrast, _factor(0.9)),
    "sharpness": (sharpness, _factor(0.9)),
    "posterize": (posterize, _bits(4)),
    "solarize": (solarize, _threshold),
    "autocontrast": (autocontrast, _none),
    "equalize": (equalize, _none),
}
TRIVIAL_AUGMENT = {
    **RAND_AUGMENT,
    "shear_x": (shear_x, _signed(0.99)),
    "shear_y": (shear_y, _signed(0.99)),
    "translate_x": (translate_x, _signed(32.0)),
    "translate_y": (translate_y, _signed(32.0)),
    "rotate": (rotate, _signed(135.0)),
    "brightness": (brightness, _factor(0.99)),
    "color": (color, _factor(0.99)),
    "contrast": (contrast, _factor(0.99)),
    "sharpness": (sharpness, _factor(0.99)),
    "posterize": (posterize, _bits(6)),
}
