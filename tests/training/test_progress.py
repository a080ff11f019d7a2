"""What a run says while it trains, and the numbers that it leaves."""

import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, evaluate, load_data, train
from keras_resnet.training import log, loop
from tests.training.nets import linear_net

RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.01, seed=3)


@pytest.fixture(scope="module")
def data(shapes):
    images, labels = shapes[0]
    return load_data({"train": shapes[0], "validation": (images[:20], labels[:20]), "test": shapes[1]})


def test_start_says_what_was_found(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    train(linear_net(), data, dataclasses.replace(RECIPE, epochs=1), tmp_path / "run", verbose=0)
    assert caplog.messages[:6] == [
        "Model: linear, 772 trainable parameters.",
        "Devices: 1 CPU.",
        "Images of arrays: 120 train, 20 validation, 40 test; 4 classes.",
        "Optimizer: the recipe's SGD, learning rate 0.01, constant schedule, momentum 0.9, weight decay 0.",
        "Recipe: Recipe(epochs=1, batch_size=16, learning_rate=0.01, seed=3).",
        f"New run in {tmp_path / 'run'}.",
    ]
    caplog.clear()
    train(linear_net(), data, dataclasses.replace(RECIPE, epochs=1), tmp_path / "run", verbose=0)
    assert f"The run in {tmp_path / 'run'} is complete, after epoch 1 of 1." in caplog.messages


@pytest.mark.parametrize(("epochs", "steps"), [(0.25, ["2/2"]), (1.5, ["8/8", "4/4"])])
def test_bar_shows_the_steps_that_run_and_units(epochs, steps, data, tmp_path, capsys):
    train(linear_net(), data, dataclasses.replace(RECIPE, epochs=epochs), tmp_path / "run", verbose=2)
    lines = [line for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert [line.split(" ")[0] for line in lines] == steps
    for line in lines:
        shown = dict(re.findall(r"([^ ]+(?: \(%\))?): ([\d.e+-]+)", line))
        assert {"loss", "accuracy", "val_accuracy", "images/s", "data_time (%)", "learning_rate"} <= shown.keys()
        assert 0 <= float(shown["data_time (%)"]) <= 100
    header = (tmp_path / "run" / "log.csv").read_text().splitlines()[0]
    assert header.endswith("images_per_second,data_time,learning_rate")


def test_line_a_minute_without_a_terminal(data, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "keras_resnet")
    monkeypatch.setattr(loop, "ProgressLines", lambda *steps: log.ProgressLines(*steps, seconds=0))
    train(linear_net(), data, dataclasses.replace(RECIPE, epochs=1.5), tmp_path / "run")
    lines = [message for message in caplog.messages if message.startswith("Epoch ")]
    pattern = r"Epoch (\d): step (\d) of (\d), loss [\d.]+, accuracy [\d.]+, [\d.]+ images/s, about 1 min left\."
    places = [tuple(map(int, re.fullmatch(pattern, line).groups())) for line in lines]
    assert places == [(1, step, 8) for step in range(1, 9)] + [(2, step, 4) for step in range(1, 5)]


def test_no_line_before_its_time(data, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "keras_resnet")
    monkeypatch.setattr(loop, "ProgressLines", lambda *steps: log.ProgressLines(*steps, seconds=10**6))
    train(linear_net(), data, RECIPE, tmp_path / "run")
    assert not [message for message in caplog.messages if message.startswith("Epoch ")]


def test_result_file_names_its_numbers(data, tmp_path):
    result = train(linear_net(), data, dataclasses.replace(RECIPE, epochs=1), tmp_path / "run", verbose=0)
    saved = json.loads((tmp_path / "run" / "result.json").read_text())
    assert saved["top1_accuracy"] == result.accuracy == saved["top1_correct"] / 40
    assert saved["top5_accuracy"] is None
    assert [row.keys() for row in saved["classes"]] == [{"class", "images", "correct"}] * 4
    assert [row["images"] for row in saved["classes"]] == [10] * 4
    assert sum(row["correct"] for row in saved["classes"]) == saved["top1_correct"]
    assert saved["errors"] == []
    with_error = dataclasses.replace(result, errors=(("a.jpg", "is empty"),), real_labels_correct=(3, 4))
    assert with_error.as_dict()["errors"] == [{"image": "a.jpg", "reason": "is empty"}]
    assert with_error.as_dict()["real_labels"] == {"images": 4, "correct": 3}


def test_repr_of_a_result_is_short():
    images, labels = np.zeros((1000, 2, 2, 3), "uint8"), np.arange(1000)
    net = linear_net(shape=(2, 2, 3))
    thousand = type(net)(net.input, tf.keras.layers.Dense(1000)(net.layers[-2].output))
    result = evaluate(thousand, load_data((images, labels)), verbose=0)
    assert len(result.classes) == 1000
    assert len(repr(result)) < 300
    assert "top1_correct=1" in repr(result)


@pytest.mark.exhaustive
def test_tensorboard_has_a_value_per_epoch(data, tmp_path):
    for epochs in (1.5, 3):
        recipe = dataclasses.replace(RECIPE, epochs=epochs)
        train(linear_net(), data, recipe, tmp_path / "run", extend=epochs == 3, verbose=0)
    steps = {"train": set(), "validation": set()}
    for file in (tmp_path / "run" / "tensorboard").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            steps[file.parent.name] |= {event.step for value in event.summary.value if value.tag.endswith("epoch_loss")}
    assert steps == {"train": {0, 1, 2}, "validation": {0, 1, 2}}
