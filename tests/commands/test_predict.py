"""The command `predict`: lines, JSON and CSV, in its own process as users run it."""

import csv
import io
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import create_model
from tests.commands.running import keras_resnet_command

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "predict.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two classes, one of whose names needs quotes, and two images, one of them damaged."""
    path = tmp_path_factory.mktemp("predict")
    model = create_model("resnet20_cifar", depths=(1, 1, 1), classes=2)
    model.class_names = ("cat, or kitten", "dog")
    model.save(path / "net.keras")
    image = np.zeros((32, 32, 3), "uint8")
    (path / "good.png").write_bytes(tf.io.encode_png(image).numpy())
    (path / "bad.png").write_bytes(b"damaged")
    return path


def run(folder, *arguments):
    command = [sys.executable, SCRIPT, "net.keras", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=500)


@pytest.mark.exhaustive
def test_every_format_accounts_for_every_image(folder):
    lines = run(folder, "bad.png", "good.png", "--top=1")
    assert lines.returncode == 1
    bad, good = lines.stdout.splitlines()
    assert bad.startswith("bad.png: error: bad.png is not an image in a known format")
    assert good.startswith("good.png: ")

    objects = run(folder, "--json", "bad.png", "good.png")
    assert objects.returncode == 1
    bad, good = map(json.loads, objects.stdout.splitlines())
    assert (set(bad), bad["image"]) == ({"image", "error"}, "bad.png")
    assert {row["class"] for row in good["classes"]} == {"cat, or kitten", "dog"}
    assert sum(row["probability"] for row in good["classes"]) == pytest.approx(1)

    table = run(folder, "--csv", "bad.png", "good.png")
    assert table.returncode == 1
    bad, *good = csv.DictReader(io.StringIO(table.stdout))
    assert (bad["image"], bad["class"], bad["error"].split(" ")[0]) == ("bad.png", "", "bad.png")
    assert [(row["image"], row["rank"], row["error"]) for row in good] == [("good.png", "1", ""), ("good.png", "2", "")]
    assert {row["class"] for row in good} == {"cat, or kitten", "dog"}


@pytest.mark.exhaustive
def test_what_unreadable_images_do(folder):
    skipped = run(folder, "--json", "--on_error=skip", "bad.png", "good.png")
    assert skipped.returncode == 0
    assert [json.loads(line)["image"] for line in skipped.stdout.splitlines()] == ["good.png"]
    assert "Skipped: bad.png is not an image" in skipped.stderr
    raised = run(folder, "--on_error=raise", "bad.png", "good.png")
    assert (raised.returncode, raised.stdout) == (1, "")
    assert raised.stderr.strip().splitlines()[-1].startswith("error: bad.png is not an image")
    both = run(folder, "--json", "--csv", "good.png")
    assert both.returncode == 1
    assert "choose one of --json and --csv" in both.stderr


def test_evaluate_takes_an_id_of_weights_for_the_model(monkeypatch, tiny_cifar):
    by_id, by_names = (
        keras_resnet_command(monkeypatch, "evaluate", *model, f"--data_dir={tiny_cifar}")
        for model in (["--model=keras_resnet/resnet20_cifar.cifar10"], ["--model=resnet20_cifar", "--weights=cifar10"])
    )
    assert (by_id.code, by_names.code) == (0, 0)
    assert by_id.stdout.splitlines()[-1] == by_names.stdout.splitlines()[-1]
    assert by_id.stdout.splitlines()[-1].startswith("test accuracy ")
