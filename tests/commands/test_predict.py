"""The command `predict`: lines, JSON and CSV."""

import csv
import io
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import create_model, export
from keras_resnet.commands.opening import needs_tensorflow, open_in_runtime
from tests.commands.running import keras_resnet_command
from tests.runtimes.exported import onnx_mean


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


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return lambda *arguments: keras_resnet_command(monkeypatch, "predict", *arguments)


def test_every_format_accounts_for_every_image(run):
    lines = run("net.keras", "bad.png", "good.png", "--top=1")
    assert lines.code == 1
    bad, good = lines.stdout.splitlines()
    assert bad.startswith("bad.png: error: bad.png is not an image in a known format")
    assert good.startswith("good.png: ")

    objects = run("net.keras", "--json", "bad.png", "good.png")
    assert objects.code == 1
    bad, good = map(json.loads, objects.stdout.splitlines())
    assert (set(bad), bad["image"]) == ({"image", "error"}, "bad.png")
    assert {row["class"] for row in good["classes"]} == {"cat, or kitten", "dog"}
    assert sum(row["probability"] for row in good["classes"]) == pytest.approx(1)

    table = run("net.keras", "--csv", "bad.png", "good.png")
    assert table.code == 1
    bad, *good = csv.DictReader(io.StringIO(table.stdout))
    assert (bad["image"], bad["class"], bad["error"].split(" ")[0]) == ("bad.png", "", "bad.png")
    assert [(row["image"], row["rank"], row["error"]) for row in good] == [("good.png", "1", ""), ("good.png", "2", "")]
    assert {row["class"] for row in good} == {"cat, or kitten", "dog"}


def test_what_unreadable_images_do(run):
    skipped = run("net.keras", "--json", "--on_error=skip", "bad.png", "good.png")
    assert skipped.code == 0
    assert [json.loads(line)["image"] for line in skipped.stdout.splitlines()] == ["good.png"]
    assert "Skipped: bad.png is not an image" in skipped.stderr
    raised = run("net.keras", "--on_error=raise", "bad.png", "good.png")
    assert (raised.code, raised.stdout) == (1, "")
    assert raised.stderr.strip().splitlines()[-1].startswith("error: bad.png is not an image")


def test_two_models_of_sigmoids_answer_the_same_in_predict_and_serve(folder):
    """Their rows do not sum to 1, but are no logits. One of them is an export, which has metadata."""
    model = create_model("resnet20_cifar", depths=(1,), widths=(4,), classes=2, classifier_activation="sigmoid")
    model.save(folder / "labels.keras")
    export(model, folder / "exported.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    expected = model.predict(images, verbose=0)
    assert abs(expected.sum(1) - 1).max() > 0.1
    for name, precision in (("labels.keras", "unknown"), ("exported.keras", "float32")):
        assert needs_tensorflow(name)
        opened = open_in_runtime(str(folder / name))
        np.testing.assert_allclose(opened(images), expected, atol=1e-5)
        assert (opened.runtime, opened.metadata.precision) == ("keras", precision)


def test_a_model_of_another_runtime_needs_no_keras(run, folder):
    """It returns the mean of each channel."""
    onnx_mean(folder / "net.onnx", ["batch", 8, 8, 3])
    (folder / "green.png").write_bytes(tf.io.encode_png(np.full((8, 8, 3), (0, 255, 0), "uint8")).numpy())
    assert run("net.onnx", "green.png", "--top=1") == (0, "green.png: 1 1.0000\n", "")
