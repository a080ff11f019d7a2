"""The recipe's losses against NumPy, written from the papers, on one device and on two."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, load_data, train
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.training.building import compile_for
from keras_resnet.training.losses import balanced_weights
from tests.training.nets import assert_equal_weights, linear_net

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (14, 8, 8, 3)).astype("uint8")
LABELS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 3, 3, 3, 3])  # class 2 is empty
MIXED = RANDOM.dirichlet(np.ones(4), 14).astype("float32")
BINARY = Recipe(loss="binary_cross_entropy", learning_rate=0.01)
BALANCED = Recipe(balanced_classes=True, learning_rate=0.01)
ACTIVATIONS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


def compiled(recipe, activation, strategy=None):
    with (strategy or tf.distribute.get_strategy()).scope():
        model = linear_net(activation=activation)
        compile_for(model, recipe, labels=LABELS)
    return model


def logits(model):
    """By NumPy, in float64."""
    kernel, bias = (np.asarray(weight, "float64") for weight in model.layers[-1].get_weights())
    return IMAGES.reshape(14, -1) / 255 @ kernel + bias


def log_softmax(scores):
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def binary(scores, labels):
    """PyTorch's BCEWithLogitsLoss, as its documentation has it, in a form that does not overflow."""
    return (np.maximum(scores, 0) - scores * labels + np.log1p(np.exp(-np.abs(scores)))).mean()


def score_net(activation):
    """A net whose logits are 50 times its inputs."""
    inputs = keras.Input((4,))
    dense = keras.layers.Dense(4, kernel_initializer=lambda *_, **__: 50 * keras.ops.eye(4))
    outputs = dense(inputs)
    return keras_resnet.Model(inputs, keras.layers.Activation(activation)(outputs) if activation else outputs)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize(("loss", "activation"), [*ACTIVATIONS.items(), ("binary_cross_entropy", None)])
def test_losses_are_exact_for_large_logits(loss, activation, devices):
    """Not clipped at log(1e-7), about 16, and with a gradient: on two devices, too."""
    inputs = np.array([[1, -1, -1, 1], [-1, 1, 0, -1]], "float32")
    labels = np.array([[0, 1, 0, 0], [0, 0, 0, 1]], "float32")
    with (mirrored() if devices == 2 else tf.distribute.get_strategy()).scope():
        model = score_net(activation)
        compile_for(model, Recipe(loss=loss, label_smoothing=0.1 if loss == "cross_entropy" else 0.0))
    scores = 50.0 * inputs
    mean = binary(scores, labels) if activation != "softmax" else -(labels * log_softmax(scores)).sum(1).mean()
    before = model.get_weights()[0]
    batches = tf.data.Dataset.from_tensors((inputs, labels))
    history = model.fit(batches, shuffle=False, verbose=0).history
    assert history["loss"] == [pytest.approx(mean, rel=1e-6)]
    assert mean > 20
    assert np.abs(model.get_weights()[0] - before)[0, 1] > 1e-3


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_binary_cross_entropy_is_pytorchs_and_its_accuracy_counts_images(activation):
    model = compiled(BINARY, activation)
    scores = logits(model)
    logs = model.train_on_batch(IMAGES, MIXED, return_dict=True)
    assert logs["loss"] == pytest.approx(binary(scores, MIXED), rel=1e-5)
    assert logs["accuracy"] == pytest.approx((scores.argmax(1) == MIXED.argmax(1)).mean())


def test_threshold_makes_all_mixed_classes_right():
    model = compiled(dataclasses.replace(BINARY, bce_threshold=0.2), "sigmoid")
    scores = logits(model)
    logs = model.train_on_batch(IMAGES, MIXED, return_dict=True)
    assert logs["loss"] == pytest.approx(binary(scores, MIXED > 0.2), rel=1e-5)
    assert logs["accuracy"] == pytest.approx((scores.argmax(1) == MIXED.argmax(1)).mean())


def test_balanced_weights_are_the_formula():
    np.testing.assert_allclose(balanced_weights(LABELS, 4), [14 / (4 * 7), 14 / (4 * 3), 0, 14 / (4 * 4)])


@pytest.mark.parametrize("labels", [LABELS, MIXED], ids=["numbers", "mixed"])
def test_balanced_loss_is_numpys(labels):
    recipe = dataclasses.replace(BALANCED, mixup=0.0 if labels is LABELS else 0.2)
    model = compiled(recipe, "softmax")
    rows = np.eye(4)[LABELS] if labels is LABELS else labels
    of_examples = -(rows * log_softmax(logits(model))).sum(1)
    weights = rows @ [14 / 28, 14 / 12, 0, 14 / 16]
    loss = model.train_on_batch(IMAGES, labels, return_dict=True)["loss"]
    assert loss == pytest.approx((weights * of_examples).mean(), rel=1e-5)


def test_balanced_binary_loss_is_numpys():
    model = compiled(dataclasses.replace(BINARY, balanced_classes=True), "sigmoid")
    scores, weights = logits(model), MIXED @ [14 / 28, 14 / 12, 0, 14 / 16]
    of_examples = [binary(score, label) for score, label in zip(scores, MIXED, strict=True)]
    loss = model.train_on_batch(IMAGES, MIXED, return_dict=True)["loss"]
    assert loss == pytest.approx((weights * of_examples).mean(), rel=1e-5)


@pytest.mark.parametrize("recipe", [BALANCED, dataclasses.replace(BINARY, balanced_classes=True)], ids=lambda r: r.loss)
def test_two_devices_end_with_the_weights_of_one(recipe):
    """Batches of 5, 8 and 1: an uneven and an empty shard."""
    labels = MIXED if recipe.soft_labels else LABELS

    def examples():
        for start, end in ((0, 5), (5, 13), (13, 14)):
            yield IMAGES[start:end], labels[start:end]

    specs = tf.TensorSpec((None, 8, 8, 3), tf.uint8), tf.TensorSpec((None, *labels.shape[1:]), labels.dtype)
    results = []
    for strategy in (None, mirrored()):
        model = compiled(recipe, ACTIVATIONS[recipe.loss], strategy)
        batches = tf.data.Dataset.from_generator(examples, output_signature=specs).repeat()
        history = model.fit(batches, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0).history
        results.append((model.get_weights(), history))
    for one, other in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for name, values in results[0][1].items():
        np.testing.assert_allclose(values, results[1][1][name], rtol=1e-5)


def test_run_with_weighted_classes_is_saved_with_its_loss(shapes, tmp_path):
    recipe = Recipe(epochs=0.25, batch_size=16, learning_rate=0.01, balanced_classes=True)
    model = linear_net()
    train(model, load_data(shapes), recipe, tmp_path / "run", verbose=0)
    loaded = keras.saving.load_model(tmp_path / "run" / "final.keras")
    assert loaded.loss.class_weights == [1, 1, 1, 1]
    assert_equal_weights(model, loaded)


@pytest.mark.parametrize(
    ("recipe", "activation", "message"),
    [
        (BINARY, "softmax", "ends in a softmax, but the recipe's loss is binary_cross_entropy"),
        (BALANCED, "sigmoid", "ends in a sigmoid, but the recipe's loss is cross_entropy"),
    ],
)
def test_activation_of_the_other_loss_is_refused(recipe, activation, message, shapes, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(linear_net(activation=activation), load_data(shapes), recipe, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()
