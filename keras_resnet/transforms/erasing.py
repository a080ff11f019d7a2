"""Random erasing of a box of a training image. Stateless: the same seed returns the same image."""

import tensorflow as tf

from keras_resnet.preprocessing import IMAGENET_MEAN
from keras_resnet.transforms.boxes import TRIALS, first_fitting_sides, paste

AREA = (0.02, 1 / 3)  # smallest and largest erased fraction of the image
RATIOS = (0.3, 3.3)  # smallest and largest height / width of the erased box


def random_erasing(image: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """Fills a random box of the image with ImageNet's mean color, with the given probability.

    Source: Zhong et al. 2017, "Random Erasing Data Augmentation", algorithm 1, variant RE-M. torchvision's and timm's
    classes by default set a normalized image to 0, which is this color in units of 0 to 255. The ranges are timm's:
    2 % to a third of the area, and height / width 0.3 to 3.3, log-uniform. The first of ten random boxes that is
    smaller than the image on both sides is erased.

    Args:
        image: (H, W, 3), RGB in 0 to 255, uint8 or float32.
        seed: int32 (2,).
        probability: 0 to 1.

    Returns:
        (H, W, 3) of the image's type; for uint8 the color is rounded.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.transforms.erasing import random_erasing
        >>> image = random_erasing(tf.zeros((32, 32, 3), tf.uint8), [0, 1], probability=1.0)
        >>> tf.reduce_max(image, (0, 1)).numpy().tolist()
        [124, 116, 104]
    """
    image = tf.convert_to_tensor(image)
    uniform = tf.random.stateless_uniform([3 + 2 * TRIALS], seed)

    def erase():
        color = [round(value) if image.dtype.is_integer else value for value in IMAGENET_MEAN]
        patch = tf.broadcast_to(tf.constant(color, image.dtype), tf.shape(image))
        return paste(image, patch, *_erased_box(tf.shape(image)[:2], uniform[1:]))

    return tf.cond(uniform[0] < probability, erase, lambda: image)


def _erased_box(size, uniform):
    """Start and end of the box, each (row, column), from 22 random numbers, uniform in 0 to 1."""
    height, width = tf.unstack(tf.cast(size, tf.float32))
    for_corner, for_area, for_ratio = tf.split(uniform, [2, TRIALS, TRIALS])
    areas = height * width * (AREA[0] + (AREA[1] - AREA[0]) * for_area)

    def fits(heights, widths):
        return (heights < height) & (widths < width)

    found, *box = first_fitting_sides(areas, RATIOS, for_ratio, fits)
    sides = tf.cast(tf.where(found, tf.stack(box), 0), tf.int32)  # an empty box if none fits
    start = tf.cast(for_corner * tf.cast(size - sides + 1, tf.float32), tf.int32)
    return tf.unstack(start), tf.unstack(start + sides)
