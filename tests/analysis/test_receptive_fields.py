"""Positions of feature maps against the pixels that they depend on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.analysis.features import last_maps
from keras_resnet.analysis.graph import values_of
from keras_resnet.analysis.receptive_fields import Positions, positions_of
from tests.exporting.nets import small_net

SIZE = 64, 80


def seen_middle(model, maps, place):
    """The middle of the pixels that a position depends on: where its gradient is not zero."""
    images = tf.Variable(np.random.default_rng(0).uniform(0, 1, (1, *SIZE, 3)).astype("float32"))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(keras.Model(model.inputs, maps)(images)[(0, *place)])
    rows, columns = np.nonzero(np.abs(tape.gradient(value, images)[0]).sum(-1))
    for seen, side in ((rows, SIZE[0]), (columns, SIZE[1])):
        assert 0 < seen.min() < seen.max() < side - 1  # the border cuts nothing off
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def straight(*layers):
    """Layers in a row, with positive weights."""
    model = keras.Sequential([keras.Input((*SIZE, 3)), *layers])
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).uniform(0.1, 1, weight.shape))
    return keras.Model(model.inputs[0], model.outputs[0])


LAYERS = keras.layers
ROWS = {
    "symmetric": lambda: [
        LAYERS.ZeroPadding2D(3),
        LAYERS.Conv2D(2, 7, 2),
        LAYERS.ZeroPadding2D(1),
        LAYERS.Conv2D(2, 3, 2),
    ],
    "same": lambda: [LAYERS.Conv2D(2, 7, 2, padding="same"), LAYERS.Conv2D(2, 3, 2, padding="same")],
    "valid": lambda: [LAYERS.Conv2D(2, 5), LAYERS.AveragePooling2D(2), LAYERS.Conv2D(2, (3, 1))],
    "dilated": lambda: [
        LAYERS.Conv2D(2, 3, 2, padding="same"),
        LAYERS.Conv2D(2, 3, dilation_rate=3, padding="same"),
    ],
    "depthwise": lambda: [
        LAYERS.DepthwiseConv2D(4, 2, padding="same"),
        LAYERS.AveragePooling2D(3, 2, padding="same"),
    ],
    "uneven": lambda: [LAYERS.ZeroPadding2D(((1, 2), (0, 3))), LAYERS.Conv2D(2, 3, 3)],
}


@pytest.mark.parametrize("name", ROWS)
def test_positions_are_in_the_middle_of_what_they_see(name):
    model = straight(*ROWS[name]())
    maps = model.outputs[0]
    first, step, sides = positions_of(model, maps, SIZE)
    assert tuple(sides) == maps.shape[1:3]
    for place in ((6, 7), (8, 11)):
        assert tuple(first + step * np.array(place)) == seen_middle(model, maps, place)


@pytest.mark.parametrize(
    ("name", "options", "first", "step"),
    [
        ("resnet18", {}, [0, 0], 32),
        ("resnetv2_50", {}, [0, 0], 32),
        ("seresnet50", {}, [0, 0], 32),
        ("resnet20_cifar", {"shortcut": "A"}, [0, 0], 4),
        ("resnet18", {"anti_alias": "blur"}, [0, 0], 32),
        # "same" pads an even side at the end alone: stem 1 + 2, then the mean of branch and shortcut, (4 + 0) / 2, ...
        # The side of 80 pixels is odd before the last halving, which then pads both sides alike.
        ("resnet18", {"padding": "same"}, [1 + 2 + 2 + 4 + 8, 1 + 2 + 2 + 4], 32),
    ],
)
def test_positions_of_networks(name, options, first, step):
    model = small_net(name, input_shape=(*SIZE, 3), **options)
    maps = last_maps(model)
    found = positions_of(model, maps, SIZE)
    assert tuple(found.sides) == maps.shape[1:3]
    assert found.step.tolist() == [step, step]
    assert found.first.tolist() == first


def test_gates_lie_in_the_middle():
    """Of attention, whose maps have one position for the whole image."""
    for name, layer in (("seresnet50", "stage1_block1_se_expand"), ("ecaresnet50d", "stage1_block1_eca_weights")):
        model = small_net(name, input_shape=(*SIZE, 3))
        found = positions_of(model, model.get_layer(layer).output, SIZE)
        assert found.sides.tolist() == [1, 1]
        np.testing.assert_allclose(found.first, [31.5, 39.5], atol=2.5)


def test_sizes_are_those_of_the_images():
    model = small_net("resnet18", input_shape=(None, None, 3))
    maps = last_maps(model)
    found = positions_of(model, maps, (65, 97))
    values = values_of(model, [maps])(np.zeros((1, 65, 97, 3)))[0]
    assert tuple(found.sides) == tuple(values.shape[1:3])


def test_upsampled_ramp_is_the_ramp():
    """Positions that hold their own places give each pixel its place."""
    positions = Positions(np.array([2.5, 1.0]), np.array([4, 3]), np.array([5, 6]))
    rows, columns = 2.5 + 4 * np.arange(5.0), 1 + 3 * np.arange(6.0)
    maps = np.stack([np.tile(rows[:, None], (1, 6)), np.tile(columns, (5, 1))])
    by_row, by_column = positions.upsampled(maps, (20, 18))
    np.testing.assert_allclose(by_row[:, 0], np.clip(np.arange(20), 2.5, 18.5))
    np.testing.assert_allclose(by_column[0], np.clip(np.arange(18), 1, 16))
