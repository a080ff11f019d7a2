"""Training-time randomness. Every function is stateless: the same seed gives the same image.

A seed is an int tensor of shape (2,), made by `example_seed` from the run's seed, the epoch and the
example's index, so that an image is augmented alike whatever the number of threads, and after a
resume.
"""

import tensorflow as tf


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


def augment(image, seed, recipe):
    """What the recipe asks for, each operation with a seed of its own; (H, W, C) in and out."""
    crop_seed, flip_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    if recipe.pad:
        image = pad_and_crop(image, crop_seed, recipe.pad)
    return random_flip(image, flip_seed) if recipe.flip else image
