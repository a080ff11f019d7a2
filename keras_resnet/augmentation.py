"""Training-time randomness. Every function is stateless: the same seed gives the same image.

A seed is an int tensor of shape (2,), made by `example_seed` from the run's seed, the epoch and the
example's index, so that an image is augmented alike whatever the number of threads, and after a
resume.
"""

import tensorflow as tf

from keras_resnet import views


def example_seed(run_seed, epoch, index):
    """The seed of one example in one epoch: int32 of shape (2,).

    Example:
        >>> from keras_resnet.augmentation import example_seed
        >>> example_seed(0, 3, 14).shape.as_list()
        [2]
    """
    key = tf.stack([tf.cast(run_seed, tf.int32), tf.cast(epoch, tf.int32)])
    return tf.random.experimental.stateless_fold_in(key, tf.cast(index, tf.int32))


def pad_and_crop(image, seed, padding):
    """A random crop of the image's own size after `padding` black pixels were put on each side.

    Source: He et al. 2015, section 4.2 (`padding` 4). `image`: (H, W, C), any type. All
    (2 x padding + 1)^2 crops are equally likely.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.augmentation import example_seed, pad_and_crop
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
        >>> from keras_resnet.augmentation import example_seed, random_flip
        >>> random_flip(tf.ones((32, 32, 3)), example_seed(0, 0, 0)).shape.as_list()
        [32, 32, 3]
    """
    mirrored = tf.random.stateless_uniform([], seed) < 0.5
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)


def resized(image, size):
    """The image at (height, width), bilinear: itself if it has that size, else rounded to its own type.

    It is smoothed first where it shrinks to less than a half, and would alias; that takes twice the time.
    """
    if tuple(image.shape[:2]) == tuple(size):
        return image
    shrinks = tf.reduce_min(tf.shape(image)[:2] // tf.constant(size)) >= 2
    smaller = tf.cond(
        shrinks, lambda: tf.image.resize(image, size, antialias=True), lambda: tf.image.resize(image, size)
    )
    return tf.cast(smaller + 0.5, image.dtype) if image.dtype == tf.uint8 else smaller


def crop(pixels, seed, recipe, size):
    """The crop of a training image that the recipe asks for, at `size` (height, width).

    Args:
        pixels: function of (a box function, a size), as `decoding.decode`, that gives a part of the image.
    """
    if recipe.crop == "center":
        return resized(pixels(views.center_box, size), size)
    box_of, draws = views.BOXES[recipe.crop]
    draws = tf.random.stateless_uniform([draws], seed)
    return resized(pixels(lambda shape: box_of(shape, draws, size, recipe), size), size)


def augment(pixels, seed, recipe, image_shape):
    """A training image as the recipe wants it: uint8, or float32 where colours are changed.

    Each operation has a seed of its own.

    Args:
        pixels: function of (a box function, a size), as `decoding.decode`, that gives a part of the image.
        image_shape: (height, width, channels) to come out.
    """
    crop_seed, pad_seed, flip_seed, *_ = tf.unstack(tf.random.experimental.stateless_split(seed, 8))
    image = tf.ensure_shape(crop(pixels, crop_seed, recipe, image_shape[:2]), image_shape)
    if recipe.pad:
        image = pad_and_crop(image, pad_seed, recipe.pad)
    if recipe.flip:
        image = random_flip(image, flip_seed)
    return image
