"""recalibrate_batchnorm(): the statistics of batch normalization over a large sample, not a moving average."""

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.batches import training_batches
from keras_resnet.data.loading import Data
from keras_resnet.recipes import Recipe, get_recipe


def recalibrate_batchnorm(model, data: Data, recipe: str | Recipe, images: int = 10_000):
    """Sets each batch normalization's mean and variance to those over many training images.

    The images are cropped and augmented as in training. Source: the models that He et al. released, whose notes say
    that the statistics are computed on a sufficiently large training sample, after training
    (https://github.com/KaimingHe/deep-residual-networks).

    Args:
        model: a Keras model; it is changed, and returned.
        data: from `keras_resnet.load_data`.
        recipe: that the model was trained with; its `batch_size` is that of the sample's batches.
        images: of the sample; whole batches of it count, at most one epoch, and at least one batch.

    Raises:
        ValueError: the model has no batch normalization.

    Example:
        >>> import numpy as np, keras_resnet
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype("uint8")
        >>> data = keras_resnet.load_data((images, np.arange(64) % 10))
        >>> model = keras_resnet.ResNet20Cifar()
        >>> model = keras_resnet.recalibrate_batchnorm(model, data, keras_resnet.Recipe(batch_size=32))
    """
    recipe = get_recipe(recipe)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not layers:
        raise ValueError(f"{model.name} has no batch normalization.")
    steps = max(1, min(images, len(data.train)) // recipe.batch_size)
    before = [(layer.momentum, layer.trainable) for layer in layers]
    try:
        for layer in layers:
            layer.momentum, layer.trainable = 0.0, True  # the moving statistics become those of the last batch
        means, variances = _pooled(model, layers, training_batches(data.train, recipe).take(steps))
    finally:
        for layer, (momentum, trainable) in zip(layers, before, strict=True):
            layer.momentum, layer.trainable = momentum, trainable
    for layer, mean, variance in zip(layers, means, variances, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return model


def _pooled(model, layers, batches):
    """The mean, and the variance around it, of each layer's input over all batches of equal size."""
    update = tf.function(lambda images: model(images, training=True))
    means, squares, count = [0.0] * len(layers), [0.0] * len(layers), 0
    for images, _ in batches:
        update(images)
        count += 1
        for place, layer in enumerate(layers):
            mean, variance = (np.asarray(moving, "float64") for moving in (layer.moving_mean, layer.moving_variance))
            means[place] = means[place] + mean
            squares[place] = squares[place] + variance + mean**2
    means = [mean / count for mean in means]
    return means, [square / count - mean**2 for square, mean in zip(squares, means, strict=True)]
