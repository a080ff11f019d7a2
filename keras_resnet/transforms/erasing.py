"""TODO transforms.erasing."""

import math

import tensorflow as tf

from keras_resnet.preprocessing import IMAGENET_MEAN
from keras_resnet.transforms.crops import paste


def random_erasing(image, seed, probability):
    """A random box of the image in one colour, ImageNet's mean; with the probability, else the image as it is.

    Source: Zhong et al. 2017, "Random Erasing Data Augmentation", algorithm 1, its variant RE-M. torchvision's and
    timm's classes by default set a normalised image to 0, which is this colour in units of 0 to 255. The ranges are
    timm's: 2 % to a third of the area, height / width 0.3 to 3.3, evenly on a logarithmic scale; of ten drawn boxes
    the first is taken that is smaller than the image on both sides.

    Args:
        image: (H, W, 3), RGB in 0 to 255, uint8 or float32.
        seed: int32 (2,).
        probability: 0 to 1.

    Returns:
        (H, W, 3) of the image's type; for uint8 the colour is rounded.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.erasing import random_erasing
        >>> image = random_erasing(tf.zeros((32, 32, 3), tf.uint8), [0, 1], probability=1.0)
        >>> tf.reduce_max(image, (0, 1)).numpy().tolist()
        [124, 116, 104]
    """
    image = tf.convert_to_tensor(image)
    chance, *drawn = tf.unstack(tf.random.stateless_uniform([23], seed))

    def erase():
        color = [round(value) if image.dtype.is_integer else value for value in IMAGENET_MEAN]
        patch = tf.broadcast_to(tf.constant(color, image.dtype), tf.shape(image))
        return paste(image, patch, *_erased_box(tf.shape(image)[:2], tf.stack(drawn)))

    return tf.cond(chance < probability, erase, lambda: image)


def _erased_box(size, drawn):
    """Where the box starts and ends, each (row, column), from 22 numbers in 0 to 1: ten boxes and a place."""
    height, width = tf.unstack(tf.cast(size, tf.float32))
    area = height * width * (0.02 + (1 / 3 - 0.02) * drawn[2:12])
    root = tf.exp((math.log(0.3) + math.log(3.3 / 0.3) * drawn[12:]) / 2)  # of height / width
    heights, widths = tf.round(tf.sqrt(area) * root), tf.round(tf.sqrt(area) / root)
    fits = (heights < height) & (widths < width)
    first = tf.argmax(fits)  # of none that fits, the box is empty
    sides = tf.cast(tf.where(fits[first], tf.stack([heights[first], widths[first]]), 0), tf.int32)
    start = tf.cast(drawn[:2] * tf.cast(size - sides + 1, tf.float32), tf.int32)
    return tf.unstack(start), tf.unstack(start + sides)
