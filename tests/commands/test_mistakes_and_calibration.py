"""`keras-resnet analyze mistakes` and `analyze calibration` on generated images, and `keras-resnet compare`."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from tests.commands.running import keras_resnet_command
from tests.photos import write_scenes
from tests.reporting.runs import write_run


@pytest.fixture
def run(monkeypatch):
    return lambda *arguments: keras_resnet_command(monkeypatch, *arguments)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """The path of a small net with random weights, large enough that its probabilities differ."""
    keras.utils.set_random_seed(0)
    model = keras_resnet.create_model("resnet20_cifar", depths=(1, 1), widths=(8, 16))
    model.get_layer("logits").kernel.assign(10 * model.get_layer("logits").kernel)
    path = tmp_path_factory.mktemp("net") / "net.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def expected(net, tiny_cifar):
    """(probabilities, labels) of the test images by Keras alone."""
    data = keras_resnet.load_data("cifar10", data_dir=tiny_cifar)
    return keras_resnet.load_model(net).predict(data.test.images, verbose=0), data.test.labels


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def size_of(picture):
    with Image.open(picture) as opened:
        return opened.size


def test_calibration_of_sigmoids_is_refused(run, tiny_cifar, tmp_path):
    model = keras_resnet.create_model("resnet20_cifar", depths=(1, 1), widths=(8, 16), classifier_activation="sigmoid")
    model.save(tmp_path / "net.keras")
    code, _, stderr = run("analyze", "calibration", tmp_path / "net.keras", f"--data_dir={tiny_cifar}")
    assert code == 1
    assert "ends in a sigmoid for each class" in stderr


def test_mistakes(net, expected, run, tiny_cifar, tmp_path):
    probabilities, labels = expected
    code, stdout, stderr = run("analyze", "mistakes", net, f"--data_dir={tiny_cifar}", f"--output={tmp_path}")
    assert (code, stderr) == (0, "")
    said = probabilities.argmax(axis=1)
    right = int((said == labels).sum())
    assert f"{right} of 20 test images are right ({right / 20:.4f})." in stdout
    counts = {
        (int(row["class"]), int(row["prediction"])): int(row["images"]) for row in table(tmp_path / "confusion.csv")
    }
    pairs = list(zip(labels.tolist(), said.tolist(), strict=True))
    assert counts == {pair: pairs.count(pair) for pair in pairs}
    mistakes = table(tmp_path / "mistakes.csv")
    assert {int(row["position"]) for row in mistakes} == set(np.flatnonzero(said != labels))
    order = [float(row["probability"]) for row in mistakes]
    assert order == sorted(order, reverse=True)
    for row in mistakes:
        position = int(row["position"])
        assert row["image"] == f"image {position}"
        assert float(row["probability"]) == pytest.approx(probabilities[position].max(), rel=1e-4)
        assert (int(row["label"]), int(row["prediction"])) == (labels[position], said[position])
    for name in ("confusion.png", "mistakes.png"):
        assert size_of(tmp_path / name)[0] == 800


def test_a_model_without_mistakes_leaves_none_of_an_earlier_one(net, run, tiny_cifar, tmp_path):
    flags = (f"--data_dir={tiny_cifar}", f"--output={tmp_path / 'out'}")
    assert run("analyze", "mistakes", net, *flags).code == 0
    assert {file.name for file in (tmp_path / "out").glob("mistakes.*")} == {"mistakes.csv", "mistakes.png"}
    brightness = 49.5 + 15 * np.arange(10)  # the mean of the images of each class
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    model.set_weights([np.tile(2 * brightness / 3, (3, 1)), -(brightness**2)])
    model.save(tmp_path / "right.keras")
    code, stdout, stderr = run("analyze", "mistakes", tmp_path / "right.keras", *flags)
    assert (code, stderr) == (0, "")
    assert stdout.splitlines()[-1] == "20 of 20 test images are right (1.0000)."
    assert not list((tmp_path / "out").glob("mistakes.*"))
    assert all(row["class"] == row["prediction"] for row in table(tmp_path / "out" / "confusion.csv"))


def test_fewer_images_keep_their_positions_in_the_split(net, expected, run, tiny_cifar, tmp_path):
    probabilities, labels = expected
    flags = (f"--data_dir={tiny_cifar}", f"--output={tmp_path}", "--images=10")
    assert run("analyze", "mistakes", net, *flags).code == 0
    assert sum(int(row["images"]) for row in table(tmp_path / "confusion.csv")) == 10
    for row in table(tmp_path / "mistakes.csv"):
        position = int(row["position"])
        assert int(row["label"]) == labels[position]
        assert float(row["probability"]) == pytest.approx(probabilities[position].max(), rel=1e-4)


def test_calibration(net, expected, run, tiny_cifar, tmp_path):
    code, stdout, stderr = run("analyze", "calibration", net, f"--data_dir={tiny_cifar}", f"--output={tmp_path}")
    assert (code, stderr) == (0, "")
    summary = json.loads((tmp_path / "calibration.json").read_text())
    assert summary["fitted_on"] == summary["measured_on"] == {"split": "test", "images": 10}
    assert f"ECE {100 * summary['before']['expected_calibration_error']:.2f} %" in stdout
    assert f"A temperature of {summary['after']['temperature']:.3f}, fitted on 10 other test images" in stdout
    assert summary["before"]["accuracy"] == summary["after"]["accuracy"]
    rows = table(tmp_path / "calibration.csv")
    assert len(rows) == 2 * 15
    for temperature in (rows[0]["temperature"], rows[-1]["temperature"]):
        of_this = [row for row in rows if row["temperature"] == temperature]
        assert sum(int(row["images"]) for row in of_this) == 10
        gaps = [
            int(row["images"]) * abs(float(row["confidence"]) - float(row["accuracy"]))
            for row in of_this
            if row["images"] != "0"
        ]
        name = "before" if temperature == "1.0" else "after"
        assert sum(gaps) / 10 == pytest.approx(summary[name]["expected_calibration_error"], abs=1e-6)
    assert size_of(tmp_path / "calibration.png") == (800, 600)


@pytest.mark.exhaustive
def test_a_run_brings_its_images_and_its_validation_split_fits_the_temperature(run, tmp_path):
    for split, count in (("train", 4), ("val", 3), ("test", 5)):
        write_scenes(tmp_path / "photos" / split, ["ant", "bee"], count)
    recipe = keras_resnet.Recipe(epochs=1, batch_size=8, learning_rate=0.01, image_size=16)
    model = keras_resnet.ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(16, 16, 3), classes=2)
    data = keras_resnet.load_data(tmp_path / "photos", recipe)
    result = keras_resnet.train(model, data, recipe, tmp_path / "run", verbose=0)
    code, _, stderr = run("analyze", "calibration", tmp_path / "run")
    assert (code, stderr) == (0, "")
    summary = json.loads((tmp_path / "run" / "analysis" / "calibration.json").read_text())
    assert summary["fitted_on"] == {"split": "validation", "images": 6}
    assert summary["measured_on"] == {"split": "test", "images": 10}
    assert run("analyze", "mistakes", tmp_path / "run").code == 0
    counts = table(tmp_path / "run" / "analysis" / "confusion.csv")
    assert sum(int(row["images"]) for row in counts) == result.images == 10
    assert {row["class"] for row in counts} == {"ant", "bee"}


def test_compare(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "plain", 4, accuracy=0.9)
    write_run(tmp_path / "residual", 2)
    code, stdout, stderr = run("compare", "plain", "residual")
    assert (code, stderr) == (0, "")
    assert stdout.splitlines() == ["plain: accuracy 0.9000", "residual: not complete", "Wrote compare.html."]
    assert (tmp_path / "compare.html").is_file()
    assert run("compare", "plain").stderr == "usage: keras-resnet compare [flags] RUN RUN...\n"
    assert run("compare", "plain", "plain").stderr.endswith("plain is given twice.\n")
