"""Moving averages of weights against NumPy, and runs that keep them."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, load_data, train
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.training.averages import MovingAverages
from tests.marks import exhaustive
from tests.training.nets import assert_equal_weights, open_net

RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.05, ema_decay=0.7, seed=3)


@pytest.fixture
def data(shapes):
    return load_data(shapes)


class Steps(keras.callbacks.Callback):
    """The weights before the first step and after each."""

    def __init__(self, model):
        super().__init__()
        self.weights = [model.get_weights()]

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


class CrashError(Exception):
    pass


class CrashAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            raise CrashError


@pytest.mark.parametrize("devices", [exhaustive(1), 2])
def test_averages_are_those_of_all_steps(devices, data, tmp_path):
    """a <- d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t)), of moving statistics, too."""
    with (mirrored() if devices == 2 else tf.distribute.get_strategy()).scope():
        model = open_net()
    steps = Steps(model)
    train(model, data, RECIPE, tmp_path / "run", callbacks=[steps], verbose=0)
    averages, *after = (np.array(weights, dtype=object) for weights in steps.weights)
    assert len(after) == 16
    for updates, weights in enumerate(after):
        decay = min(0.7, (1 + updates) / (10 + updates))
        averages = decay * averages + (1 - decay) * weights
    saved = keras.saving.load_model(tmp_path / "run" / "ema.keras")
    assert {weight.name for weight in saved.weights} >= {"kernel", "gamma", "moving_mean", "moving_variance"}
    for ours, theirs in zip(saved.get_weights(), averages, strict=True):
        np.testing.assert_allclose(ours, theirs.astype("float32"), rtol=1e-4, atol=1e-6)
    # The model has the final weights again, and so has final.keras.
    for ours, theirs in zip(model.get_weights(), steps.weights[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert_equal_weights(model, keras.saving.load_model(tmp_path / "run" / "final.keras"))


def test_results_are_of_both(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    recipe = dataclasses.replace(RECIPE, ema_decay=0.999, test_protocol="flip")
    result = train(open_net(), data, recipe, tmp_path / "run", verbose=0)
    averaged = json.loads((tmp_path / "run" / "result.json").read_text())["ema"]
    model = keras_resnet.load_model(tmp_path / "run" / "ema.keras")
    again = keras_resnet.evaluate(model, data, protocol="flip", note="averaged weights", verbose=0)
    assert {**averaged, "seconds": 0} == {**json.loads(json.dumps(again.as_dict())), "seconds": 0}
    assert result.protocol.endswith("mirror image, probabilities averaged, final weights")
    for line in (str(result), str(again)):
        assert line in caplog.text
        assert line in (tmp_path / "run" / "report.html").read_text()


def test_resumed_run_has_the_same_averages(data, tmp_path):
    """To the bit, from a checkpoint within an epoch."""
    train(open_net(), data, RECIPE, tmp_path / "whole", verbose=0)
    with pytest.raises(CrashError):
        train(open_net(), data, RECIPE, tmp_path / "parts", callbacks=[CrashAt(11)], checkpoint_every=3, verbose=0)
    train(open_net(), data, RECIPE, tmp_path / "parts", verbose=0)
    for name in ("final.keras", "ema.keras"):
        assert_equal_weights(*(keras.saving.load_model(tmp_path / run / name) for run in ("whole", "parts")))


def test_an_error_leaves_the_model_its_own_weights():
    model = open_net()
    averages = MovingAverages(model, 0.9)
    before = model.get_weights()
    model.set_weights([weight + 1 for weight in before])
    with pytest.raises(CrashError), averages.applied():  # noqa: PT012
        for ours, theirs in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        raise CrashError
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs + 1)
