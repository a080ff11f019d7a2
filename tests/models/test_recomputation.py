"""Blocks that backward computes again."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.distributed.strategies import mirrored

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")
LABELS = np.arange(4)
NETWORKS = {
    "v1": dict(block="basic", shortcut="B"),
    "v2": dict(block="bottleneck", shortcut="A", preactivation=True),
    "random": dict(block="basic", drop_path=0.5, block_dropout=0.3),
}


def step(options, recompute):
    """Loss, gradients, and all other variables after a step of a network."""
    keras.utils.set_random_seed(1)
    net = keras_resnet.ResNet(depths=(2, 1), widths=(4, 8), stem="cifar", input_shape=(8, 8, 3), classes=4, **options)
    net.recompute_blocks = recompute

    @tf.function
    def compute():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(LABELS, net(IMAGES, training=True)))
        return loss, tape.gradient(loss, [variable.value for variable in net.trainable_variables])

    loss, gradients = compute()
    return float(loss), [np.array(each) for each in gradients], [np.array(each) for each in net.non_trainable_variables]


@pytest.mark.parametrize("name", NETWORKS)
def test_loss_gradients_and_statistics_are_those_of_the_network(name):
    loss, gradients, others = step(NETWORKS[name], recompute=True)
    expected_loss, expected_gradients, expected_others = step(NETWORKS[name], recompute=False)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for found, expected in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6 * max(1, np.abs(expected).max()), rtol=1e-5)
    for found, expected in zip(others, expected_others, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_only_networks_with_blocks_and_one_output_take_it():
    features = keras_resnet.ResNet("basic", (1, 1), widths=(4, 8), stem="cifar", features=True)
    with pytest.raises(ValueError, match="needs a network with blocks and one output"):
        features.recompute_blocks = True


def test_several_devices_are_refused():
    with mirrored().scope():
        net = keras_resnet.ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(8, 8, 3), classes=4)
        net.recompute_blocks = True
        with pytest.raises(ValueError, match="recompute_blocks trains on one device, not on 2"):
            net(IMAGES, training=True)


def test_training_and_the_file_are_as_before(tmp_path):
    net = keras_resnet.ResNet("basic", (1, 1), widths=(4, 8), stem="cifar", input_shape=(8, 8, 3), classes=4)
    net.recompute_blocks = True
    variables = len(net.variables)
    net.compile("sgd", "sparse_categorical_crossentropy")
    before = [np.array(variable) for variable in net.trainable_variables]
    net.fit(IMAGES, LABELS, verbose=0)
    assert all(not np.array_equal(old, new) for old, new in zip(before, net.trainable_variables, strict=True))
    net.save(tmp_path / "net.keras")
    loaded = keras_resnet.load_model(tmp_path / "net.keras")
    assert not loaded.recompute_blocks
    assert len(net.layers) == len(loaded.layers)
    assert variables == len(loaded.variables)
    np.testing.assert_allclose(loaded(IMAGES), net(IMAGES), rtol=1e-5, atol=1e-6)
