"""The augmentation of training images and batches, as a recipe asks for."""

import keras
import tensorflow as tf

from keras_resnet.recipes import Recipe
from keras_resnet.transforms.auto_augment import rand_augment, trivial_augment
from keras_resnet.transforms.color import color_jitter, pca_lighting
from keras_resnet.transforms.crops import LazyImage, crop, pad_and_crop, random_flip
from keras_resnet.transforms.erasing import random_erasing
from keras_resnet.transforms.mixup import mix


def example_seed(run_seed: int, epoch: int | tf.Tensor, index: int | tf.Tensor) -> tf.Tensor:
    """The seed of one example in one epoch: int32 (2,).

    Example:
        >>> from keras_resnet.transforms.pipeline import example_seed
        >>> example_seed(0, 3, 14).shape.as_list()
        [2]
    """
    key = tf.stack([tf.cast(run_seed, tf.int32), tf.cast(epoch, tf.int32)])
    return tf.random.experimental.stateless_fold_in(key, tf.cast(index, tf.int32))


def augment(source: LazyImage, seed: tf.Tensor, recipe: Recipe, image_shape: tuple[int, int, int]) -> tf.Tensor:
    """Crops and augments a training image as the recipe asks for.

    Args:
        source: the training image.
        seed: int32 (2,); every operation gets its own seed, derived from it.
        recipe: what to apply.
        image_shape: (height, width, channels) of the result.

    Returns:
        uint8, or float32 if the image is float32 or its colors are changed.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 8))
    crop_seed, pad_seed, flip_seed, auto_augment_seed, jitter_seed, lighting_seed, erasing_seed, _ = seeds
    image = tf.ensure_shape(crop(source, crop_seed, recipe, image_shape[:2]), image_shape)
    if recipe.pad:
        image = pad_and_crop(image, pad_seed, recipe.pad)
    if recipe.flip:
        image = random_flip(image, flip_seed)
    if recipe.auto_augment == "randaugment":
        settings = recipe.randaugment_operations, recipe.randaugment_magnitude, recipe.randaugment_probability
        image = rand_augment(image, auto_augment_seed, *settings)
    if recipe.auto_augment == "trivialaugment":
        image = trivial_augment(image, auto_augment_seed)
    if recipe.color_jitter:
        image = color_jitter(image, jitter_seed, recipe.color_jitter)
    if recipe.pca_lighting:
        image = pca_lighting(image, lighting_seed, recipe.pca_lighting)
    if recipe.random_erasing:
        image = random_erasing(image, erasing_seed, recipe.random_erasing)
    return image


def augment_batch(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    recipe: Recipe,
    classes: int | None,
    layer: keras.layers.Layer | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Applies a Keras layer, label smoothing, and mixup or CutMix to a batch.

    Args:
        images: (B, H, W, C).
        labels: class numbers (B,).
        seed: int32 (2,).
        recipe: what to apply.
        classes: number of classes; required if `recipe.soft_labels`.
        layer: a Keras augmentation layer for batches of images; see `apply_layer`.

    Returns:
        Images, and class numbers or, if `recipe.soft_labels`, probabilities (B, classes).

    Raises:
        ValueError: `recipe.soft_labels`, but `classes` is None.
    """
    layer_seed, mix_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    if layer is not None:
        images = apply_layer(layer, images, layer_seed)
    if not recipe.soft_labels:
        return images, labels
    if classes is None:
        raise ValueError("Label smoothing, mixup and CutMix need the number of classes; give `classes`.")
    labels = tf.one_hot(labels, classes)
    labels = (1 - recipe.label_smoothing) * labels + recipe.label_smoothing / classes
    if recipe.mixup or recipe.cutmix:
        # The copies of an image are neighbors: its partner is another image.
        return mix(images, labels, mix_seed, recipe.mixup, recipe.cutmix, distance=recipe.repeated_augmentation)
    return images, labels


def apply_layer(layer: keras.layers.Layer, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Applies a Keras augmentation layer to a batch of images, with random numbers from `seed`.

    Keras's own layers keep the state of their generators in variables, which this call replaces. Layers of keras-cv
    have other generators, so their results are not reproducible.

    Args:
        layer: a layer, or model, that augments images in 0 to 255.
        images: (B, H, W, C) in 0 to 255.
        seed: int32 (2,).

    Returns:
        float32 (B, H, W, C).

    Example:
        >>> import keras, tensorflow as tf
        >>> from keras_resnet.transforms.pipeline import apply_layer
        >>> apply_layer(keras.layers.RandomFlip(), tf.zeros((2, 8, 8, 3)), tf.constant([1, 2])).shape.as_list()
        [2, 8, 8, 3]
    """
    shape = images.shape
    generators = [variable for variable in layer.variables if variable.path.endswith("seed_generator_state")]
    seeds = [tf.random.experimental.stateless_fold_in(seed, number) for number in range(len(generators))]
    state = [(generator, tf.bitcast(own, tf.uint32)) for generator, own in zip(generators, seeds, strict=True)]
    convertible = tf.function(lambda images: layer(images, training=True))  # keras-cv branches on tensors in Python
    with keras.StatelessScope(state_mapping=state):
        return tf.ensure_shape(tf.cast(convertible(tf.cast(images, tf.float32)), tf.float32), shape)
