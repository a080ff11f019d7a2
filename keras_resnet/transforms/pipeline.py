"""TODO transforms.pipeline."""

import keras
import tensorflow as tf

from keras_resnet.transforms.auto_augment import rand_augment, trivial_augment
from keras_resnet.transforms.color import color_jitter, lighting
from keras_resnet.transforms.crops import crop, pad_and_crop, random_flip
from keras_resnet.transforms.erasing import random_erasing
from keras_resnet.transforms.mixup import mix


def example_seed(run_seed, epoch, index):
    """The seed of one example in one epoch: int32 of shape (2,).

    Example:
        >>> from keras_resnet.transforms.pipeline import example_seed
        >>> example_seed(0, 3, 14).shape.as_list()
        [2]
    """
    key = tf.stack([tf.cast(run_seed, tf.int32), tf.cast(epoch, tf.int32)])
    return tf.random.experimental.stateless_fold_in(key, tf.cast(index, tf.int32))


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
    if recipe.auto_augment == "randaugment":
        image = rand_augment(image, policy_seed, recipe.randaugment_operations, recipe.randaugment_magnitude)
    if recipe.auto_augment == "trivialaugment":
        image = trivial_augment(image, policy_seed)
    if recipe.color_jitter:
        image = color_jitter(image, jitter_seed, recipe.color_jitter)
    if recipe.pca_lighting:
        image = lighting(image, lighting_seed, recipe.pca_lighting)
    return random_erasing(image, erasing_seed, recipe.random_erasing) if recipe.random_erasing else image


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
        return mix(images, labels, mix_seed, recipe.mixup, recipe.cutmix)
    return images, labels


def apply_layer(layer, images, seed):
    """What a Keras augmentation layer makes of a batch of images, float32 in 0 to 255, drawing from `seed`.

    Keras's own layers keep the state of their generators in variables, which are set here for the call. Layers of
    keras-cv draw from generators of their own, so that their batches cannot be repeated.

    Example:
        >>> import keras, tensorflow as tf
        >>> from keras_resnet.transforms.pipeline import apply_layer
        >>> apply_layer(keras.layers.RandomFlip(), tf.zeros((2, 8, 8, 3)), tf.constant([1, 2])).shape.as_list()
        [2, 8, 8, 3]
    """
    shape = images.shape
    generators = [variable for variable in layer.variables if variable.path.endswith("seed_generator_state")]
    state = [(generator, tf.bitcast(seed, tf.uint32)) for generator in generators]
    convertible = tf.function(lambda images: layer(images, training=True))  # keras-cv's branch on tensors in Python
    with keras.StatelessScope(state_mapping=state):
        return tf.ensure_shape(tf.cast(convertible(tf.cast(images, tf.float32)), tf.float32), shape)
