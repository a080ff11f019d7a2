"""Responses of 3x3 layers against NumPy in float64."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.graph import values_of
from keras_resnet.analysis.responses import ResponseMeter, layer_responses
from tests.analysis.nets import KINDS, batch, own_classifier

BASIC = ["stage1_block1", "stage2_block1", "stage2_block2"]
MEASURED = {  # the layers whose outputs are the responses
    "A": ["stem_bn", *(f"{block}_bn{index}" for block in BASIC for index in (1, 2))],
    "plain": ["stem_bn", *(f"{block}_bn{index}" for block in BASIC for index in (1, 2))],
    "SE": ["stem_bn", *(f"{block}_bn{index}" for block in BASIC for index in (1, 2))],
    "group norm": ["stem_gn", *(f"{block}_gn{index}" for block in BASIC for index in (1, 2))],
    "bottleneck": ["stem_bn", *(f"{block}_bn2" for block in BASIC)],
    "NeXt": ["stem_bn", *(f"{block}_bn2" for block in BASIC)],
    "v2": ["stem_conv", *(name for block in BASIC for name in (f"{block}_bn2", f"{block}_conv2"))],
}


@pytest.mark.parametrize("kind", MEASURED)
def test_responses_are_the_deviations_of_the_layers_outputs(kind, float64):
    flat, (images, _) = own_classifier(**KINDS[kind], nested=False), batch(70)  # more than one batch of the analysis
    before = [np.array(variable) for variable in flat.variables]
    responses = layer_responses(flat, images)
    assert [response.measured for response in responses] == MEASURED[kind]
    tensors = [flat.get_layer(name).output for name in MEASURED[kind]]
    for response, values in zip(responses, values_of(flat, tensors)(images), strict=True):
        assert response.standard_deviation == pytest.approx(np.std(values), rel=1e-10)
        assert flat.get_layer(response.layer).kernel_size == (3, 3)
    for variable, value in zip(flat.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_batch_statistics_make_responses_as_large_as_gamma(float64):
    model, (images, _) = own_classifier(**KINDS["B"]), batch(8)
    base = model.layers[0]
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(np.full(layer.gamma.shape, 0.5))
            layer.beta.assign(np.zeros(layer.beta.shape))
    before = base.get_layer("stem_bn").moving_mean.numpy()
    for response in layer_responses(model, images, training=True):
        assert response.standard_deviation == pytest.approx(0.5, rel=1e-3)  # but for BN's epsilon
    np.testing.assert_array_equal(base.get_layer("stem_bn").moving_mean, before)


def test_networks_of_keras_applications_are_measured_after_their_normalization():
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=3)
    responses = ResponseMeter(model)
    responses.add(np.random.default_rng(0).normal(size=(2, 32, 32, 3)))
    assert len(responses.responses()) == 16
    assert all(response.measured.endswith("_2_bn") for response in responses.responses())


def test_convolution_that_others_read_is_measured_itself():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    y = keras.layers.Add()([keras.layers.BatchNormalization()(x), x])
    [response] = layer_responses(keras.Model(inputs, y), np.zeros((2, 8, 8, 3)))
    assert response.measured == "conv"


def test_model_without_3x3_layers_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="net")
    with pytest.raises(ValueError, match=r"net has no 3x3 convolution\."):
        ResponseMeter(model)


def test_layers_of_the_paper_are_counted():
    """ResNet-20: the first convolution and two in each of nine blocks."""
    assert len(layer_responses(keras_resnet.ResNet20Cifar(), np.zeros((1, 32, 32, 3)))) == 19
