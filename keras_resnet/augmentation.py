"""Training-time randomness. Every function is stateless: the same seed gives the same image.

A seed is an int tensor of shape (2,), made by `example_seed` from the run's seed, the epoch and the
example's index, so that an image is augmented alike whatever the number of threads, and after a
resume.
"""

import math

import keras
import tensorflow as tf

from keras_resnet import color, mixing, policies, views
from keras_resnet.preprocessing import IMAGENET_MEAN, IMAGENET_STD

# Of random erasing: least and greatest share of the image, and the greatest ratio of the sides.
ERASED_AREA, ERASED_RATIO = (0.02, 1 / 3), 3.3


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
    """A rectangle of the image replaced by noise, in a share `probability` of the images; of the same type.

    Source: Zhong et al. 2017, https://arxiv.org/abs/1708.04896: area uniform in 2 % to a third of the image's, ratio
    log-uniform in 0.3 to 3.3, cut off at the border; each pixel noise, normal around ImageNet's mean, as in timm.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.augmentation import random_erasing
        >>> random_erasing(tf.zeros((8, 8, 3), tf.uint8), (1, 2), probability=0.25).dtype
        tf.uint8
    """
    draw_seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    erased, area, ratio, *place = tf.unstack(tf.random.stateless_uniform([5], draw_seed))
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    area = (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area) * sides[0] * sides[1]
    stretch = tf.exp((2 * ratio - 1) * math.log(ERASED_RATIO) / 2)
    size = tf.minimum(tf.round(tf.sqrt(area) * tf.stack([stretch, 1 / stretch])), sides)
    start = tf.floor((sides - size + 1) * tf.stack(place))
    rows, columns = (
        (tf.range(sides[axis]) >= start[axis]) & (tf.range(sides[axis]) < start[axis] + size[axis]) for axis in range(2)
    )

    def noise():
        drawn = tf.random.stateless_normal(tf.shape(image), noise_seed) * IMAGENET_STD + IMAGENET_MEAN
        drawn = tf.saturate_cast(drawn, image.dtype)
        return tf.where((rows[:, None] & columns[None, :])[..., None], drawn, image)

    return tf.cond(erased < probability, noise, lambda: image)


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
