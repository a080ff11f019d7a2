"""Recalibrates batch normalization: statistics over a large sample of training images instead of moving averages."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.batches import training_batches
from keras_resnet.data.loading import Data
from keras_resnet.distributed.keras_internals import normalizations
from keras_resnet.evaluation.checks import check_takes_images, check_types
from keras_resnet.recipes import Recipe, get_recipe
from keras_resnet.rules import ABOVE_ZERO, WHOLE, check


def recalibrate_batchnorm(model: keras.Model, data: Data, recipe: str | Recipe, images: int = 10_000) -> keras.Model:
    """Sets the moving mean and variance of each batch normalization to those over a sample of training images.

    The images are cropped and augmented as in training. Source: the models released by He et al., whose statistics
    were computed after training, on a sufficiently large sample of training images
    (https://github.com/KaimingHe/deep-residual-networks).

    Args:
        model: a Keras model; it is changed in place.
        data: from `keras_resnet.load_data`.
        recipe: the recipe that the model was trained with; the sample has batches of its `batch_size`.
        images: size of the sample; rounded down to whole batches, at least one batch and at most one epoch.

    Returns:
        The model.

    Raises:
        ValueError: an argument is invalid, the model takes other images, or it has no batch normalization.

    Example:
        >>> import numpy as np, keras_resnet
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype("uint8")
        >>> data = keras_resnet.load_data((images, np.arange(64) % 10))
        >>> model = keras_resnet.ResNet20Cifar()
        >>> model = keras_resnet.recalibrate_batchnorm(model, data, keras_resnet.Recipe(batch_size=32))
    """
    recipe = get_recipe(recipe)
    check("images", images, WHOLE, ABOVE_ZERO)
    check_types(model, data)
    layers = normalizations(model)
    if not layers:
        raise ValueError(f"{model.name} has no batch normalization.")
    check_takes_images(model, data, data.image_shape)
    steps = max(1, min(images, len(data.train)) // recipe.batch_size)
    batches = training_batches(data.train, recipe, classes=len(data.class_names)).take(steps)
    with _statistics_of_the_latest_batch(layers):
        pooled = _pooled_statistics(model, layers, batches)
    for layer, statistics in zip(layers, pooled, strict=True):
        _assign(layer, statistics)
    return model


@contextlib.contextmanager
def _statistics_of_the_latest_batch(layers: Sequence[keras.layers.BatchNormalization]) -> Iterator[None]:
    """A context in which moving statistics become those of each batch; at its end, the layers are as before."""
    before = [(layer.momentum, layer.trainable, _statistics(layer)) for layer in layers]
    try:
        for layer in layers:
            layer.momentum, layer.trainable = 0.0, True
            _assign(layer, (0.0, 0.0))  # NaN would stay, since 0 times NaN is NaN
        yield
    finally:
        for layer, (momentum, trainable, statistics) in zip(layers, before, strict=True):
            layer.momentum, layer.trainable = momentum, trainable
            _assign(layer, statistics)


def _statistics(layer: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    """The moving mean and variance."""
    return np.array(layer.moving_mean, "float64"), np.array(layer.moving_variance, "float64")


def _assign(layer: keras.layers.BatchNormalization, statistics: tuple[Any, Any]) -> None:
    for moving, values in zip((layer.moving_mean, layer.moving_variance), statistics, strict=True):
        moving.assign(np.broadcast_to(values, moving.shape))


def _pooled_statistics(
    model: keras.Model, layers: Sequence[keras.layers.BatchNormalization], batches: tf.data.Dataset
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The mean and the variance of each layer's inputs over batches of equal size."""
    update = tf.function(lambda images: model(images, training=True))
    means: list[Any] = [0.0] * len(layers)
    squares: list[Any] = [0.0] * len(layers)
    count = 0
    for images, _ in batches:
        update(images)
        count += 1
        for index, layer in enumerate(layers):
            mean, variance = _statistics(layer)
            means[index] = means[index] + mean
            squares[index] = squares[index] + variance + mean**2
    means = [mean / count for mean in means]
    return [(mean, square / count - mean**2) for mean, square in zip(means, squares, strict=True)]
