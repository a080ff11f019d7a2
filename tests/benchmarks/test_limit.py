"""The limit of a training step."""

import keras
import limit
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet

BATCH = 2


@pytest.fixture(scope="module")
def net():
    """A network with projection, strides and padding: 7 layers with weights, 6 normalizations."""
    return keras_resnet.ResNet(
        "basic", (1, 1), widths=(4, 8), stem="cifar", shortcut="B", input_shape=(8, 8, 3), classes=10
    )


def test_its_convolutions_have_the_multiply_adds_of_the_model(net):
    found = limit.convolutions(net, BATCH)
    assert sum(found.values()) == 7
    total = sum(count * convolution.multiply_adds for convolution, count in found.items())
    assert total == BATCH * keras_resnet.multiply_adds(net)


def test_only_the_convolution_of_the_images_needs_no_gradient_of_its_inputs(net):
    (first,) = (convolution for convolution in limit.convolutions(net, BATCH) if convolution.is_first)
    assert (first.kernel, first.name) == ((3, 3, 3, 4), "3x3 3->4, 8x8")
    assert first.bytes == 4 * (BATCH * 8 * 8 * 3 + 3 * 3 * 3 * 4 + BATCH * 8 * 8 * 4)


def test_convolutions_with_groups_are_refused():
    image = keras.Input((8, 8, 4))
    grouped = keras.Model(image, keras.layers.Conv2D(4, 3, groups=2, name="grouped")(image))
    with pytest.raises(ValueError, match="grouped has 2 groups"):
        limit.convolutions(grouped, BATCH)


def test_the_passes_compute_the_gradients_of_the_convolution(net):
    for convolution in limit.convolutions(net, BATCH):
        results = {name: [way() for way in ways] for name, ways in limit.passes(convolution)}
        assert [tuple(result.shape) for result in results["forward"]] == [convolution.output]
        if not convolution.is_first:
            assert [tuple(result.shape) for result in results["inputs"]] == [convolution.images]
        first, *others = results["weights"]
        assert tuple(first.shape) == convolution.kernel
        assert len(others) == (convolution.kernel[:2] == (1, 1))
        for other in others:
            np.testing.assert_allclose(tf.reshape(other, first.shape), first, rtol=1e-3, atol=1e-3)


def chain(*, shortcut):
    """A 1x1 convolution of a 4 x 4 image, a ReLU, perhaps a sum, and pooling."""
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(1, 1, use_bias=False)(image)
    y = keras.layers.ReLU()(x)
    y = keras.layers.Add()([x, y]) if shortcut else y
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(y))


def test_bytes_of_other_layers_are_those_counted_by_hand():
    image, pooled, weight = 64, 4, 4  # bytes
    update = 5 * weight
    relu = 2 * image + 2 * image + image  # forward, backward, and its output once more
    pooling = 2 * (image + pooled)
    assert limit.other_bytes(chain(shortcut=False), 1) == update + relu + pooling
    addition, sum_of_gradients = 3 * image, 3 * image
    expected = update + relu + pooling + addition + sum_of_gradients
    assert limit.other_bytes(chain(shortcut=True), 1) == expected
    assert limit.other_bytes(chain(shortcut=True), 10) == update + 10 * (expected - update)


def test_the_limit_is_the_sum_over_all_passes(net):
    found = limit.limit(net, BATCH, lambda call: 1.0)  # each operation takes a second
    convolved = 3 * 7 - 1
    assert found["convolutions ms"] == 1000 * convolved
    assert found["images/s of oneDNN alone"] == pytest.approx(BATCH / (convolved + 2 * 6))
    values = BATCH * (3 * 8 * 8 * 4 + 3 * 4 * 4 * 8)  # normalized: 3 layers of each size
    assert found["normalizations ms"] == pytest.approx(1000 * 8 * 4 * values / (2 * limit.COPIED))
    others = limit.other_bytes(net, BATCH) / (2 * limit.COPIED)
    assert found["images/s"] == pytest.approx(BATCH / (convolved + found["normalizations ms"] / 1000 + others))


def test_a_pass_takes_at_least_the_time_of_its_bytes():
    row = limit.Row("3x3", 1, {"forward": 2.0, "inputs": 0.5}, by_bytes=1.0, multiply_adds=1)
    assert row.limit == 3.0
