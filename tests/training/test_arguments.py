"""Calls with wrong arguments: one sentence, before anything is written."""

import dataclasses
import pathlib

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet import Recipe, load_data
from keras_resnet.distributed.strategies import mirrored
from tests.training.nets import linear_net, open_net

RECIPE = Recipe(epochs=0.25, batch_size=16, learning_rate=0.01)
WRONG = [None, 3, -1, 1.5, float("nan"), float("inf"), "x" * 10_000, "", [], {}, object()]


@pytest.fixture(scope="module")
def data(shapes):
    return load_data(shapes)


class Failing(keras.layers.Layer):
    def get_config(self):
        raise NotImplementedError("no config")


def call(function, intact, directory, **change):
    if function == "train":
        arguments = dict(model=linear_net(), data=intact, recipe=RECIPE, workdir=directory, verbose=0)
    elif function in ("dry_run", "recalibrate_batchnorm"):
        arguments = dict(model=linear_net(), data=intact, recipe=RECIPE)
    else:
        arguments = dict(model=linear_net(), data=intact, verbose=0)
    return getattr(keras_resnet, function)(**{**arguments, **change})


CALLS = [
    *(("train", "model", value) for value in [None, 3, [], object(), "resnet20_cifr", ""]),
    *(("train", "model", model) for model in (keras.Sequential(), keras.Model())),
    *(("train", "data", value) for value in [None, 3, "", [], {}, object(), np.zeros(3), "no/such/folder"]),
    *(("train", "recipe", value) for value in WRONG),
    *(("train", "workdir", value) for value in [None, 3, "", "a\0b", [], 1.5]),
    *(("train", "optimizer", value) for value in [3, "adamm", [], object(), keras.optimizers.SGD(0.0)]),
    *(("train", "callbacks", value) for value in [None, 3, "x", [3], [keras.callbacks.Callback]]),
    ("train", "callbacks", keras.callbacks.Callback()),
    *(("train", "augmentation", value) for value in [3, "flip", [], keras.layers.RandomFlip, lambda images: images]),
    *(("train", "augmentation", layer) for layer in (keras.layers.Resizing(4, 4), keras.layers.Flatten(), Failing())),
    *(("train", "teacher", value) for value in [3, "", [], "no/such/run", object(), linear_net(seed=1)]),
    *(("train", "strategy", value) for value in [3, "auto", [], object()]),
    *(("train", "max_bad_images", value) for value in [-1, 1.5, float("nan"), "x", [], True]),
    *(("train", "on_bad_image", value) for value in [None, 3, "stop", []]),
    *(("train", "checkpoint_every", value) for value in [0, -1, float("nan"), "x", "", None, [], "0min", 1.5, True]),
    *(("train", "extend", value) for value in [None, 1, "yes"]),
    *(("train", "verbose", value) for value in [None, 3, -1, "x", [], 0.5]),
    *(("dry_run", "model", value) for value in [None, 3, "resnet20_cifr", keras.Sequential()]),
    *(("dry_run", "data", value) for value in [None, 3, []]),
    *(("dry_run", "recipe", value) for value in WRONG),
    *(("dry_run", "augmentation", value) for value in [3, keras.layers.Resizing(4, 4)]),
    *(("dry_run", "teacher", value) for value in [3, "", [], "no/such/run", linear_net(seed=1)]),
    *(("dry_run", "strategy", value) for value in [3, "auto"]),
    *(("dry_run", "optimizer", value) for value in [3, "adamm"]),
    *(("evaluate", "model", value) for value in [None, 3, "resnet20_cifar", keras.Sequential()]),
    ("evaluate", "model", linear_net(shape=(4, 4, 3))),
    *(("evaluate", "data", value) for value in [None, 3, "cifar10", [], np.zeros(3)]),
    *(("evaluate", "split", value) for value in ["x", 3, "", [], "validation"]),
    *(("evaluate", "protocol", value) for value in [None, 3, "", "10_crop", []]),
    *(("evaluate", "scales", value) for value in [[0], [-1], [10**9], [1.5], ["x"], [], 3, "8", [np.nan], [True]]),
    *(("evaluate", "classes", value) for value in [None, 3, "", "some", [], ["cat"]]),
    *(("evaluate", "real_labels", value) for value in ["no/such/file", 3, []]),
    *(("evaluate", "verbose", value) for value in [None, 3, "x", []]),
    *(("recalibrate_batchnorm", "model", value) for value in [None, 3, "x", linear_net()]),
    *(("recalibrate_batchnorm", "data", value) for value in [None, 3, []]),
    *(("recalibrate_batchnorm", "recipe", value) for value in WRONG),
    *(("recalibrate_batchnorm", "images", value) for value in [0, -1, 1.5, float("nan"), "x", None, True]),
]  # fmt: skip


def _id(value):
    text = value if isinstance(value, str) else type(value).__name__
    return text[:20].replace("\0", "0")


@pytest.mark.parametrize(("function", "argument", "value"), CALLS, ids=_id)
def test_wrong_argument_is_refused_in_one_sentence(function, argument, value, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError)) as error:
        call(function, data, pathlib.Path("run"), **{argument: value})
    message = str(error.value)
    assert 20 < len(message) < 400
    assert message.endswith((".", "?"))
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_corrected_call_may_use_the_workdir(data, tmp_path):
    with pytest.raises(ValueError, match="must be a Keras layer"):
        call("train", data, tmp_path / "run", augmentation=lambda images: images)
    assert call("train", data, tmp_path / "run").images == 40


def test_data_may_be_what_load_data_takes(shapes, tmp_path):
    assert call("train", shapes, tmp_path / "run").images == 40


def test_models_of_any_size_are_trained_counted_and_evaluated(data, tmp_path):
    result = call("dry_run", data, tmp_path, model=open_net())
    assert result.multiply_adds == 8 * 8 * 3 * 3 * 3 * 4 + 4 * 4
    assert call("train", data, tmp_path / "run", model=open_net()).images == 40
    recipe = dataclasses.replace(RECIPE, batch_size=10**9)  # a step has all images
    assert call("train", data, tmp_path / "other", model=open_net(), recipe=recipe).images == 40
    assert call("evaluate", data, tmp_path, model=open_net(), protocol="multi_scale", scales=[8, 16]).images == 40
    soft = dataclasses.replace(RECIPE, label_smoothing=0.1)
    assert call("recalibrate_batchnorm", data, tmp_path, model=open_net(), recipe=soft).name == "open"


def test_gray_images_train_and_their_colors_cannot_be_changed(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 1)).astype("uint8")
    gray = load_data((images, np.arange(32) % 4))
    for setting in (dict(color_jitter=0.4), dict(random_erasing=0.5), dict(auto_augment="randaugment")):
        recipe = dataclasses.replace(RECIPE, **setting)
        with pytest.raises(ValueError, match="needs images with three channels, but those of arrays have 1"):
            keras_resnet.train("resnet8", gray, recipe, tmp_path / "run", verbose=0)
    assert keras_resnet.train("resnet20_cifar", gray, RECIPE, tmp_path / "run", verbose=0).images == 32


def test_a_model_that_was_built_outside_the_strategy_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match=r"linear was not built under the strategy; build it in strategy\.scope"):
        call("train", data, tmp_path / "run", strategy=mirrored())


def test_regularizers_of_the_users_layers_stay(data, tmp_path):
    model = linear_net(kernel_regularizer="l2")
    own = float(sum(model.losses))
    keras_resnet.train(model, data, dataclasses.replace(RECIPE, learning_rate=1e-9), tmp_path / "run", verbose=0)
    assert float(sum(model.losses)) == pytest.approx(own, rel=1e-4)
    assert own > 0
