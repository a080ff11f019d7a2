"""Sweeps: interrupted, resumed, repeated with other settings, and their estimate of the time left."""

import logging
import re
import shutil

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.degradation import error_rows
from keras_resnet.analysis.sweep import TRAINING_RESULT, plan_sweep, progress, train_all
from keras_resnet.distributed.strategies import one_device
from keras_resnet.recipes import override
from tests.analysis.sweeps import NETWORKS, planned_run
from tests.training.nets import assert_equal_weights

RECIPE = keras_resnet.Recipe(epochs=3, batch_size=40, learning_rate=0.05, schedule="cosine", flip=True)  # 9 steps


class Interruption(keras.callbacks.Callback):
    """Ctrl-C after some steps of a sweep."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data(shapes):
    return keras_resnet.load_data(shapes)


def trained(data, folder, recipe=RECIPE, **options):
    """All finished runs of a sweep over two networks."""
    sweep = plan_sweep(NETWORKS, recipe, [3], data, folder)
    return list(train_all(sweep, lambda recipe: data, strategy=one_device(), verbose=0, **options))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A sweep that nothing interrupts."""
    return trained(data, tmp_path_factory.mktemp("sweep") / "whole")


def content(run):
    """The files of a run with the times of their last change."""
    return {path: path.stat().st_mtime_ns for path in run.directory.rglob("*") if path.is_file()}


def test_runs_are_in_folders_of_network_and_seed(whole, data, tmp_path):
    assert [planned.run.directory.name for planned in whole] == ["tiny_plain-seed3", "tiny_residual-seed3"]
    assert [planned.run.recipe().seed for planned in whole] == [3, 3]
    plan = plan_sweep(NETWORKS, RECIPE, [1, 0], data, tmp_path)
    names = [planned.run.directory.name for planned in plan]
    assert names == ["tiny_plain-seed1", "tiny_residual-seed1", "tiny_plain-seed0", "tiny_residual-seed0"]
    assert not list(tmp_path.iterdir())


def test_final_errors_are_those_of_all_images(whole, data):
    for planned in whole:
        model = keras_resnet.load_model(planned.run.file("final.keras"))
        for split, error in (("train", planned.final_errors().training), ("test", planned.final_errors().test)):
            images, labels = data.splits[split].images, data.splits[split].labels
            wrong = model.predict(images, verbose=0).argmax(axis=1) != labels
            assert error == pytest.approx(wrong.mean(), abs=1e-12)


@pytest.mark.exhaustive
def test_resumed_sweep_equals_an_uninterrupted_one_to_the_bit(whole, data, tmp_path, caplog):
    caplog.set_level(logging.INFO, "keras_resnet")
    with pytest.raises(KeyboardInterrupt):
        trained(data, tmp_path, callbacks=[Interruption(9 + 8)])  # in the last epoch of the second run
    assert_announced(caplog.messages)
    plan = plan_sweep(NETWORKS, RECIPE, [3], data, tmp_path)
    assert [planned.is_finished for planned in plan] == [True, False]
    before = content(plan[0].run)
    resumed = trained(data, tmp_path)
    assert "Run 1 of 2: tiny_plain, seed 3: finished before." in caplog.messages
    assert content(plan[0].run) == before  # not trained again
    assert error_rows(resumed) == error_rows(whole)
    assert [planned.final_errors() for planned in resumed] == [planned.final_errors() for planned in whole]
    for ours, theirs in zip(resumed, whole, strict=True):
        assert_equal_weights(*(keras_resnet.load_model(planned.run.file("final.keras")) for planned in (ours, theirs)))


def assert_announced(messages):
    """Each run and each epoch that another one follows, with the progress of the sweep."""
    expected = [
        r"Run 1 of 2: tiny_plain, seed 3 \(sweep: 0 % done\)\.",
        r"Sweep: 17 % done, about \d+ min left\.",
        r"Sweep: 33 % done, about \d+ min left\.",
        r"Run 2 of 2: tiny_residual, seed 3 \(sweep: 50 % done, about \d+ min left\)\.",
        r"Sweep: 67 % done, about \d+ min left\.",
        r"Sweep: 83 % done, about \d+ min left\.",
    ]
    lines = [line for line in messages if line.startswith(("Run", "Sweep"))]
    assert len(lines) == len(expected)
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(expected, lines, strict=True)), lines


@pytest.mark.exhaustive
def test_run_without_its_last_evaluation_is_completed(whole, data, tmp_path):
    shutil.copytree(whole[0].run.directory.parent, tmp_path / "copy")
    lost = tmp_path / "copy" / "tiny_plain-seed3" / TRAINING_RESULT
    lost.unlink()
    rows = whole[0].errors()
    first, _ = trained(data, tmp_path / "copy")
    assert lost.exists()
    assert first.final_errors() == whole[0].final_errors()
    assert first.errors() == rows


def test_other_settings_are_refused_before_any_training(whole, data):
    before = [content(planned.run) for planned in whole]
    expected = r"tiny_plain-seed3 holds a run with other settings \(recipe.epochs: saved 3, requested 4\)"
    with pytest.raises(FileExistsError, match=expected):
        trained(data, whole[0].run.directory.parent, override(RECIPE, epochs=4))
    assert [content(planned.run) for planned in whole] == before


def test_time_left_is_by_multiply_adds(tmp_path):
    """Two of four epochs of the cheaper network took 20 s: 10 s an epoch, and 30 s of one that costs three times."""
    plain, residual = NETWORKS
    begun = planned_run(tmp_path, plain, epochs=4, seconds=(12.0, 8.0), multiply_adds=100)
    other = planned_run(tmp_path, residual, epochs=4, multiply_adds=300)
    assert progress([other]) == (0, None)
    assert str(progress([other])) == "0 % done"
    assert progress([begun, other]) == (2 / (4 + 4 * 3), 2 * 10 + 4 * 30)
    assert str(progress([begun, other])) == "12 % done, about 2 min left"


def test_finished_run_takes_no_more_time(tmp_path):
    """Also if it was stopped early."""
    stopped = planned_run(tmp_path, NETWORKS[0], epochs=9, seconds=(7.0,), errors=(0.1, 0.2))
    assert progress([stopped]) == (1, 0)


def test_part_of_an_epoch_counts_as_such(tmp_path):
    half = planned_run(tmp_path, NETWORKS[0], epochs=0.5, seconds=(5.0,), errors=(0.1, 0.2))
    whole = planned_run(tmp_path, NETWORKS[1], epochs=1)
    assert progress([half, whole]) == (1 / 3, 10)


def test_errors_of_an_unfinished_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match="tiny_plain, seed 0 is not finished"):
        planned_run(tmp_path, NETWORKS[0], seconds=(5.0,)).final_errors()


def test_plan_counts_parameters_and_multiply_adds(data, tmp_path):
    """A 3x3 stem of 4 filters, a block of 4, one of 8 that halves the size, 4 classes; gamma and beta of each norm."""
    kernels = [27 * 4, 36 * 4, 36 * 4, 36 * 8, 72 * 8]
    positions = [64, 64, 64, 16, 16]
    plain, residual = plan_sweep(NETWORKS, RECIPE, [0], data, tmp_path)
    assert plain.parameters == residual.parameters == sum(kernels) + 2 * (4 + 4 + 4 + 8 + 8) + 9 * 4
    assert plain.multiply_adds == residual.multiply_adds == np.dot(kernels, positions) + 8 * 4
