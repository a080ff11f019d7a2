"""recalibrate_batchnorm compared with NumPy over the whole sample."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, layers, load_data, recalibrate_batchnorm


@pytest.mark.parametrize("layer", [keras.layers.BatchNormalization, layers.BatchNormalization])
def test_statistics_are_those_of_the_sample(layer):
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3)).astype("uint8")
    data = load_data((images, np.arange(50) % 5))
    inputs = keras.Input((8, 8, 3))
    normalized = layer(momentum=0.9, name="norm")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(normalized)))
    norm = model.get_layer("norm")
    norm.trainable = False
    assert recalibrate_batchnorm(model, data, Recipe(batch_size=10)) is model
    np.testing.assert_allclose(norm.moving_mean, images.mean((0, 1, 2)), rtol=1e-5)
    # The fused kernel counts n - 1 of a batch's n = 640 values.
    np.testing.assert_allclose(norm.moving_variance, images.var((0, 1, 2)), rtol=2e-3)
    assert (norm.momentum, norm.trainable) == (0.9, False)


def test_predictions_of_a_net_out_of_balance_are_mended():
    """Weights stay the same; a net without batch normalization is refused."""
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3)).astype("uint8")
    data = load_data((images, np.arange(70) % 10))
    model = keras_resnet.create_model("resnet8", input_shape=(16, 16, 3))
    trainable = [variable.numpy() for variable in model.trainable_variables]
    recalibrate_batchnorm(model, data, Recipe(batch_size=70))
    expected = model(images, training=True)
    for variable, before in zip(model.trainable_variables, trainable, strict=True):
        np.testing.assert_array_equal(variable, before)
    recalibrate_batchnorm(model, data, Recipe(batch_size=70))
    np.testing.assert_allclose(model(images, training=False), expected, atol=2e-3)
    with pytest.raises(ValueError, match="plain has no batch normalization"):
        recalibrate_batchnorm(keras.Sequential([keras.Input((16, 16, 3))], name="plain"), data, Recipe())


class Interrupted(keras.layers.Layer):
    """Hands on its inputs, and interrupts the second batch."""

    batches = 0

    def call(self, inputs):
        if tf.executing_eagerly():
            self.batches += 1
            if self.batches == 2:
                raise KeyboardInterrupt
        return inputs


@pytest.fixture
def eager():
    """Functions of TensorFlow run as Python code, so that a layer sees each batch."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # tf.data still compiles its functions
def test_ctrl_c_leaves_a_model_as_it_was():
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 3)).astype("uint8")
    norm = keras.layers.BatchNormalization()
    norm.trainable = False
    parts = [keras.Input((4, 4, 3)), norm, Interrupted(), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*parts, keras.layers.Dense(2)])
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        recalibrate_batchnorm(model, load_data((images, np.arange(8) % 2)), Recipe(batch_size=2))
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert (norm.momentum, norm.trainable) == (0.99, False)


def test_a_net_inside_a_net_is_recalibrated_like_the_net_itself():
    """Moving statistics that are not numbers are mended, too."""
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3)).astype("uint8")
    data, recipe = load_data((images, np.arange(20) % 10)), Recipe(batch_size=10)
    alone, inside = (keras_resnet.create_model("resnet8", input_shape=(16, 16, 3)) for _ in range(2))
    inside.set_weights(alone.get_weights())
    inside.get_layer("stem_bn").moving_mean.assign(np.full(16, np.nan))
    inside.get_layer("stem_bn").moving_variance.assign(np.full(16, np.inf))
    recalibrate_batchnorm(alone, data, recipe)
    recalibrate_batchnorm(keras.Sequential([keras.Input((16, 16, 3)), inside]), data, recipe)
    for weight, expected in zip(inside.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)
