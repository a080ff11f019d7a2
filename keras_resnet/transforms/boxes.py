"""Boxes: the part of an image that a crop shows, or that an augmentation replaces."""

import math
from collections.abc import Callable

import tensorflow as tf

from keras_resnet.recipes import Recipe

BoxFunction = Callable[[tf.Tensor], tf.Tensor]  # an image's shape -> its box (top, left, height, width), both int32

CROP_RATIOS = (3 / 4, 4 / 3)  # smallest and largest width / height of a random resized crop
TRIALS = 10  # random boxes, of which the first that fits into the image is used


def whole_box(shape: tf.Tensor) -> tf.Tensor:
    """The box of the whole image."""
    return tf.stack([0, 0, shape[0], shape[1]])


def center_box(shape: tf.Tensor) -> tf.Tensor:
    """The largest square in the center of the image."""
    side = tf.minimum(shape[0], shape[1])
    return tf.concat([(shape[:2] - side) // 2, [side, side]], 0)


def scale_jitter_box(shape: tf.Tensor, uniform: tf.Tensor, recipe: Recipe) -> tf.Tensor:
    """The part of the image shown by a training crop of the 2015 paper.

    Source: He et al. 2015, section 3.4: the short side is resized to a random size ([256, 480] for crops of 224), and
    a crop is taken at a random position. Here the box of the crop is computed in the original image and rounded to
    whole pixels, so only the crop is decoded and resized.

    Args:
        shape: of the image, int32 (3,).
        uniform: random numbers, float32 (3,), uniform in 0 to 1.
        recipe: its `scale_jitter` is the smallest and largest short side, in multiples of the crop's.
    """
    low, high = recipe.scale_jitter
    short = tf.cast(tf.minimum(shape[0], shape[1]), tf.float32)
    side = tf.maximum(1.0, tf.round(short / (low + (high - low) * uniform[0])))
    margins = tf.cast(shape[:2], tf.float32) - side
    corner = tf.floor(tf.maximum(margins + 1, 1) * uniform[1:3])
    return tf.cast(tf.concat([tf.minimum(corner, tf.maximum(margins, 0)), [side, side]], 0), tf.int32)


def random_resized_box(shape: tf.Tensor, uniform: tf.Tensor, recipe: Recipe) -> tf.Tensor:
    """A part of random area and aspect ratio.

    Source: Szegedy et al. 2014, section 6, as implemented by fb.resnet.torch and torchvision: the area is uniform in
    `recipe.crop_area` of the image's, and the ratio log-uniform in 3/4 to 4/3. If none of ten boxes fits into the
    image, the box is centered and as large as the ratio allows.

    Args:
        shape: of the image, int32 (3,).
        uniform: random numbers, float32 (22,), uniform in 0 to 1.
        recipe: its `crop_area` is the smallest and largest fraction of the image's area.
    """
    sides = tf.cast(shape[:2], tf.float32)
    low, high = recipe.crop_area
    for_area, for_ratio, for_corner = tf.split(uniform, [TRIALS, TRIALS, 2])
    areas = (low + (high - low) * for_area) * sides[0] * sides[1]

    def fits(widths, heights):
        return (heights >= 1) & (widths >= 1) & (heights <= sides[0]) & (widths <= sides[1])

    found, width, height = first_fitting_sides(areas, CROP_RATIOS, for_ratio, fits)
    fallback = tf.minimum(sides, tf.round(sides[::-1] * (1 / CROP_RATIOS[0], CROP_RATIOS[1])))
    box = tf.where(found, tf.stack([height, width]), fallback)
    corner = tf.where(found, tf.floor((sides - box + 1) * for_corner), tf.round((sides - box) / 2))
    return tf.cast(tf.concat([tf.minimum(corner, sides - box), box], 0), tf.int32)


# A recipe's random `crop` -> (the function that chooses its box, the number of random numbers it takes).
RANDOM_BOXES = {
    "scale_jitter": (scale_jitter_box, 3),
    "random_resized": (random_resized_box, 2 * TRIALS + 2),
}


def first_fitting_sides(
    areas: tf.Tensor, ratios: tuple[float, float], uniform: tf.Tensor, fits: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The first of several random boxes that fits.

    Args:
        areas: of the boxes, float32 (N,), square pixels.
        ratios: smallest and largest aspect ratio; the boxes' are log-uniform between them.
        uniform: random numbers for the ratios, float32 (N,), uniform in 0 to 1.
        fits: function of the boxes' sides (numerators and denominators of the ratios, whole numbers, float32 (N,))
            that returns which boxes fit, bool (N,).

    Returns:
        Whether any box fits, a scalar bool, and the two sides of the first that does, scalar float32.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.boxes import first_fitting_sides
        >>> areas, uniform = tf.constant([100.0, 36.0]), tf.fill([2], 0.5)
        >>> sides = first_fitting_sides(areas, (1 / 2, 2), uniform, lambda heights, widths: widths < 8)
        >>> [side.numpy().item() for side in sides]
        [True, 6.0, 6.0]
    """
    low, high = map(math.log, ratios)
    roots, half_ratios = tf.sqrt(areas), tf.exp((low + (high - low) * uniform) / 2)
    numerators, denominators = tf.round(roots * half_ratios), tf.round(roots / half_ratios)
    fitting = fits(numerators, denominators)
    first = tf.argmax(fitting)
    return fitting[first], numerators[first], denominators[first]


def paste(image: tf.Tensor, patch: tf.Tensor, start: tuple, end: tuple) -> tf.Tensor:
    """Replaces a box of `image` by the same box of `patch`.

    Args:
        image: (..., H, W, C).
        patch: of the image's shape and type.
        start: (row, column) of the box's first pixel.
        end: (row, column) after the box's last pixel.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.boxes import paste
        >>> paste(tf.zeros((3, 3, 1)), tf.ones((3, 3, 1)), (1, 1), (2, 3))[..., 0].numpy().tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """
    # Slices are copied as blocks, which is several times faster than a mask over the pixels.
    (top, left), (bottom, right) = start, end
    rows, replaced = image[..., top:bottom, :, :], patch[..., top:bottom, left:right, :]
    rows = tf.concat([rows[..., :left, :], replaced, rows[..., right:, :]], -2)
    pasted = tf.concat([image[..., :top, :, :], rows, image[..., bottom:, :, :]], -3)
    pasted.set_shape(image.shape)
    return pasted
