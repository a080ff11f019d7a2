"""`keras-resnet analyze lesions`, `surface` and `construction` on small data."""

import csv
import json
import re

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from tests.analysis.networks import randomized
from tests.commands.running import keras_resnet_command


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Files of a residual and a plain network for CIFAR's images."""
    folder = tmp_path_factory.mktemp("networks")
    keras.utils.set_random_seed(0)
    for name, residual in (("residual", True), ("plain", False)):
        model = keras_resnet.ResNet(
            "basic", (2, 2), widths=(4, 8), stem="cifar", input_shape=(32, 32, 3), classes=10, residual=residual
        )
        randomized(model).save(folder / f"{name}.keras")
    return folder


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(monkeypatch, *arguments):
    ended = keras_resnet_command(monkeypatch, "analyze", *arguments)
    assert ended.code == 0, ended.stderr
    return ended.stdout


def test_lesions(monkeypatch, networks, tiny_cifar, tmp_path):
    names = [networks / "residual.keras", networks / "plain.keras"]
    flags = [f"--data_dir={tiny_cifar}", "--images=20", "--draws=1", f"--output={tmp_path}"]
    printed = run(monkeypatch, "lesions", *names, *flags)
    rows = table(tmp_path / "lesions.csv")
    assert [row["network"] for row in rows if row["lesion"] == "none"] == ["residual", "plain"]
    removed = [row["blocks"] for row in rows if row["lesion"] == "removal" and row["network"] == "plain"]
    assert removed == ["stage1_block1", "stage1_block2", "stage2_block2"]
    intact = keras_resnet.evaluate(
        keras_resnet.load_model(names[0]), keras_resnet.load_data("cifar10", data_dir=tiny_cifar), verbose=0
    )
    assert float(rows[0]["error_percent"]) == pytest.approx(100 * (1 - intact.accuracy), abs=0.01)
    assert f"residual: error {rows[0]['error_percent']} % with all 4 blocks; without one of 4 blocks" in printed
    assert "Veit et al. 2016" in printed
    with Image.open(tmp_path / "lesions.png") as picture:
        assert picture.size == (800, 700)


def test_lesions_of_networks_of_one_block(monkeypatch, tiny_cifar, tmp_path):
    """The plain one changes the shape, so that its block cannot be removed; there are no two blocks to swap."""
    options = dict(widths=(8,), stem_width=4, stem="cifar", input_shape=(32, 32, 3), classes=10)
    for name, residual in (("residual", True), ("plain", False)):
        keras_resnet.ResNet("basic", (1,), residual=residual, **options).save(tmp_path / f"{name}.keras")
    flags = [f"--data_dir={tiny_cifar}", "--images=10", f"--output={tmp_path}"]
    printed = run(monkeypatch, "lesions", tmp_path / "residual.keras", tmp_path / "plain.keras", *flags)
    residual, plain, verdict = printed.splitlines()[-3:]
    assert re.fullmatch(r"residual: error \S+ % with .*; without one block .* \(stage1_block1\)\.", residual)
    assert re.fullmatch(r"plain: error \S+ % with its one block\.", plain)
    assert verdict.endswith("and a plain one guesses.")  # nothing is compared
    lesions = [(row["network"], row["lesion"]) for row in table(tmp_path / "lesions.csv")]
    assert lesions == [("residual", "none"), ("residual", "removal"), ("plain", "none")]
    assert (tmp_path / "lesions.png").is_file()


def test_surface(monkeypatch, networks, tiny_cifar, tmp_path):
    names = [networks / "residual.keras", networks / "plain.keras"]
    flags = [f"--data_dir={tiny_cifar}", "--images=10", "--points=3", f"--output={tmp_path}"]
    printed = run(monkeypatch, "surface", *names, *flags)
    rows = table(tmp_path / "surface.csv")
    assert len(rows) == 2 * 9
    center = rows[4]
    assert (center["step_1"], center["step_2"]) == ("0", "0")
    [printed_loss] = re.findall(r"residual: loss (\S+) at its weights", printed)
    assert float(printed_loss) == pytest.approx(float(center["loss"]), abs=1e-4)
    for name, size in (("surface", (800, 390)), ("profile", (800, 450))):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == size


def test_construction_without_training(monkeypatch, networks, tiny_cifar, tmp_path):
    flags = [f"--data_dir={tiny_cifar}", "--images=20", f"--output={tmp_path}"]
    printed = run(monkeypatch, "construction", networks / "plain.keras", *flags)
    given, constructed = table(tmp_path / "construction.csv")
    assert (given["blocks"], constructed["blocks"]) == ("2-2", "6-6")
    assert float(constructed["loss"]) == pytest.approx(float(given["loss"]), abs=1e-5)
    assert "with 4 blocks has the loss" in printed
    assert "with 12 blocks" in printed
    images = np.zeros((1, 32, 32, 3))
    outputs = [
        keras_resnet.load_model(path)(images) for path in (networks / "plain.keras", tmp_path / "constructed.keras")
    ]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    assert not (tmp_path / "construction.png").exists()


@pytest.mark.exhaustive
def test_construction_with_training(monkeypatch, networks, tiny_cifar, tmp_path):
    flags = [f"--data_dir={tiny_cifar}", "--images=20", f"--output={tmp_path}", "--depths=2,3"]
    training = ["--epochs=1", "--batch_size=30", "--learning_rate=0.01"]
    printed = run(monkeypatch, "construction", networks / "residual.keras", *flags, *training)
    rows = table(tmp_path / "construction_training.csv")
    assert [(row["start"], row["epoch"]) for row in rows] == [
        (start, epoch) for start in ("constructed", "from scratch") for epoch in ("0", "1")
    ]
    given, constructed = table(tmp_path / "construction.csv")
    assert float(rows[0]["loss"]) == pytest.approx(float(constructed["loss_with_batch_statistics"]), abs=1e-6)
    recipe = json.loads((tmp_path / "from_scratch" / "recipe.json").read_text())["recipe"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["learning_rate"]) == (1, 30, 0.01)
    assert "He et al. 2015" in printed
    with Image.open(tmp_path / "construction.png") as picture:
        assert picture.size == (800, 450)
    assert given["blocks"] == "2-2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["surface", "resnet20_cifar", "--points=4"], "--points=4 must be odd"),
        (["construction", "resnet20_cifar", "--learning_rate=0.1"], "--learning_rate: only with --epochs"),
        (["construction", "resnet20_cifar", "--depths=0,1,1"], "--depths must be above 0."),
        (["lesions", "resnet20_cifar", "resnet20_cifar"], "resnet20_cifar is named twice."),
    ],
)
def test_wrong_flags(monkeypatch, arguments, message):
    ended = keras_resnet_command(monkeypatch, "analyze", *arguments)
    assert ended.code == 1
    assert message in ended.stderr
