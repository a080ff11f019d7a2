"""Normalizations of networks: which layers they are, and networks without them."""

from collections.abc import Callable
from typing import Any

import keras

from keras_resnet.exporting.rewriting import rewritten

NORMALIZATIONS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization, keras.layers.LayerNormalization)


def without_normalization(model: keras.Model) -> keras.Model:
    """A model of the same layers without its normalizations; that of the images stays.

    Args:
        model: a functional model. It remains as it is, and shares its weights.

    Raises:
        ValueError: it is not functional, or has no normalization.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.normalization import without_normalization
        >>> model = keras_resnet.ResNet20Cifar()
        >>> len(model.trainable_weights), len(without_normalization(model).trainable_weights)
        (59, 21)
    """
    bare = rewritten(model, _replacement)
    if len(bare.weights) == len(model.weights):
        raise ValueError(f"{model.name} has no normalization to leave out.")
    return bare


def _replacement(layer: keras.Operation, name: str) -> Callable[..., Any]:
    if not isinstance(layer, NORMALIZATIONS):
        return layer
    identity = keras.layers.Identity(name=name)
    return lambda x, **_: identity(x)  # a normalization may also take a mask
