"""docs/model-cards.md: each packaged weight has a card, whose tables agree with packaged.json and the records."""

import csv
import json
import math
import re

import pytest

import keras_resnet
from keras_resnet.preprocessing import class_names
from keras_resnet.weights.downloads import PACKAGED
from tests.conftest import REPOSITORY
from tests.weights.test_pretrained import ROWS

PAGE = (REPOSITORY / "docs" / "model-cards.md").read_text(encoding="utf-8")
CARDS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PACKAGED_ROWS = [row for row in ROWS if row.packaged]
TRAINING_IMAGES = 50_000  # of CIFAR-10, without held-out ones
each_row = pytest.mark.parametrize("row", PACKAGED_ROWS, ids=lambda row: row.id)


def records(row):
    """The folder with the records of the row's run."""
    return (REPOSITORY / row.training.log).parent


def training_seconds(row):
    """As the run's result says, or as its log does by its speed."""
    result = json.loads((records(row) / "result.json").read_text())
    with (records(row) / "log.csv").open(encoding="utf-8") as file:
        speeds = [float(epoch["images_per_second"]) for epoch in csv.DictReader(file) if "images_per_second" in epoch]
    return result.get("training_seconds") or sum(TRAINING_IMAGES / speed for speed in speeds)


def facts(row):
    """The table of a card's facts."""
    model = keras_resnet.create_model(row.variant)
    parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    training = row.training
    error = 1 - training.correct / training.test_images
    rows = {
        "network": f"`{row.variant}`, {parameters:,} parameters",
        "file": f"`{row.file}`, {(PACKAGED / row.file).stat().st_size:,} bytes",
        "checksum": f"`{row.checksum}`",
        "license": {"apache-2.0": "Apache-2.0"}[row.licence],
        "test images": f"{row.input_size} x {row.input_size}, crop fraction {row.crop_fraction:g}, {row.interpolation}",
        "recipe": f"`{training.recipe}`, seed {training.seed}",
        "commit of the training": f"`{training.commit}`",
        "time of the training": f"{training_seconds(row):.0f} s",
        "log": f"`{training.log}`",
        "correct": f"{training.correct:,} of {training.test_images:,}",
        "error": f"{error:.2%}".replace("%", " %"),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def classes(row):
    """The table of the images of each class that the weights classify right, of 1,000 each."""
    lines = (records(row) / "classes.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    names = " | ".join(each["class"] for each in rows)
    counts = " | ".join(each["correct"] for each in rows)
    return f"| class | {names} |\n{'|---' * (len(rows) + 1)}|\n| correct of 1,000 | {counts} |"


def test_each_packaged_weight_has_a_card_and_no_other():
    assert list(CARDS) == [row.id for row in PACKAGED_ROWS]


@each_row
def test_tables_of_a_card_agree_with_the_table_and_the_records(row):
    assert facts(row) in CARDS[row.id]
    assert classes(row) in CARDS[row.id]


@each_row
def test_counts_of_the_classes_add_up(row):
    with (records(row) / "classes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [each["class"] for each in rows] == list(class_names("cifar10"))
    assert {each["images"] for each in rows} == {"1000"}
    assert sum(int(each["correct"]) for each in rows) == pytest.approx(row.training.correct, abs=2)  # another processor


@pytest.mark.exhaustive
@each_row
def test_counts_of_the_classes_are_measured_again(row, local_data, tmp_path):
    data = keras_resnet.load_data("cifar10", data_dir=local_data / "tfds")
    result = keras_resnet.evaluate(keras_resnet.create_model(row.variant, weights=row.id), data, "test")
    result.write_classes(tmp_path / "classes.csv")
    tables = [
        list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in (tmp_path / "classes.csv", records(row) / "classes.csv")
    ]
    for measured, recorded in zip(*tables, strict=True):
        assert measured["class"] == recorded["class"]
        assert abs(int(measured["correct"]) - int(recorded["correct"])) <= 2
