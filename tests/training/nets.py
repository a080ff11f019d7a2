"""A net that trains in a moment, and what tests ask of it."""

import keras
import numpy as np

import keras_resnet


def linear_net(seed: int = 0, shape: tuple = (8, 8, 3), **options) -> keras_resnet.Model:
    """A linear classifier of four classes."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape)
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras_resnet.Model(inputs, keras.layers.Dense(4, **options)(features), name="linear")


def open_net() -> keras_resnet.Model:
    """A net of four classes for images of any size."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, None, 3))
    features = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Rescaling(1 / 255)(inputs))
    features = keras.layers.BatchNormalization()(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras_resnet.Model(inputs, keras.layers.Dense(4)(pooled), name="open")


def assert_equal_weights(one: keras.Model, other: keras.Model) -> None:
    """To the bit."""
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
