"""Two worker processes that train one model, started by scripts/launch_local.py."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.distributed.sharding import split_into_shards
from keras_resnet.distributed.strategies import multi_worker, tpu
from keras_resnet.distributed.workers import Worker, configured_workers
from keras_resnet.run_directory import Run
from keras_resnet.training.loop import lost_worker
from tests.photos import write_scenes

ROOT = pathlib.Path(__file__).parents[2]
CASES, EVALUATION, RUN = (
    pathlib.Path(__file__).with_name(f"worker_{name}.py") for name in ("cases", "evaluation", "run")
)
LAUNCH = [sys.executable, ROOT / "scripts" / "launch_local.py", "--workers=2"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def launch(*command):
    return subprocess.Popen(
        [*LAUNCH, *map(str, command)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_two_workers_end_with_the_weights_of_one_device(tmp_path):
    output, _ = (process := launch(CASES, tmp_path)).communicate(timeout=300)
    assert process.returncode == 0, output
    names = ["uneven", "none", "weighted", "all", "compiled", "synchronized", "training"]
    for worker in (0, 1):
        assert re.findall(rf"^{worker}: equal: (\w+)$", output, re.MULTILINE) == names


@pytest.mark.slow
@pytest.mark.exhaustive
def test_each_worker_evaluates_its_part_and_all_get_the_scores_of_one_device(tmp_path):
    """25 photos in batches of 4: the last shard of worker 0 is empty. Four are unreadable, among them a whole batch."""
    write_scenes(tmp_path / "photos" / "train", list("abcde"), 1)
    write_scenes(tmp_path / "photos" / "val", list("abcde"), 5)
    photos = sorted((tmp_path / "photos" / "val").glob("*/*"))
    for position in (5, 8, 9, 24):  # 8 and 9 are a whole shard, 24 a whole batch
        photos[position].write_bytes(b"no photo")
    output, _ = (process := launch(EVALUATION, tmp_path / "photos", tmp_path / "run")).communicate(timeout=300)
    assert process.returncode == 0, output
    kinds = ["validation", "test", "test", "epoch", "epoch", "result"]
    said = [re.findall(rf"^{worker}: ((?:{'|'.join(kinds)}): .*)$", output, re.MULTILINE) for worker in (0, 1)]
    assert said[0] == said[1]
    assert [line.partition(":")[0] for line in said[0]] == kinds, output
    assert said[0][0].endswith(f" {(21.0).hex()}")
    assert said[0][1:3] == ["test: center 21 4", "test: ten_crop 21 4"]
    assert "1 images" in said[0][-1]


def started(workdir):
    """(the launcher, the process IDs of both workers), once the run has saved another checkpoint."""
    before = {path.name for path in workdir.glob("checkpoints/*.json")}
    launcher = launch(RUN, workdir)
    processes = {}
    while len(processes) < 2:
        line = launcher.stdout.readline()
        if found := re.fullmatch(r"(\d): process (\d+)\n", line):
            processes[int(found[1])] = int(found[2])
    end = time.monotonic() + 120
    while {path.name for path in workdir.glob("checkpoints/*.json")} <= before:
        assert time.monotonic() < end
        time.sleep(0.01)
    return launcher, processes


@pytest.fixture(scope="module")
def of_one_worker(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("workers") / "one"
    subprocess.run([sys.executable, RUN, workdir], env=ENVIRONMENT, check=True)
    return workdir


@pytest.mark.exhaustive
def test_two_workers_resume_after_losing_one_and_match_one_worker(of_one_worker, tmp_path):
    workdir = tmp_path / "two"

    launcher, processes = started(workdir)
    os.kill(processes[1], signal.SIGKILL)
    killed = time.monotonic()
    output, _ = launcher.communicate(timeout=90)
    assert time.monotonic() - killed < 60
    assert launcher.returncode != 0
    message = next(line for line in output.splitlines() if line.startswith("0: error:"))
    assert re.search(r"has lost localhost:\d+ \(.+\)\. Start", message)
    assert "Graph execution error" not in message
    assert "Start all workers again" in message
    assert "The last good checkpoint is" in message

    launcher, processes = started(workdir)
    os.kill(processes[1], signal.SIGTERM)  # to one worker only; both save and exit
    output, _ = launcher.communicate(timeout=90)
    assert launcher.returncode == 128 + signal.SIGTERM, output
    assert "0: Resuming" in output
    assert "rerun the same command to resume" in output

    output, _ = (launcher := launch(RUN, workdir)).communicate(timeout=120)
    assert launcher.returncode == 0, output
    for name in ("final.keras", "ema.keras"):
        one, two = (keras_resnet.load_model(run / name) for run in (of_one_worker, workdir))
        for ours, theirs in zip(one.get_weights(), two.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-5)
    logs = [np.genfromtxt(run / "log.csv", delimiter=",", names=True) for run in (of_one_worker, workdir)]
    np.testing.assert_array_equal(logs[1]["epoch"], range(5))
    for column in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_allclose(logs[0][column], logs[1][column], rtol=1e-3)
    # Only the chief writes.
    assert {path.name for path in of_one_worker.iterdir()} == {path.name for path in workdir.iterdir()}


def test_shards_of_workers_make_up_each_batch():
    images = np.arange(11 * 4 * 4 * 3, dtype="uint8").reshape(11, 4, 4, 3)
    recipe = keras_resnet.Recipe(batch_size=4, flip=True, seed=2)
    data = keras_resnet.load_data((images, np.arange(11)), recipe)

    def batches(**shard):
        return keras_resnet.data.batches.training_batches(data.train, recipe, 1, 1, **shard).take(5)

    parts = [list(batches(shard=(worker, 3))) for worker in range(3)]
    for step, (whole, labels) in enumerate(batches()):
        np.testing.assert_array_equal(np.concatenate([part[step][0] for part in parts]), whole)
        np.testing.assert_array_equal(np.concatenate([part[step][1] for part in parts]), labels)
        lengths = [len(part[step][1]) for part in parts]
        assert max(lengths) - min(lengths) <= 1


def test_batches_are_split_for_the_devices_of_a_worker():
    batches = tf.data.Dataset.from_tensor_slices((np.arange(7), np.arange(7) * 10)).batch(5)
    parts = [(numbers.numpy().tolist(), tens.numpy().tolist()) for numbers, tens in split_into_shards(batches, 2)]
    assert parts == [([0, 1], [0, 10]), ([2, 3, 4], [20, 30, 40]), ([5], [50]), ([6], [60])]
    assert split_into_shards(batches, 1) is batches


def test_one_device_is_the_chief():
    worker = Worker(tf.distribute.get_strategy())
    assert (worker.is_chief, worker.several, worker.suffix) == (True, False, "")
    assert worker.any(True, False) == [True, False]
    assert worker.part(5) == (0, 5)
    assert worker.sum(np.array([1, 2])).tolist() == [1, 2]
    assert worker.gather(["é"]) == [["é"]]


def test_a_lost_worker_is_named_and_other_errors_stay_as_they_are(tmp_path):
    worker, run = Worker(tf.distribute.get_strategy()), Run(tmp_path)
    lost = tf.errors.UnavailableError(None, None, "Connection reset by peer\nAdditional information")
    assert lost_worker(lost, worker, run) is lost  # there are no others
    worker.addresses = "a:1", "b:2", "c:3"
    error = lost_worker(lost, worker, run)
    assert type(error) is ConnectionError
    assert str(error) == (
        "Worker 0 (a:1) has lost b:2 or c:3 (Connection reset by peer). Start all workers again with the same "
        "commands. There is no checkpoint."
    )
    other = tf.errors.InvalidArgumentError(None, None, "an own error")
    assert lost_worker(other, worker, run) is other


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("", 0),
        ('{"cluster": {"worker": ["a:1"]}}', 1),
        ('{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}}', 3),
    ],
)
def test_number_of_workers_in_tf_config(text, workers, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    assert configured_workers() == workers


@pytest.mark.parametrize("text", ["{", "[1]", '{"cluster": 3}'])
def test_invalid_tf_config(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG must be JSON"):
        configured_workers()


def test_strategies_without_devices(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="TF_CONFIG, which is not set"):
        multi_worker()
    with pytest.raises(ValueError, match="No TPU was found"):
        tpu()
