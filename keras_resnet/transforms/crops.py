"""TODO transforms.crops."""

import math

import tensorflow as tf


def part_of(image, box_of):
    """The part (top, left, height, width) of a decoded image that `box_of` its shape says, as `decode` does."""
    top, left, height, width = tf.unstack(box_of(tf.shape(image)))
    return image[top : top + height, left : left + width]


def whole(shape):
    """The box of the whole image."""
    return tf.stack([0, 0, shape[0], shape[1]])


CROP_RATIO = (3 / 4, 4 / 3)  # width by height of a random resized crop, least and greatest
CROP_TRIALS = 10  # draws of a random resized crop, until one fits into the image


def scale_jitter_box(shape, draws, size, recipe):
    """The part of the image that a crop of the 2015 paper shows.

    Source: He et al. 2015, section 3.4: the short side is resized to a random size ([256, 480] for crops of
    224), and a crop taken at random. Here the crop is found in the image as it is, to a whole pixel, and only
    that is decoded and resized.

    Args:
        shape: of the image.
        draws: float32 (3,), uniform in 0 to 1.
        size: (height, width) of the crop, once resized.
        recipe: its `scale_jitter` holds the least and the greatest short side, as multiples of the crop's.
    """
    low, high = recipe.scale_jitter
    short = tf.cast(tf.minimum(shape[0], shape[1]), tf.float32)
    side = tf.maximum(1.0, tf.round(short / (low + (high - low) * draws[0])))
    margins = tf.cast(shape[:2], tf.float32) - side
    corner = tf.floor(tf.maximum(margins + 1, 1) * draws[1:3])
    return tf.cast(tf.concat([tf.minimum(corner, tf.maximum(margins, 0)), [side, side]], 0), tf.int32)


def random_resized_box(shape, draws, size, recipe):
    """A part of random area and aspect ratio.

    Source: Szegedy et al. 2014, section 6, as fb.resnet.torch and torchvision have it: an area uniform in
    `recipe.crop_area` of the image's, a ratio log-uniform in 3/4 to 4/3; if ten draws do not fit into the
    image, the centre, as large as the ratio allows.

    Args:
        shape: of the image.
        draws: float32 (22,), uniform in 0 to 1.
        size: not used; the part is resized to it.
    """
    del size
    sides = tf.cast(shape[:2], tf.float32)
    low, high = recipe.crop_area
    areas = (low + (high - low) * draws[:CROP_TRIALS]) * sides[0] * sides[1]
    log_ratios = _between(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1]), draws[CROP_TRIALS : 2 * CROP_TRIALS])
    roots, half_ratios = tf.sqrt(areas), tf.exp(log_ratios / 2)
    trials = tf.round(tf.stack([roots / half_ratios, roots * half_ratios], axis=1))  # (trials, (height, width))
    fits = tf.reduce_all((trials >= 1) & (trials <= sides), axis=1)
    chosen = tf.argmax(fits)  # the first that fits
    fallback = tf.minimum(sides, tf.round(sides[::-1] * (1 / CROP_RATIO[0], CROP_RATIO[1])))
    box = tf.where(fits[chosen], trials[chosen], fallback)
    place = tf.where(fits[chosen], tf.floor((sides - box + 1) * draws[2 * CROP_TRIALS :]), tf.round((sides - box) / 2))
    return tf.cast(tf.concat([tf.minimum(place, sides - box), box], 0), tf.int32)


def _between(low, high, draw):
    return low + (high - low) * draw


def center_box(shape):
    """The largest square in the middle of the image."""
    side = tf.minimum(shape[0], shape[1])
    return tf.concat([(shape[:2] - side) // 2, [side, side]], 0)


# A recipe's random `crop` -> (the function that chooses its box, the uniform draws that it takes).
BOXES = {
    "scale_jitter": (scale_jitter_box, 3),
    "random_resized": (random_resized_box, 2 * CROP_TRIALS + 2),
}


def pad_and_crop(image, seed, padding):
    """A random crop of the image's own size after `padding` black pixels were put on each side.

    Source: He et al. 2015, section 4.2 (`padding` 4). `image`: (H, W, C), any type. All
    (2 x padding + 1)^2 crops are equally likely.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.pipeline import example_seed
        >>> from keras_resnet.transforms.crops import pad_and_crop
        >>> pad_and_crop(tf.ones((32, 32, 3)), example_seed(0, 0, 0), padding=4).shape.as_list()
        [32, 32, 3]
    """
    top, left = tf.unstack(tf.random.stateless_uniform([2], seed, 0, 2 * padding + 1, tf.int32))
    padded = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]])
    height, width, channels = image.shape
    return tf.slice(padded, tf.stack([top, left, 0]), [height, width, channels])


def random_flip(image, seed):
    """The image (H, W, C) or, as often, its mirror image, left and right exchanged.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.pipeline import example_seed
        >>> from keras_resnet.transforms.crops import random_flip
        >>> random_flip(tf.ones((32, 32, 3)), example_seed(0, 0, 0)).shape.as_list()
        [32, 32, 3]
    """
    mirrored = tf.random.stateless_uniform([], seed) < 0.5
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)


def resized(image, size, rounded=True):
    """The image at (height, width), bilinear: itself if it has that size, else float32, or `rounded` to its own type.

    It is smoothed first where it shrinks to less than a half, and would alias; that takes twice the time.
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    shrinks = tf.reduce_min(tf.shape(image)[:2] // tf.constant(size)) >= 2
    smaller = tf.cond(
        shrinks, lambda: tf.image.resize(image, size, antialias=True), lambda: tf.image.resize(image, size)
    )
    return tf.cast(smaller + 0.5, tf.uint8) if rounded and image.dtype == tf.uint8 else smaller


def crop(pixels, seed, recipe, size):
    """The crop of a training image that the recipe asks for, at `size` (height, width).

    Args:
        pixels: function of (a box function, a size), as `decoding.decode`, that gives a part of the image.
    """
    rounded = not (recipe.color_jitter or recipe.pca_lighting)  # else what follows would make it float32 again
    if recipe.crop == "center":
        return resized(pixels(center_box, size), size, rounded)
    box_of, draws = BOXES[recipe.crop]
    draws = tf.random.stateless_uniform([draws], seed)
    return resized(pixels(lambda shape: box_of(shape, draws, size, recipe), size), size, rounded)


def paste(image, patch, start, end):
    """`image` with the box between `start` and `end`, each (row, column), from `patch`; both (..., H, W, C) of a type.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.crops import paste
        >>> paste(tf.zeros((3, 3, 1)), tf.ones((3, 3, 1)), (1, 1), (2, 3))[..., 0].numpy().tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """
    # Slices are copied whole: several times faster than a mask over the pixels.
    (top, left), (bottom, right) = start, end
    rows, replaced = image[..., top:bottom, :, :], patch[..., top:bottom, left:right, :]
    rows = tf.concat([rows[..., :left, :], replaced, rows[..., right:, :]], -2)
    pasted = tf.concat([image[..., :top, :, :], rows, image[..., bottom:, :, :]], -3)
    pasted.set_shape(image.shape)
    return pasted
