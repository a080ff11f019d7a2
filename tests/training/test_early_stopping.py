"""The early stop: after how many epochs, across a crash, and what it needs."""

import dataclasses

import keras
import pytest

from keras_resnet import Recipe, load_data, train
from keras_resnet.run_directory import Run
from tests.marks import exhaustive
from tests.training.nets import assert_equal_weights, linear_net

# At this rate no prediction changes: the first epoch stays the best.
RECIPE = Recipe(
    epochs=10, batch_size=16, learning_rate=1e-12, early_stopping_patience=3, validation_fraction=0.2, seed=3
)


class CrashError(Exception):
    pass


class CrashIn(keras.callbacks.Callback):
    """Crashes in the middle of an epoch, counted from 0."""

    def __init__(self, epoch):
        super().__init__()
        self.crash_epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.crash_epoch, 3):
            raise CrashError


@pytest.fixture
def data(shapes):
    return load_data(shapes, RECIPE)


@pytest.mark.parametrize("patience", [1, exhaustive(3)])
def test_run_ends_after_the_patience_and_is_complete(patience, data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    recipe = dataclasses.replace(RECIPE, early_stopping_patience=patience)
    train(linear_net(), data, recipe, tmp_path / "run", verbose=0)
    assert len(Run(tmp_path / "run").log()) == 1 + patience
    train(linear_net(), data, recipe, tmp_path / "run", verbose=0)
    assert "is complete" in caplog.text
    assert len(Run(tmp_path / "run").log()) == 1 + patience


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.exhaustive
def test_resumed_run_ends_after_the_same_epoch(epoch, data, tmp_path):
    whole, parts = linear_net(), linear_net()
    train(whole, data, RECIPE, tmp_path / "whole", verbose=0)
    options = dict(callbacks=[CrashIn(epoch)], checkpoint_every=2, verbose=0)
    with pytest.raises(CrashError):
        train(linear_net(), data, RECIPE, tmp_path / "parts", **options)
    train(parts, data, RECIPE, tmp_path / "parts", verbose=0)
    assert len(Run(tmp_path / "parts").log()) == len(Run(tmp_path / "whole").log()) == 4
    assert_equal_weights(whole, parts)


def test_validation_images_are_needed(shapes, tmp_path):
    recipe = dataclasses.replace(RECIPE, validation_fraction=0.0)
    with pytest.raises(ValueError, match="early_stopping_patience=3 needs validation images"):
        train(linear_net(), load_data(shapes, recipe), recipe, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()
