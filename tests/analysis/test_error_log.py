"""errors.csv against NumPy."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.error_log import FILE, ErrorLog, measure, split_of_tests
from keras_resnet.analysis.samples import sample
from keras_resnet.run_directory import Run
from tests.training.nets import assert_equal_weights, linear_net

RECIPE = keras_resnet.Recipe(epochs=1.5, batch_size=32, learning_rate=0.02, weight_decay=1e-3, flip=True)


def test_loss_and_error_of_all_batches():
    """Of three images, in batches of two and one: -log p of the class, and whether another class is likelier."""
    batches = [("first", np.array([1, 0]), "ignored"), ("second", np.array([1]))]
    probabilities = {"first": [[0.25, 0.75], [0.5, 0.5]], "second": [[1.0, 0.0]]}
    loss, error = measure(lambda images: np.array(probabilities[images]), batches)
    assert error == 1 / 3
    assert loss == pytest.approx(np.mean([-np.log(0.75), -np.log(0.5), -np.log(keras.config.epsilon())]), rel=1e-12)


@pytest.fixture(scope="module")
def data(shapes):
    return keras_resnet.load_data(shapes)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A trained net and its run."""
    run, model = Run(tmp_path_factory.mktemp("errors") / "run"), linear_net()
    keras_resnet.train(model, data, RECIPE, run.directory, callbacks=[ErrorLog(run, data, images=24)], verbose=0)
    return model, run


def test_rows_are_those_of_the_weights_after_each_epoch(trained, data):
    model, run = trained
    rows = run.log(FILE)
    assert [row["epoch"] for row in rows] == [0, 1]  # the second is cut short
    for name, split in (("training", "train"), ("test", "test")):
        images, labels = sample(data, split, 24)
        logits = model.predict(images, verbose=0).astype("float64")
        own = logits[np.arange(24), labels]
        losses = np.log(np.exp(logits - own[:, None]).sum(axis=1))
        assert rows[-1][f"{name}_loss"] == pytest.approx(losses.mean(), rel=1e-5)
        assert rows[-1][f"{name}_error"] == (logits.argmax(axis=1) != labels).mean()
    assert rows[0]["training_loss"] != rows[1]["training_loss"]
    assert all(row["seconds"] > 0 for row in rows)


def test_measuring_changes_nothing_of_the_training(trained, data, tmp_path):
    without = linear_net()
    keras_resnet.train(without, data, RECIPE, tmp_path, verbose=0)
    assert_equal_weights(without, trained[0])


def test_data_without_test_images(shapes):
    train, test = shapes
    assert split_of_tests(keras_resnet.load_data({"train": train, "validation": test})) == "validation"
    with pytest.raises(ValueError, match="arrays has no test images; set validation_fraction"):
        ErrorLog(Run("run"), keras_resnet.load_data(train))
