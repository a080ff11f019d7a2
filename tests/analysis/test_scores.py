"""Loss and accuracy on labeled images."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.samples import Sample, sample
from keras_resnet.analysis.scores import guessing_loss, sample_for, score, scorer
from keras_resnet.evaluation.calibration import SMALLEST
from tests.analysis.networks import network, noise
from tests.analysis.test_graph import own_head

LOGITS = np.array([[2.0, 0.0, -1.0, 0.5], [0.0, 0.0, 3.0, 0.0]])


def test_score_of_logits_and_of_probabilities():
    exponentials = np.exp(LOGITS)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = -(np.log(probabilities[0, 1]) + np.log(probabilities[1, 2])) / 2
    labels = np.array([1, 2])
    of_logits = score(network("basic"), LOGITS, labels)
    of_probabilities = score(network("basic", classifier_activation="softmax"), probabilities, labels)
    for found in (of_logits, of_probabilities):
        assert found.loss == pytest.approx(expected, rel=1e-12)
        assert found.accuracy == 0.5
        assert found.error == 50


def test_score_of_sigmoids_is_the_loss_of_their_training():
    model, labels = network("basic", classifier_activation="sigmoid"), np.array([1, 2])
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(np.eye(4)[labels], LOGITS)
    assert score(model, 1 / (1 + np.exp(-LOGITS)), labels).loss == pytest.approx(float(expected), rel=1e-5)
    assert np.isfinite(score(model, np.array([[1.0, 0, 0, 0]]), np.array([1])).loss)
    assert guessing_loss(model) == pytest.approx(np.log(4) / 4 + 3 / 4 * np.log(4 / 3))


def test_score_of_extreme_outputs():
    model = network("basic", classifier_activation="softmax")
    assert score(model, np.array([[1.0, 0, 0, 0]]), np.array([1])).loss == pytest.approx(-np.log(SMALLEST))
    assert score(model, np.array([[np.nan, 0, 0, 1]]), np.array([1])).loss == np.inf


def test_scorer_agrees_with_keras():
    model, images = network("basic", classifier_activation="softmax"), noise(150)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(*images, verbose=0)
    found = scorer(model, images)()
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.accuracy == pytest.approx(accuracy)


def test_scorer_follows_the_weights():
    model, images = network("basic"), noise()
    measure = scorer(model, images)
    before = measure()
    logits = model.get_layer("logits")
    logits.set_weights([0 * weight for weight in logits.get_weights()])
    assert measure().loss == pytest.approx(np.log(4), rel=1e-6)
    assert before.loss != pytest.approx(np.log(4), rel=1e-3)


def test_scorer_in_training_uses_batch_statistics_and_changes_nothing():
    model, images = network("drop path", drop_path=0.0), noise(20)
    before = [np.array(weight) for weight in model.weights]
    found = scorer(model, images, training=True)()
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    expected = score(model, model(images.images, training=True), images.labels)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert found.loss != pytest.approx(scorer(model, images)().loss, rel=1e-3)


def test_scorer_of_a_users_model():
    base = keras_resnet.ResNet20Cifar(include_top=False, pooling="avg")
    model, images = own_head(base), noise(4, size=32, classes=3)
    expected = score(model, model(images.images), images.labels)
    assert scorer(model, images)().loss == pytest.approx(expected.loss, rel=1e-5)


def test_sample_for_a_model_of_more_classes():
    names = ("cat", "dog", "owl")
    data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 2), class_names=("owl", "cat"))
    model = keras_resnet.ResNet20Cifar(classes=3)
    model.class_names = names
    images, labels = sample_for(model, data, "train", 10)
    assert images.shape == (10, 32, 32, 3)
    assert sorted(labels.tolist()) == [0] * 5 + [2] * 5


def test_sample_is_in_random_order():
    labels = np.repeat(np.arange(10), 20)
    pixels = np.broadcast_to(labels[:, None, None, None], (200, 8, 8, 3)).astype("uint8")
    data = keras_resnet.load_data((pixels, labels))
    found = sample_for(network("basic", classes=10), data, "train", 100)
    np.testing.assert_array_equal(found.images[:, 0, 0, 0], found.labels)  # images and labels still belong together
    assert sorted(found.labels.tolist()) == sorted(sample(data, "train", 100).labels.tolist())
    assert found.labels.tolist() != sorted(found.labels.tolist())


def test_model_without_a_classifier_is_refused():
    data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
    with pytest.raises(ValueError, match="has no classifier"):
        sample_for(keras_resnet.ResNet20Cifar(include_top=False), data, "train", 10)


def test_images_of_another_size_are_refused():
    data = keras_resnet.load_data((np.zeros((20, 16, 16, 3), "uint8"), np.arange(20) % 10))
    with pytest.raises(ValueError, match="takes images of shape"):
        sample_for(keras_resnet.ResNet20Cifar(), data, "train", 10)


def test_uint8_images():
    model, images = network("basic"), noise()
    small = Sample(images.images.astype("uint8"), images.labels)
    assert scorer(model, small)() == scorer(model, images)()
    assert keras.backend.is_float_dtype(model.inputs[0].dtype)
