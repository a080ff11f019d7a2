"""The run directory while it is used: locked, begun, resumed, damaged, and extended."""

import concurrent.futures
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_resnet import Recipe, load_data, load_model, load_weights, train
from keras_resnet.run_directory import Run
from keras_resnet.training.checkpoints import latest_checkpoint, save_checkpoint
from keras_resnet.training.loop import segments
from keras_resnet.training.workdir import locked
from tests.marks import few
from tests.training.nets import assert_equal_weights, linear_net

RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.01, flip=True, seed=3)


@pytest.fixture(scope="module")
def data(shapes):
    data = load_data(shapes)
    assert len(data.train) == 120  # 8 steps an epoch
    return data


class Stop(keras.callbacks.Callback):
    """Raises an error at a step, counted from 1 over the epochs."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_begin(self, batch, logs=None):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


def interrupt(model, data, recipe, workdir, step, **options):
    with pytest.raises(KeyboardInterrupt):
        train(model, data, recipe, workdir, callbacks=[Stop(step)], verbose=0, **options)


# Locks

HOLDER = """
import sys
from keras_resnet.run_directory import Run
from keras_resnet.training.workdir import locked
with locked(Run(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.exhaustive
def test_workdir_of_another_process_is_refused_until_that_process_ends(data, tmp_path):
    workdir = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, workdir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "locked\n"
    message = rf"in use by process {holder.pid} on {re.escape(socket.gethostname())} since \d{{4}}-.* UTC\. Wait"
    with pytest.raises(BlockingIOError, match=message):
        train(linear_net(), data, RECIPE, workdir, verbose=0)
    assert {path.name for path in workdir.iterdir()} == {".lock"}
    holder.kill()
    holder.communicate()
    train(linear_net(), data, dataclasses.replace(RECIPE, epochs=0.1), workdir, verbose=0)
    assert (workdir / "final.keras").is_file()


def test_lock_is_freed_by_an_error(tmp_path):
    def fail():
        with locked(Run(tmp_path / "run")):
            with pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"), locked(Run(tmp_path / "run")):
                pass
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fail()


# Starts


def test_run_without_any_result_is_begun_anew(data, tmp_path):
    """Such as after a mistake that shows at the first step: the corrected call may use the directory."""
    workdir = tmp_path / "run"

    class Broken(keras.layers.Layer):
        def call(self, images):
            raise TypeError("broken")

        def compute_output_shape(self, shape):
            return shape

    with pytest.raises(TypeError, match="broken"):
        train(linear_net(), data, RECIPE, workdir, augmentation=Broken(), verbose=0)
    assert (workdir / "recipe.json").is_file()
    (workdir / "bad_images.worker1.tsv").touch()
    (workdir / "tensorboard" / "earlier").mkdir(parents=True)
    corrected = dataclasses.replace(RECIPE, epochs=0.5)
    train(linear_net(), data, corrected, workdir, verbose=0)
    assert Run(workdir).recipe() == corrected
    assert not (workdir / "bad_images.worker1.tsv").exists()
    assert {path.name for path in (workdir / "tensorboard").iterdir()} == {"train"}


def test_start_is_recorded_and_other_weights_are_told(data, tmp_path, caplog):
    linear_net(seed=1).save_weights(tmp_path / "one.weights.h5")
    linear_net(seed=2).save_weights(tmp_path / "two.weights.h5")

    def net(name):
        return load_weights(linear_net(), tmp_path / f"{name}.weights.h5")

    workdir = tmp_path / "run"
    train(net("one"), data, RECIPE, workdir, verbose=0)
    start = json.loads((workdir / "recipe.json").read_text())["start"]
    assert start["source"] == str(tmp_path / "one.weights.h5")
    assert re.fullmatch("[0-9a-f]{64}", start["weights"])

    assert train(net("one"), data, RECIPE, workdir, verbose=0).images == 40
    assert "The weights of the given model" not in caplog.text
    with pytest.raises(FileExistsError, match=r"start\.source: saved .*one\.weights\.h5, requested .*two\.weights\.h5"):
        train(net("two"), data, RECIPE, workdir, verbose=0)
    train(linear_net(seed=9), data, RECIPE, workdir, verbose=0)  # from nowhere known, such as random weights
    assert "The weights of the given model are not those that the run" in caplog.text


def test_augmentation_of_the_same_configuration_resumes(data, tmp_path, caplog):
    """Keras numbers the names of layers: random_flip, random_flip_1, ..."""
    caplog.set_level("INFO", "keras_resnet")
    interrupt(
        linear_net(), data, RECIPE, tmp_path / "run", 5, augmentation=keras.layers.RandomFlip(), checkpoint_every=2
    )
    train(linear_net(), data, RECIPE, tmp_path / "run", augmentation=keras.layers.RandomFlip(), verbose=0)
    assert f"Resuming {tmp_path / 'run'} after 4 steps of epoch 1" in caplog.text


# Ends


def test_sigterm_saves_a_checkpoint_and_ends_with_its_exit_code(data, tmp_path, caplog):
    class Preempt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    whole, resumed = linear_net(), linear_net()
    train(whole, data, RECIPE, tmp_path / "whole", verbose=0)
    with pytest.raises(SystemExit) as end:
        train(linear_net(), data, RECIPE, tmp_path / "run", callbacks=[Preempt()], verbose=0)
    assert end.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    assert "Preempted: saved after 5 steps of epoch 1; rerun the same command to resume." in caplog.text
    train(resumed, data, RECIPE, tmp_path / "run", verbose=0)
    assert_equal_weights(resumed, whole)


def test_a_handler_that_python_does_not_know_is_not_put_back(data, tmp_path, monkeypatch):
    """A C library's, for which `signal.signal` returns None, and which it does not take."""
    handlers = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append(handler))
    train(linear_net(), data, RECIPE, tmp_path / "run", verbose=0)
    assert len(handlers) == 1
    assert callable(handlers[0])


def test_other_threads_than_the_main_one_may_train(data, tmp_path):
    """Python lets them set no handlers of signals."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        result = pool.submit(train, linear_net(), data, RECIPE, tmp_path / "run", verbose=0).result()
    assert result.images == 40


# Damage


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"model": 1}'])
def test_damaged_recipe_is_refused(content, data, tmp_path):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(ValueError, match=r"recipe\.json is damaged"):
        train(linear_net(), data, RECIPE, tmp_path, verbose=0)


def test_checkpoint_of_another_name_is_passed_over(data, tmp_path, caplog):
    interrupt(linear_net(), data, RECIPE, tmp_path / "run", 5, checkpoint_every=2)
    run = Run(tmp_path / "run")
    newest = latest_checkpoint(run)
    for suffix in (".json", ".npz"):
        shutil.copy(newest.variables.with_suffix(suffix), run.file(f"checkpoints/epoch-00009-step-0000000{suffix}"))
    assert latest_checkpoint(run) == newest
    assert "epoch-00009-step-0000000.json is damaged (it has the name of another checkpoint)" in caplog.text


def test_no_flipped_bit_in_a_checkpoint_record_is_accepted(data, tmp_path, caplog):
    interrupt(linear_net(), data, RECIPE, tmp_path / "run", 5, checkpoint_every=2)
    run = Run(tmp_path / "run")
    newest = latest_checkpoint(run)
    record = newest.variables.with_suffix(".json")
    intact = record.read_bytes()
    draw = random.Random(0)
    for _ in range(500):
        damaged = bytearray(intact)
        damaged[draw.randrange(len(intact))] ^= 1 << draw.randrange(8)
        record.write_bytes(damaged)
        assert latest_checkpoint(run).step == newest.step - 2
    assert f"{record.name} is damaged" in caplog.text
    record.write_bytes(intact)
    assert latest_checkpoint(run) == newest


@pytest.mark.exhaustive
def test_row_lost_from_the_log_is_told_and_later_rows_are_right(data, tmp_path, caplog):
    whole, workdir = tmp_path / "whole", tmp_path / "run"
    recipe = dataclasses.replace(RECIPE, epochs=4)
    train(linear_net(), data, recipe, whole, verbose=0)
    interrupt(linear_net(), data, recipe, workdir, 8 * 3 + 2, checkpoint_every=8)
    lines = (workdir / "log.csv").read_text().splitlines(keepends=True)
    (workdir / "log.csv").write_text("".join([*lines[:2], *lines[3:]]))
    train(linear_net(), data, recipe, workdir, verbose=0)
    assert "lacks the rows of 1 complete epochs (counted from 0: 1)" in caplog.text
    expected = {row["epoch"]: row["loss"] for row in Run(whole).log() if row["epoch"] != 1}
    assert {row["epoch"]: row["loss"] for row in Run(workdir).log()} == expected


@pytest.mark.parametrize(
    "damage", few([b"\xff\xfe", b"", b"a,b\n1,2\n", b"epoch,loss\nx,1\n", b"epoch,loss\n0,1,2,3\n"], b"\xff\xfe")
)
def test_damaged_log_is_kept_beside_a_new_one(damage, data, tmp_path, caplog):
    workdir = tmp_path / "run"
    interrupt(linear_net(), data, RECIPE, workdir, 8 + 2, checkpoint_every=8)
    (workdir / "log.csv").write_bytes(damage)
    train(linear_net(), data, RECIPE, workdir, verbose=0)
    assert "lacks the rows of 1 complete epochs (counted from 0: 0)" in caplog.text
    assert [row["epoch"] for row in Run(workdir).log()] == [1]
    if damage:
        assert (workdir / "log.damaged.csv").read_bytes() == damage
        assert "is damaged" in caplog.text


@pytest.mark.parametrize("when", ["epochs=0.1", "an epoch"])
def test_weights_that_are_not_finite_never_reach_a_file(when, data, tmp_path):
    class Spoil(keras.callbacks.Callback):
        """After the last step, when no step would show it."""

        def on_train_batch_end(self, batch, logs=None):
            if batch == self.params["steps"] - 1:
                self.model.layers[-1].bias.assign([np.inf, 0, 0, 0])

    recipe = dataclasses.replace(RECIPE, epochs=0.1 if when == "epochs=0.1" else 1)
    with pytest.raises(FloatingPointError, match="bias is not finite after epoch 1"):
        train(linear_net(), data, recipe, tmp_path / "run", callbacks=[Spoil()], verbose=0)
    assert not list((tmp_path / "run").glob("*.keras"))
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


# Longer runs


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        (0, 1, [(0, 0, 1, 1)]),
        (0, 10, [(0, 0, 1, 10)]),
        (0, 30, [(0, 0, 3, 10)]),
        (0, 15, [(0, 0, 1, 10), (1, 0, 2, 5)]),
        (3, 15, [(0, 3, 1, 7), (1, 0, 2, 5)]),
        (13, 15, [(1, 3, 2, 2)]),
        (5, 30, [(0, 5, 1, 5), (1, 0, 3, 10)]),
        (15, 15, []),
    ],
)
def test_segments_make_up_the_run(done, total, expected):
    assert list(segments(done, total, 10)) == expected
    assert done + sum((end - first) * steps for first, _, end, steps in expected) == total


@pytest.mark.parametrize("epochs", few([(2, 4), (0.5, 1.25, 2)], (2, 4)))
def test_extended_run_equals_the_long_one(epochs, data, tmp_path):
    """With a constant rate, which does not depend on the length."""
    whole = linear_net()
    train(whole, data, dataclasses.replace(RECIPE, epochs=epochs[-1]), tmp_path / "whole", verbose=0)
    workdir, models = tmp_path / "run", []
    for index, number in enumerate(epochs):
        recipe = dataclasses.replace(RECIPE, epochs=number)
        models.append(linear_net())
        train(models[-1], data, recipe, workdir, extend=index > 0, verbose=0)
        saved = latest_checkpoint(Run(workdir))
        assert saved.epoch * 8 + saved.step == round(8 * number)
        train(linear_net(), data, recipe, workdir, extend=index > 0, verbose=0)  # nothing is left to do
    assert_equal_weights(models[-1], whole)
    assert_equal_weights(load_model(tmp_path / "run" / "final.keras"), whole)
    columns = ("epoch", "loss", "accuracy", "learning_rate")
    logs = [[[row[name] for name in columns] for row in Run(run).log()] for run in (tmp_path / "whole", workdir)]
    assert logs[0] == logs[1]
    description = json.loads((workdir / "recipe.json").read_text())
    assert description["recipe"]["epochs"] == epochs[-1]
    assert description["earlier_epochs"] == list(epochs[:-1])
    assert (workdir / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert (workdir / "report.html").read_text().count("<tr><td>") == -(-epochs[-1] // 1)


@pytest.mark.exhaustive
def test_extended_run_has_the_schedule_of_the_longer_run(data, tmp_path):
    recipe = dataclasses.replace(RECIPE, schedule="steps", milestones=(0.5,))
    train(linear_net(), data, recipe, tmp_path / "run", verbose=0)
    train(linear_net(), data, dataclasses.replace(recipe, epochs=6), tmp_path / "run", extend=True, verbose=0)
    rates = [row["learning_rate"] for row in Run(tmp_path / "run").log()]
    np.testing.assert_allclose(rates, [0.01, 0.001, 0.01, 0.001, 0.001, 0.001], rtol=1e-6)


def test_what_cannot_be_extended(data, tmp_path):
    workdir = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="contains no run to extend"):
        train(linear_net(), data, RECIPE, workdir, extend=True, verbose=0)
    assert not workdir.exists()
    train(linear_net(), data, RECIPE, workdir, verbose=0)
    before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    longer, shorter = (dataclasses.replace(RECIPE, epochs=epochs) for epochs in (3, 1))
    with pytest.raises(FileExistsError, match=r"epochs: saved 2, requested 3\).*extend=True, or --extend"):
        train(linear_net(), data, longer, workdir, verbose=0)
    with pytest.raises(FileExistsError, match=r"saved 2, requested 1\)\. Only recipe\.epochs may differ"):
        train(linear_net(), data, shorter, workdir, extend=True, verbose=0)
    other = dataclasses.replace(longer, batch_size=8)
    with pytest.raises(FileExistsError, match=r"batch_size: saved 16, requested 8.*Only recipe\.epochs may differ"):
        train(linear_net(), data, other, workdir, extend=True, verbose=0)
    assert {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()} == before


@pytest.mark.exhaustive
def test_interrupted_extension_resumes(data, tmp_path):
    longer = dataclasses.replace(RECIPE, epochs=4)
    whole, resumed = linear_net(), linear_net()
    train(whole, data, longer, tmp_path / "whole", verbose=0)
    train(linear_net(), data, RECIPE, tmp_path / "run", verbose=0)
    interrupt(linear_net(), data, longer, tmp_path / "run", 11, extend=True, checkpoint_every=5)
    train(resumed, data, longer, tmp_path / "run", extend=True, verbose=0)
    assert_equal_weights(resumed, whole)


def test_run_of_a_version_without_some_settings_resumes_if_these_have_their_defaults(data, tmp_path):
    workdir = tmp_path / "run"
    interrupt(linear_net(), data, RECIPE, workdir, 11, checkpoint_every=5)
    saved = json.loads((workdir / "recipe.json").read_text())
    for name in ("early_sizes", "size_milestones", "frozen_statistics", "anti_alias"):
        del saved["recipe"][name]
    (workdir / "recipe.json").write_text(json.dumps(saved))
    sizes = dataclasses.replace(RECIPE, frozen_statistics=True)
    with pytest.raises(FileExistsError, match=r"recipe.frozen_statistics: saved False, requested True"):
        train(linear_net(), data, sizes, workdir, verbose=0)
    resumed, whole = linear_net(), linear_net()
    train(resumed, data, RECIPE, workdir, verbose=0)
    train(whole, data, RECIPE, tmp_path / "whole", verbose=0)
    assert_equal_weights(resumed, whole)

    unknown = {**saved, "recipe": {**saved["recipe"], "cut_out": 0.5}}
    (workdir / "recipe.json").write_text(json.dumps(unknown))
    with pytest.raises(FileExistsError, match=r"recipe.cut_out: saved 0.5, requested None"):
        train(linear_net(), data, RECIPE, workdir, verbose=0)


def test_a_new_checkpoint_outlives_damaged_later_ones(data, tmp_path):
    run = Run(tmp_path / "run")
    train(linear_net(), data, RECIPE, run.directory, verbose=0)
    for variables in run.file("checkpoints").glob("*.npz"):
        variables.unlink()
    with pytest.raises(KeyboardInterrupt):
        train(linear_net(), data, RECIPE, run.directory, callbacks=[Stop(3)], checkpoint_every=1, verbose=0)
    assert (latest_checkpoint(run).epoch, latest_checkpoint(run).step) == (0, 3)


def test_checkpoints_are_ordered_by_number(tmp_path):
    run = Run(tmp_path)
    run.file("checkpoints").mkdir()
    for epoch in (99_999, 100_000):
        save_checkpoint(run, [np.zeros(1)], epoch, 0, {})
    assert latest_checkpoint(run).epoch == 100_000


def test_results_of_a_run_without_checkpoints_are_kept(data, tmp_path, caplog):
    run = Run(tmp_path / "run")
    train(linear_net(), data, RECIPE, run.directory, verbose=0)
    before = {name: run.file(name).read_bytes() for name in ("best.keras", "final.keras", "log.csv", "result.json")}
    shutil.rmtree(run.file("checkpoints"))
    train(linear_net(), data, RECIPE, run.directory, verbose=0)
    assert {name: run.file(f"earlier-1/{name}").read_bytes() for name in before} == before
    assert "has no undamaged checkpoint, so the run begins again" in caplog.text
    assert len(run.log()) == 2
    assert latest_checkpoint(run).epoch == 2


def test_run_that_left_nothing_but_damaged_checkpoints_begins_again(data, tmp_path):
    run = Run(tmp_path / "run")
    interrupt(linear_net(), data, RECIPE, run.directory, 5, checkpoint_every=2)
    for variables in run.file("checkpoints").glob("*.npz"):
        variables.unlink()
    train(linear_net(), data, RECIPE, run.directory, verbose=0)
    assert not run.file("earlier-1").exists()
    assert len(run.log()) == 2


def test_files_of_an_interrupted_save_are_removed_by_the_next(data, tmp_path):
    run = Run(tmp_path / "run")
    left = run.file("checkpoints/epoch-00000-step-0000001.npz")
    interrupt(linear_net(), data, RECIPE, run.directory, 3, checkpoint_every=1)
    left.write_bytes(b"a part")
    train(linear_net(), data, RECIPE, run.directory, verbose=0)
    assert not left.exists()


def test_keras_own_names_of_models_do_not_matter(data, tmp_path):
    """Keras numbers them within a process: sequential, sequential_1."""
    interrupt(sequential(), data, RECIPE, tmp_path / "run", 3, checkpoint_every=1)
    result = train(sequential(), data, RECIPE, tmp_path / "run", verbose=0)
    assert result.images == len(data.test)


def sequential():
    keras.utils.set_random_seed(0)
    layers = keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


def test_bfloat16_weights_resume_to_the_bit(data, tmp_path):
    def net():
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("bfloat16")
        try:
            return sequential()
        finally:
            keras.config.set_dtype_policy(policy)

    whole, parts = net(), net()
    train(whole, data, RECIPE, tmp_path / "whole", verbose=0)
    interrupt(net(), data, RECIPE, tmp_path / "parts", 5, checkpoint_every=1)
    train(parts, data, RECIPE, tmp_path / "parts", verbose=0)
    assert_equal_weights(whole, parts)
