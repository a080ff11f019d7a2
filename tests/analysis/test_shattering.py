"""Gradients along a line of images, their correlation, and the effect of rounding weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.analysis.shattering import (
    LineProbe,
    brown_noise,
    correlation_by_distance,
    rounding,
    white_noise,
)
from tests.analysis.nets import KINDS, batch, differences, losses, own_classifier


def test_derivative_along_a_line_is_that_of_the_loss(float64):
    model, (images, _) = own_classifier(**KINDS["A"], activation="silu", nested=False), batch()
    line = LineProbe(model, images)(images[0], images[1], label=2, points=9)
    set_statistics(model, images)
    start, end = images.astype("float64")

    def loss(positions):
        return losses(model(start + positions[..., None, None, None] * (end - start)), np.array(2))

    for point, measured in zip(np.linspace(0, 1, 9), line.derivative, strict=True):
        assert measured == pytest.approx(differences(loss, np.array(point)).item(), rel=1e-6, abs=1e-9)


def set_statistics(model, images):
    """Makes the statistics of the images those that the model normalizes with."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)


def test_correlation_of_a_linear_network_is_one():
    """Its gradients have the same direction everywhere."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
    line = LineProbe(model, images)(images[0], images[1], label=0, points=70)  # more than one batch
    np.testing.assert_allclose(line.correlation, np.ones(70), atol=1e-6)


def test_correlation_by_distance():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(6, 10))
    measured = correlation_by_distance(vectors)
    for distance in range(6):
        pairs = [(vectors[i], vectors[i + distance]) for i in range(6 - distance)]
        cosines = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for one, other in pairs]
        assert measured[distance] == pytest.approx(np.mean(cosines), rel=1e-12)


def test_zero_vectors_have_no_correlation():
    vectors = np.array([[1.0, 0], [0, 0], [1, 1]])
    np.testing.assert_allclose(correlation_by_distance(vectors), [1, np.nan, np.sqrt(0.5)])


def test_noises_have_their_correlations():
    """Of independent steps: 0, and sqrt(i / j) for the points i < j of a walk."""
    points, dimensions = 32, 200_000
    white, brown = (correlation_by_distance(noise(points, dimensions)) for noise in (white_noise, brown_noise))
    np.testing.assert_allclose(white[1:], 0, atol=0.02)
    expected = [
        np.mean([np.sqrt(i / (i + distance)) for i in range(1, points + 1 - distance)]) for distance in range(points)
    ]
    np.testing.assert_allclose(brown, expected, atol=0.02)


def test_weights_that_bfloat16_represents_leave_the_gradients_as_they_are(float64):
    model, (images, labels) = own_classifier(**KINDS["v2"]), batch(4)
    for variable in model.trainable_weights:
        variable.assign(tf.cast(tf.cast(variable.value, tf.bfloat16), tf.float64))
    before = model.get_weights()
    result = rounding(model, images, labels)
    np.testing.assert_allclose(result.cosines, np.ones(len(result.weights)), rtol=1e-14)
    np.testing.assert_array_equal(result.changes, np.zeros(3))
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rounding_compares_the_gradients_of_two_models(float64):
    model, (images, labels) = own_classifier(**KINDS["B"]), batch(4)
    result = rounding(model, images, labels)
    gradients = [weight_gradients(model, images, labels)]
    for variable in model.trainable_weights:
        variable.assign(tf.cast(tf.cast(variable.value, tf.bfloat16), tf.float64))
    gradients.append(weight_gradients(model, images, labels))
    for name, cosine, is_kernel in zip(result.weights, result.cosines, result.is_kernel, strict=True):
        one, other = (of_model[name].ravel() for of_model in gradients)
        expected = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert cosine == pytest.approx(expected, rel=1e-10)
        assert is_kernel == name.endswith("kernel")
        assert cosine < 1
    assert (result.changes > 0).all()
    assert result.median == np.median(result.cosines[result.is_kernel])


def weight_gradients(model, images, labels):
    """By a tape, and in training mode, which changes the moving statistics."""
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    variables = model.trainable_weights
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return {variable.path: gradient.numpy() for variable, gradient in zip(variables, gradients, strict=True)}


def test_model_of_integers_is_refused():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3), dtype="uint8"),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1.0),
            keras.layers.Dense(2),
        ]
    )
    with pytest.raises(ValueError, match="takes integers, at which its loss has no gradient"):
        LineProbe(model, np.zeros((2, 4, 4, 3), "uint8"))


def test_model_without_a_classifier_is_refused():
    with pytest.raises(ValueError, match="has no classifier"):
        LineProbe(keras_resnet.ResNet20Cifar(include_top=False), np.zeros((2, 32, 32, 3)))
