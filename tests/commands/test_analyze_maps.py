"""The commands `analyze maps` and `analyze features`."""

import csv

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from tests.commands.running import keras_resnet_command
from tests.exporting.nets import small_net
from tests.photos import encode, scene

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of three classes, and two photos."""
    path = tmp_path_factory.mktemp("photos")
    model = small_net("resnet20_cifar", classes=3, classifier_activation="softmax")
    model.class_names = ("ant", "bee", "cat")
    model.save(path / "net.keras")
    model.save(path / "exported")
    for seed in range(2):
        (path / f"photo{seed}.png").write_bytes(encode(scene(40, 50, seed)))
    return path


@pytest.fixture
def run(folder, monkeypatch, tmp_path):
    """Runs a subject of `keras-resnet analyze` in the folder; results go to another one."""
    monkeypatch.chdir(folder)
    return lambda *arguments: keras_resnet_command(monkeypatch, "analyze", *arguments, f"--output={tmp_path}")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_maps_of_photos(run, tmp_path):
    ended = run("maps", "net.keras", "photo*.png", "--grid=4")
    assert ended.code == 0, ended.stderr
    for name in ("photo0.png", "photo1.png"):
        assert f"{name}: " in ended.stdout
    assert "Rank correlation of Grad-CAM with occlusion over the patches: " in ended.stdout
    with Image.open(tmp_path / "maps.png") as picture:
        assert picture.width == 800
    table = rows(tmp_path / "maps.csv")
    assert len(table) == 2 * 4**2
    [prediction] = keras_resnet.predict("net.keras", "photo0.png", top=1)
    assert (table[0]["image"], table[0]["class"]) == ("photo0.png", prediction[0][0])
    np.testing.assert_allclose(float(table[0]["probability"]), prediction[0][1], atol=1e-5)
    assert [(row["row"], row["column"]) for row in table[3:6]] == [("1", "4"), ("2", "1"), ("2", "2")]
    assert all(np.isfinite([float(row["drop"]), float(row["grad_cam"])]).all() for row in table)


def test_maps_of_a_named_class(run, tmp_path):
    assert run("maps", "net.keras", "photo0.png", "--class_name=bee", "--grid=2").code == 0
    assert {row["class"] for row in rows(tmp_path / "maps.csv")} == {"bee"}
    wrong = run("maps", "net.keras", "photo0.png", "--class_name=bees")
    assert (wrong.code, wrong.stderr) == (1, "error: Unknown class 'bees'; did you mean 'bee'?\n")


def test_maps_of_an_exported_model(run, tmp_path):
    ended = run("maps", "exported", "photo0.png", "--grid=2")
    assert ended.code == 0, ended.stderr
    assert "Left out Grad-CAM, which needs a Keras model" in ended.stdout
    assert [row["grad_cam"] for row in rows(tmp_path / "maps.csv")] == [""] * 4
    assert (tmp_path / "maps.png").is_file()


def test_layer_of_an_exported_model_is_refused(run):
    ended = run("maps", "exported", "photo0.png", "--layer=stem_conv")
    assert (ended.code, ended.stderr) == (1, "error: --layer needs a Keras model; exported runs in saved_model.\n")


def test_unreadable_images_are_named_and_skipped(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"damaged")
    ended = run("maps", "net.keras", tmp_path / "bad.png", "photo1.png", "--grid=2")
    assert ended.code == 1
    assert f"{tmp_path}/bad.png: error: {tmp_path}/bad.png is not an image in a known format" in ended.stdout
    assert {row["image"] for row in rows(tmp_path / "maps.csv")} == {"photo1.png"}
    alone = run("maps", "net.keras", tmp_path / "bad.png", f"--output={tmp_path}/none")
    assert alone.code == 1


def test_features_of_a_photo(run, tmp_path):
    ended = run("features", "net.keras", "photo0.png", "--channels=4")
    assert ended.code == 0, ended.stderr
    assert "stem_conv has 16 filters of 3 x 3 weights on 3 channels." in ended.stdout
    for name in ("filters.png", "features.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width == 800
    table = rows(tmp_path / "features.csv")
    assert len(table) == 16 + 16 + 32 + 64
    strengths = [float(row["mean_absolute"]) for row in table if row["layer"] == "stem_relu"]
    assert strengths == sorted(strengths, reverse=True)


def test_features_of_named_layers(run, tmp_path):
    assert run("features", "net.keras", "photo0.png", "--layer=stem_conv,stage2_block1_conv1").code == 0
    assert {row["layer"] for row in rows(tmp_path / "features.csv")} == {"stem_conv", "stage2_block1_conv1"}


def test_filters_on_other_channels_than_colors_are_not_drawn(run, tmp_path):
    layers = [keras.layers.Reshape((16, 16, 12)), keras.layers.Conv2D(4, 3, name="conv")]
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, "softmax")]
    keras.Sequential([keras.Input((32, 32, 3)), *layers, *head]).save(tmp_path / "own.keras")
    ended = run("features", tmp_path / "own.keras", "photo0.png", "--layer=conv")
    assert ended.code == 0, ended.stderr
    assert "Left out filters.png: conv takes 12 channels, which are no colors." in ended.stdout
    assert "conv has 4 filters of 3 x 3 weights on 12 channels." in ended.stdout
    assert "sparser" not in ended.stdout  # than what, with one layer?
    assert not (tmp_path / "filters.png").exists()
    assert (tmp_path / "features.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["net.keras", "photo0.png", "--layer=stem"], "Unknown layer with feature maps 'stem'; did you mean 'stem_"),
        (["net.keras", "."], "has 2 images; name one."),
        (["net.keras", "missing.png"], "missing.png cannot be read"),
        (["exported", "photo0.png"], "exported runs in saved_model; feature maps need a Keras model."),
        (["no_such_run", "photo0.png"], "Unknown run directory, .keras file, weights, or variant 'no_such_run'"),
    ],
)
def test_wrong_arguments_of_features_get_a_sentence(run, arguments, sentence):
    ended = run("features", *arguments)
    assert ended.code == 1
    assert ended.stderr.startswith("error: ")
    assert sentence in ended.stderr


def test_features_of_a_grayscale_model(run, tmp_path):
    small_net("resnet20_cifar", input_shape=(32, 32, 1), mean=0, std=64).save(tmp_path / "gray.keras")
    assert run("features", tmp_path / "gray.keras", "photo0.png").code == 0
    assert run("maps", tmp_path / "gray.keras", "photo0.png", "--grid=2").code == 0
    assert (tmp_path / "filters.png").is_file()
    assert (tmp_path / "maps.png").is_file()


def test_model_of_any_size_takes_whole_images(run, tmp_path):
    small_net("resnet20_cifar", input_shape=(None, None, 3)).save(tmp_path / "any.keras")
    (tmp_path / "tall.png").write_bytes(encode(scene(60, 33)))
    ended = run("maps", tmp_path / "any.keras", "photo0.png", tmp_path / "tall.png", "--grid=3")
    assert ended.code == 0, ended.stderr
    assert len(rows(tmp_path / "maps.csv")) == 2 * 3**2
