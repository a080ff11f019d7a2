"""Models as functions of their weights."""

import numpy as np

from keras_resnet.analysis.graph import flattened
from keras_resnet.analysis.stateless import State, Stateless
from tests.analysis.nets import KINDS, batch, own_classifier


def network():
    model = flattened(own_classifier(**KINDS["A"]))
    return model, Stateless(model, model.outputs)


def test_values_are_those_of_the_model(float64):
    (model, function), (images, _) = network(), batch(4)
    for training in (False, True):
        [outputs] = function(images, function.state(), training)
        before = model.get_weights()
        np.testing.assert_array_equal(outputs, model(images, training=training))
        for variable, value in zip(model.weights, before, strict=True):  # the model itself has changed its statistics
            variable.assign(value)


def test_other_weights_are_used_and_the_models_stay(float64):
    (model, function), (images, _) = network(), batch(4)
    before = model.get_weights()
    state = function.state()
    [outputs] = function(images, State([0 * weight for weight in state.weights], state.others))
    np.testing.assert_array_equal(outputs, np.zeros((4, 3)))
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batch_statistics_give_in_inference_what_training_gives(float64):
    (model, function), (images, _) = network(), batch(4)
    before = model.get_weights()
    [expected] = function(images, function.state(), training=True)
    [outputs] = function(images, function.with_batch_statistics(images))
    np.testing.assert_allclose(outputs, expected, rtol=1e-10)
    assert np.abs(expected - function(images, function.state())[0]).max() > 1e-3
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_frozen_normalizations_keep_their_statistics(float64):
    (model, _), (images, _) = network(), batch(4)
    model.trainable = False
    function = Stateless(model, model.outputs)
    for one, other in zip(function.with_batch_statistics(images).others, function.state().others, strict=True):
        np.testing.assert_array_equal(one, other)
