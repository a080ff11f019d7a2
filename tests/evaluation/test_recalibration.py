"""recalibrate_batchnorm compared with NumPy over the whole sample."""

import keras
import numpy as np
import pytest

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
