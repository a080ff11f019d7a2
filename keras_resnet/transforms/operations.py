"""The image operations of RandAugment and TrivialAugment, each identical to Pillow's, bit for bit.

They equal ImageOps, ImageEnhance and Image.transform with the nearest pixel; the area that a shear, rotation or
translation uncovers is black. Each takes a uint8 image (H, W, 3) and a scalar float64 magnitude, and returns the
changed image, uint8 (H, W, 3).
"""

import functools

import numpy as np
import tensorflow as tf

# Pillow's gray (Convert.c): 65536 times the weights 0.299, 0.587, 0.114, summed in integers. All sums are below 2^24,
# so float32 is exact.
_GRAY = np.array([[19595], [38470], [7471]], "float32")
# ImageFilter.SMOOTH, a kernel (3, 3) for each of three channels.
_SMOOTH = np.repeat(np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], "float32")[:, :, None, None] / 13, 3, axis=2)
_IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], "float64")
# What one unit of each operation adds to the identity's matrix.
_SHEAR_X = np.array([[0, 1, 0], [0, 0, 0]], "float64")
_SHEAR_Y = np.array([[0, 0, 0], [1, 0, 0]], "float64")
_TRANSLATE_X = np.array([[0, 0, -1], [0, 0, 0]], "float64")
_TRANSLATE_Y = np.array([[0, 0, 0], [0, 0, -1]], "float64")


def _affine(image, matrix):
    """Output pixel (x, y) is the input pixel at `matrix` @ (x, y, 1), float64 (2, 3); black outside the image.

    Source: Image.transform with AFFINE and NEAREST (Geometry.c, affine_fixed): between pixel centers, in integer
    multiples of 1 / 65536 pixel. Sides must be below about 10,000 pixels, or the numbers exceed 32 bits.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    # Half a pixel to the center, and one pixel for the black border, to which positions outside are clipped.
    offsets = matrix[:, 2:] + tf.reduce_sum(matrix[:, :2], 1, keepdims=True) / 2 + 1
    fixed = tf.cast(tf.floor(tf.concat([matrix[:, :2], offsets], 1) * 65536 + 0.5), tf.int32)
    columns, rows = tf.range(width)[None, :], tf.range(height)[:, None]

    def source_position(line, side):
        by_column, by_row, offset = tf.unstack(line)
        return tf.clip_by_value(tf.bitwise.right_shift(by_column * columns + (by_row * rows + offset), 16), 0, side + 1)

    x, y = source_position(fixed[0], width), source_position(fixed[1], height)
    pixels = tf.reshape(tf.pad(image, [[1, 1], [1, 1], [0, 0]]), [-1, 3])
    return tf.gather(pixels, y * (width + 2) + x)


def _shear(image, slope, direction):
    return _affine(image, _IDENTITY + slope * direction)


def _translate(image, pixels, direction):
    return _affine(image, _IDENTITY + tf.cast(tf.cast(pixels, tf.int32), tf.float64) * direction)


def _translate_by_fraction(image, fraction, axis):
    """Translates by a fraction of the side: axis 0 vertically, 1 horizontally."""
    return (translate_y, translate_x)[axis](image, fraction * tf.cast(tf.shape(image)[axis], tf.float64))


shear_x = functools.partial(_shear, direction=_SHEAR_X)
shear_y = functools.partial(_shear, direction=_SHEAR_Y)
translate_x = functools.partial(_translate, direction=_TRANSLATE_X)
translate_y = functools.partial(_translate, direction=_TRANSLATE_Y)
translate_x_by_fraction = functools.partial(_translate_by_fraction, axis=1)
translate_y_by_fraction = functools.partial(_translate_by_fraction, axis=0)


def rotate(image: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Image.rotate: counter-clockwise about the center."""
    angle = degrees * (np.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    rotation = tf.reshape(tf.stack([cos, -sin, sin, cos]), [2, 2])
    center = tf.cast(tf.shape(image)[1::-1], tf.float64)[:, None] / 2
    return _affine(image, tf.concat([rotation, center - tf.matmul(rotation, center)], 1))


def _blend(degenerate, image, factor):
    """Image.blend: interpolates or extrapolates from `degenerate` to `image`, both float32; clipped and truncated."""
    blended = degenerate + tf.cast(factor, tf.float32) * (image - degenerate)
    return tf.cast(tf.clip_by_value(blended, 0, 255), tf.uint8)


def _gray(image, channels):
    """The gray of a float32 image (H, W, 3), rounded and repeated: (H, W, channels)."""
    gray = tf.matmul(tf.reshape(image, [-1, 3]), np.repeat(_GRAY, channels, axis=1))
    return tf.reshape(tf.floor(gray / 65536 + 0.5), tf.concat([tf.shape(image)[:2], [channels]], 0))


def brightness(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """ImageEnhance.Brightness with the factor 1 + change."""
    return _blend(0.0, tf.cast(image, tf.float32), 1 + change)


def contrast(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """ImageEnhance.Contrast with the factor 1 + change."""
    image = tf.cast(image, tf.float32)
    mean = tf.reduce_mean(tf.cast(_gray(image, 1), tf.float64))  # float32 has too few digits for large images
    return _blend(tf.cast(tf.floor(mean + 0.5), tf.float32), image, 1 + change)


def color(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """ImageEnhance.Color (saturation) with the factor 1 + change."""
    image = tf.cast(image, tf.float32)
    return _blend(_gray(image, 3), image, 1 + change)


def sharpness(image: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
    """ImageEnhance.Sharpness with the factor 1 + change; as in Pillow, the outermost pixels do not change."""
    inner = tf.cast(image, tf.float32)
    smooth = tf.floor(tf.nn.depthwise_conv2d(inner[None], _SMOOTH, [1, 1, 1, 1], "VALID")[0] + 0.5)
    inner = _blend(smooth, inner[1:-1, 1:-1], 1 + change)
    inner = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], 1)
    return tf.concat([image[:1], inner, image[-1:]], 0)


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """ImageOps.posterize: keeps only the highest bits; their number is rounded to an integer."""
    dropped = 8 - tf.cast(tf.round(bits), tf.int32)
    return tf.bitwise.bitwise_and(image, tf.cast(256 - tf.bitwise.left_shift(1, dropped), tf.uint8))


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """ImageOps.solarize: inverts values at or above the threshold."""
    inverted = tf.cast(image >= tf.cast(tf.math.ceil(threshold), tf.uint8), tf.uint8)
    return tf.bitwise.bitwise_xor(image, inverted * tf.constant(255, tf.uint8))  # 255 - x is x with all bits inverted


def _by_histogram(image, find_tables):
    """Maps each channel through its own table; `find_tables` computes all three from their histograms, (3, 256)."""
    height, width = tf.unstack(tf.shape(image)[:2])
    # A value of channel c has the number 256 c + value. Whole rows at once, as in `color.pca_lighting`.
    numbers = tf.reshape(tf.cast(image, tf.int32), [height, 3 * width]) + tf.tile([0, 256, 512], [width])
    counts = tf.math.bincount(tf.reshape(numbers, [-1]), minlength=768, maxlength=768)
    tables = find_tables(tf.reshape(counts, [3, 256]))
    return tf.reshape(tf.gather(tf.reshape(tables, [-1]), numbers), tf.shape(image))


def _stretch(counts):
    """Tables of autocontrast: the lowest value of a channel becomes 0, and the highest 255."""
    values = tf.range(256, dtype=tf.float64)
    low = tf.reduce_min(tf.where(counts > 0, values, 255), 1, keepdims=True)
    high = tf.reduce_max(tf.where(counts > 0, values, 0), 1, keepdims=True)
    scale = tf.where(high > low, 255 / tf.maximum(high - low, 1), 1)
    stretched = values * scale + tf.where(high > low, -low * scale, 0)
    return tf.cast(tf.clip_by_value(stretched, 0, 255), tf.uint8)


def _flatten(counts):
    """Tables of equalize: the values of a channel become about equally frequent."""
    below = tf.cumsum(counts, axis=1, exclusive=True)
    step = tf.reduce_max(tf.where(counts > 0, below, 0), 1, keepdims=True) // 255  # 0: too few pixels, or one value
    flat = tf.minimum((step // 2 + below) // tf.maximum(step, 1), 255)
    return tf.cast(tf.where(step > 0, flat, tf.range(256)), tf.uint8)


def autocontrast(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """ImageOps.autocontrast without a cutoff."""
    return _by_histogram(image, _stretch)


def equalize(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """ImageOps.equalize."""
    return _by_histogram(image, _flatten)


def identity(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    """The unchanged image."""
    return image
