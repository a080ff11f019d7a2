"""Training-time randomness. Every function is stateless: the same seed gives the same image.

A seed is an int tensor of shape (2,), made by `example_seed` from the run's seed, the epoch and the
example's index, so that an image is augmented alike whatever the number of threads, and after a
resume.
"""

import math

import keras
import tensorflow as tf

from keras_resnet import color, mixing, policies, views
from keras_resnet.mixing import paste
from keras_resnet.preprocessing import IMAGENET_MEAN


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
        >>> from keras_resnet.augmentation import random_erasing
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
    rounded = not (recipe.color_jitter or recipe.lighting)  # else what follows would make it float32 again
    if recipe.crop == "center":
        return resized(pixels(views.center_box, size), size, rounded)
    box_of, draws = views.BOXES[recipe.crop]
    draws = tf.random.stateless_uniform([draws], seed)
    return resized(pixels(lambda shape: box_of(shape, draws, size, recipe), size), size, rounded)


def augment(pixels, seed, recipe, image_shape):
    """A training image as the recipe wants it: uint8, or float32 where colours are changed.

    Each operation has a seed of its own.

    Args:
        pixels: function of (a box function, a size), as `decoding.decode`, that gives a part of the image.
        image_shape: (height, width, channels) to come out.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 8))
    crop_seed, pad_seed, flip_seed, policy_seed, jitter_seed, lighting_seed, erasing_seed, _ = seeds
    image = tf.ensure_shape(crop(pixels, crop_seed, recipe, image_shape[:2]), image_shape)
    if recipe.pad:
        image = pad_and_crop(image, pad_seed, recipe.pad)
    if recipe.flip:
        image = random_flip(image, flip_seed)
    if recipe.policy == "randaugment":
        image = policies.rand_augment(image, policy_seed, recipe.policy_operations, recipe.policy_magnitude)
    if recipe.policy == "trivialaugment":
        image = policies.trivial_augment(image, policy_seed)
    if recipe.color_jitter:
        image = color.color_jitter(image, jitter_seed, recipe.color_jitter)
    if recipe.lighting:
        image = color.lighting(image, lighting_seed, recipe.lighting)
    return random_erasing(image, erasing_seed, recipe.erasing) if recipe.erasing else image


def augment_batch(images, labels, seed, recipe, classes, layer=None):
    """What happens to a whole batch: a Keras layer, then soft labels, then mixup or CutMix.

    Args:
        images, labels: (B, H, W, C), and class numbers (B,).
        classes: their number; needed where `recipe.soft_labels`.
        layer: see `apply_layer`.

    Returns:
        Images, and class numbers or, where `recipe.soft_labels`, rows of probabilities (B, classes).
    """
    layer_seed, mix_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    if layer is not None:
        images = apply_layer(layer, images, layer_seed)
    if not recipe.soft_labels:
        return images, labels
    labels = tf.one_hot(labels, classes)
    labels = (1 - recipe.label_smoothing) * labels + recipe.label_smoothing / classes
    if recipe.mixup or recipe.cutmix:
        return mixing.mix(images, labels, mix_seed, recipe.mixup, recipe.cutmix)
    return images, labels


def apply_layer(layer, images, seed):
    """What a Keras augmentation layer makes of a batch of images, float32 in 0 to 255, drawing from `seed`.

    Keras's own layers keep the state of their generators in variables, which are set here for the call. Layers of
    keras-cv draw from generators of their own, so that their batches cannot be repeated.

    Example:
        >>> import keras, tensorflow as tf
        >>> from keras_resnet.augmentation import apply_layer
        >>> apply_layer(keras.layers.RandomFlip(), tf.zeros((2, 8, 8, 3)), tf.constant([1, 2])).shape.as_list()
        [2, 8, 8, 3]
    """
    shape = images.shape
    generators = [variable for variable in layer.variables if variable.path.endswith("seed_generator_state")]
    state = [(generator, tf.bitcast(seed, tf.uint32)) for generator in generators]
    convertible = tf.function(lambda images: layer(images, training=True))  # keras-cv's branch on tensors in Python
    with keras.StatelessScope(state_mapping=state):
        return tf.ensure_shape(tf.cast(convertible(tf.cast(images, tf.float32)), tf.float32), shape)
