"""The weights that come with this package, against the trained networks, and the images that they classify."""

import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tarfile

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import keras_resnet
from keras_resnet import create_model, evaluate, find_weights, load_data, load_weights
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.files import checksum
from keras_resnet.preprocessing import class_names, get_normalization
from keras_resnet.recipes import RECIPES, override, recipe_from_json, settings
from keras_resnet.view import View
from keras_resnet.weights.downloads import PACKAGED, fetch_weights
from keras_resnet.weights.packaging import write_weights
from scripts.package_weights import RECORDS, package
from tests.conftest import REPOSITORY
from tests.golden.record_packaged import TARGET, images
from tests.training.nets import assert_equal_weights
from tests.weights.test_loading import unchanged
from tests.weights.test_pretrained import ROWS

LIMIT = 8_000_000  # bytes of all files together
MEAN = (125.307, 122.950, 113.865)  # of CIFAR-10's 50,000 training images, as airbench and others state it
IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # mean and standard deviation, as torchvision states them
GOLDEN = json.loads(TARGET.read_text(encoding="utf-8"))
each_row = pytest.mark.parametrize("row", [row for row in ROWS if row.packaged], ids=lambda row: row.id)


@pytest.fixture
def no_downloads(tmp_path, monkeypatch):
    """Nothing can be downloaded: Keras's folder cannot be written, and no server answers."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    for variable in ("KERAS_RESNET_MIRROR", "HF_ENDPOINT"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")


def test_files_are_those_of_the_table_and_small():
    files = {path.name: path.stat().st_size for path in PACKAGED.iterdir()}
    assert sorted(files) == sorted(row.file for row in ROWS if row.packaged)
    assert sum(files.values()) <= LIMIT


@each_row
def test_row_says_how_the_weights_were_trained(row):
    assert row.checksum == f"sha256:{checksum(PACKAGED / row.file)}"
    assert (row.licence, row.view) == ("apache-2.0", View((32, 32), 1.0, "bilinear"))
    assert re.fullmatch("[0-9a-f]{40}", row.training.commit)
    folder = (REPOSITORY / row.training.log).parent
    recipe, result = (json.loads((folder / name).read_text()) for name in ("recipe.json", "result.json"))
    assert recipe["model"]["name"] == row.variant
    trained = settings(override(RECIPES[row.training.recipe], seed=row.training.seed))
    assert settings(recipe_from_json(recipe["recipe"])) == trained
    with (folder / "classes.csv").open(encoding="utf-8") as file:
        single_view = sum(int(each["correct"]) for each in csv.DictReader(file))
    if RECIPES[row.training.recipe].test_protocol == "center":
        assert abs(result["top1_correct"] - single_view) <= 3  # rounded to float16, and on another processor
    assert abs(single_view - row.training.correct) <= 2
    assert result["images"] == row.training.test_images == 10_000
    log = (REPOSITORY / row.training.log).read_text().splitlines()
    assert len(log) - 1 >= int(recipe["recipe"]["epochs"])


@each_row
def test_logits_are_those_of_the_trained_network(row, no_downloads):
    model = create_model(row.variant, weights=row.id, classifier_activation=None)
    expected = np.array(GOLDEN[row.file.removesuffix(".safetensors")])
    logits = model.predict(images(), verbose=0)
    assert np.abs(logits - expected).max() < 2e-3 * np.abs(expected).max()  # float16 rounds by up to 5e-4


@each_row
def test_weights_by_name_bring_normalization_view_and_classes(row, no_downloads):
    name = "cifar10" if row.default else row.id
    model = create_model(row.variant, weights=name)
    assert model.input_shape == (None, 32, 32, 3)
    assert (model.view, model.class_names) == (row.view, class_names("cifar10"))
    assert model.weights_source == row.id
    mean, std = get_normalization(model)
    if RECIPES[row.training.recipe].per_pixel_mean:
        assert np.abs(mean.mean((0, 1)) - MEAN).max() < 0.1
        assert (mean.shape, std.tolist()) == ((32, 32, 3), [1, 1, 1])
        assert np.ptp(mean, axis=(0, 1)).min() > 5  # a mean image
    else:
        assert [values.tolist() for values in (mean, std)] == [pytest.approx(values) for values in IMAGENET]
    stored = load_file(PACKAGED / row.file)
    np.testing.assert_array_equal(mean.astype("float32"), stored["normalization/mean"].astype("float32"))
    loaded = load_weights(create_model(row.variant), name)
    np.testing.assert_array_equal(loaded(images()), model(images()))
    ((best, _),) = keras_resnet.predict(model, images()[0], top=1)[0]
    assert best == class_names("cifar10")[np.argmax(GOLDEN[row.file.removesuffix(".safetensors")][0])]


@pytest.mark.exhaustive
@each_row
def test_weights_classify_as_many_test_images_right_as_the_table_says(row, local_data):
    data = load_data("cifar10", data_dir=local_data / "tfds")
    result = evaluate(create_model(row.variant, weights=row.id), data, "test")
    assert result.images == row.training.test_images
    assert abs(result.top1_correct - row.training.correct) <= 2


@each_row
def test_id_stands_for_the_model(row, no_downloads):
    model = keras_resnet.load_model(row.id)
    assert (model.name, model.view) == (row.variant, row.view)
    assert_equal_weights(model, create_model(row.variant, weights=row.id))
    best = [prediction[0][0] for prediction in keras_resnet.predict(row.id, images())]
    assert best == [model.class_names[output] for output in model(images()).numpy().argmax(axis=1)]


def test_a_run_of_the_same_name_comes_before_the_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "keras_resnet" / "resnet20_cifar.cifar10"
    folder.mkdir(parents=True)
    create_model("resnet20_cifar", classes=3, name="own").save(folder / "final.keras")
    assert keras_resnet.load_model("keras_resnet/resnet20_cifar.cifar10").name == "own"


def test_other_classifiers_and_features(no_downloads):
    with pytest.warns(UserWarning, match="another number of classes"):
        model = keras_resnet.ResNet20Cifar(weights="cifar10", classes=3)
    assert (model.output_shape, model.class_names) == ((None, 3), None)
    features = keras_resnet.ResNet20Cifar(weights="cifar10", include_top=False, pooling="avg")
    whole = keras_resnet.ResNet20Cifar(weights="cifar10", classifier_activation=None)
    logits = whole.get_layer("logits")(features(images()))
    np.testing.assert_allclose(logits, whole(images()), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_two_devices_say_the_same(no_downloads):
    with mirrored().scope():
        on_two = keras_resnet.ResNet20Cifar(weights="cifar10")
    probabilities = keras_resnet.ResNet20Cifar(weights="cifar10")(images())
    np.testing.assert_allclose(on_two.predict(images(), verbose=0), probabilities, atol=1e-5)


def test_mean_image_of_another_size_changes_nothing():
    model = create_model("resnet20_cifar", input_shape=(40, 48, 3))
    before, normalization = model.get_weights(), get_normalization(model)
    expected = r"has a mean image of 32x32 pixels, so resnet20_cifar must .* input_shape=\(32, 32, 3\)"
    for source in ("cifar10", PACKAGED / "resnet20_cifar.cifar10.safetensors"):
        with pytest.raises(ValueError, match=expected):
            load_weights(model, source)
    assert unchanged(model, before)
    np.testing.assert_array_equal(get_normalization(model)[0], normalization[0])
    without = create_model("resnet20_cifar", weights="cifar10", input_shape=(40, 48, 3), include_preprocessing=False)
    assert without.view.size == (40, 48)


def test_damaged_or_missing_file_says_what_to_do():
    row = find_weights("resnet20_cifar", "cifar10")
    with pytest.raises(
        ValueError, match=r"resnet20_cifar\.cifar10\.safetensors is damaged; install this package again"
    ):
        fetch_weights(dataclasses.replace(row, checksum="sha256:" + "0" * 64))
    with pytest.raises(ValueError, match=r"net\.safetensors is missing; install this package again"):
        fetch_weights(dataclasses.replace(row, file="net.safetensors"))


# ---------------------------------------------------------------------------------------------
# Writing such a file


@pytest.mark.parametrize("mean", [(120.5, 110.25, 100.1), np.random.default_rng(0).uniform(90, 160, (32, 32, 3))])
def test_written_weights_are_rounded_and_the_normalization_is_not(mean, tmp_path):
    keras.utils.set_random_seed(0)
    model = create_model("resnet20_cifar", mean=mean, std=(50, 60.5, 70))
    model.get_layer("stem_bn").moving_variance.assign(np.full(16, 1e6))  # beyond float16
    write_weights(model, tmp_path / "net.safetensors")
    other = load_weights(create_model("resnet20_cifar"), tmp_path / "net.safetensors")
    for before, after in zip(model.weights, other.weights, strict=True):
        before = np.asarray(before)
        rounded = before.astype("float16").astype("float32") if before.ndim > 1 else before
        np.testing.assert_array_equal(after, rounded)
    np.testing.assert_allclose(get_normalization(other)[0], mean, rtol=1e-6)
    np.testing.assert_allclose(get_normalization(other)[1], (50, 60.5, 70), rtol=1e-6)


def test_model_without_normalization_is_written(tmp_path):
    model = create_model("resnet8")
    assert get_normalization(model) is None
    write_weights(model, tmp_path / "net.safetensors")
    assert not any(name.startswith("normalization") for name in load_file(tmp_path / "net.safetensors"))
    load_weights(model, tmp_path / "net.safetensors")


def test_weights_beyond_float16_are_refused(tmp_path):
    model = create_model("resnet20_cifar")
    (tmp_path / "net.safetensors").write_bytes(b"earlier")
    model.get_layer("stem_conv").kernel.assign(np.full((3, 3, 3, 16), 7e4))
    with pytest.raises(ValueError, match=r"stem_conv/kernel of resnet20_cifar contains .* too large for float16"):
        write_weights(model, tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").read_bytes() == b"earlier"


@pytest.fixture
def run(tmp_path):
    """The run directory of a network that nobody trained."""
    recipe = {**settings(RECIPES["cifar_he2015"]), "seed": 7}
    folder = tmp_path / "run"
    folder.mkdir()
    record = {
        "model": {"name": "resnet20_cifar"},
        "recipe": recipe,
        "data": {"view": {"size": [32, 32]}},
        "environment": {"commit": "1" * 40 + "-dirty"},
    }
    (folder / "recipe.json").write_text(json.dumps(record))
    (folder / "result.json").write_text("{}")
    (folder / "log.csv").write_text("epoch,loss\n0,1.0\n")
    keras.utils.set_random_seed(0)
    create_model("resnet20_cifar", mean=130, std=60, classifier_activation=None).save(folder / "final.keras")
    return folder


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    arrays = random.integers(0, 256, (20, 32, 32, 3)).astype("uint8"), np.arange(20) % 10
    return load_data((arrays, arrays))


def test_run_is_packaged_with_its_records(run, data, tmp_path):
    repository = tmp_path / "repository"
    folder = repository / "keras_resnet" / "weights"
    for name in ("resnet20_cifar.cifar10", "resnet20_cifar.other"):
        row = package(run, name, data, "2" * 40, repository)
    table = json.loads((folder / "packaged.json").read_text())
    assert list(table) == ["keras_resnet/resnet20_cifar.cifar10", "keras_resnet/resnet20_cifar.other"]
    assert [each["default"] for each in table.values()] == [True, False]
    assert table["keras_resnet/resnet20_cifar.other"] == row
    records = repository / "results" / "cifar_he2015" / "resnet20_cifar-seed7"
    assert all((records / name).read_bytes() == (run / name).read_bytes() for name in RECORDS if name != "recipe.json")
    recorded, copied = (json.loads((each / "recipe.json").read_text()) for each in (run, records))
    assert "data_source" not in copied
    assert copied == {key: value for key, value in recorded.items() if key != "data_source"}
    file = folder / "files" / row["file"]
    assert row["checksum"] == f"sha256:{checksum(file)}"
    packaged = create_model("resnet20_cifar", weights=file)
    labels = np.argmax(packaged(data.test.images.astype("float32")), axis=1)
    assert row["training"] == {
        "recipe": "cifar_he2015",
        "seed": 7,
        "commit": "2" * 40,
        "log": "results/cifar_he2015/resnet20_cifar-seed7/log.csv",
        "correct": (labels == data.test.labels).sum(),
        "test_images": 20,
    }


def test_runs_that_are_not_packaged(run, data, tmp_path):
    with pytest.raises(ValueError, match=r"recorded the commit 1+-dirty; give the --commit"):
        package(run, "resnet20_cifar.cifar10", data, None, tmp_path)
    with pytest.raises(ValueError, match=r"The name of weights of resnet20_cifar starts with 'resnet20_cifar\.'"):
        package(run, "resnet32_cifar.cifar10", data, "2" * 40, tmp_path)
    record = json.loads((run / "recipe.json").read_text())
    other = {**record, "data": {**record["data"], "name": "svhn_cropped 3.1.0", "fingerprints": {}}}
    (run / "recipe.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="run was not trained on cifar10"):
        package(run, "resnet20_cifar.cifar10", data, "2" * 40, tmp_path)
    record["recipe"]["epochs"] = 3.5
    (run / "recipe.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="recipe is not one of the table"):
        package(run, "resnet20_cifar.cifar10", data, "2" * 40, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


@pytest.mark.slow
def test_distributions_contain_all_data_files(tmp_path):
    pytest.importorskip("setuptools")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(
        REPOSITORY / "keras_resnet", tmp_path / "keras_resnet", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "sdist", "build"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    wanted = {str(path.relative_to(tmp_path)) for path in (tmp_path / "keras_resnet").rglob("*") if path.is_file()}
    assert len([path for path in wanted if path.endswith(".safetensors")]) == len(list(PACKAGED.iterdir()))
    built = {str(path.relative_to(tmp_path / "build" / "lib")) for path in (tmp_path / "build" / "lib").rglob("*")}
    assert wanted <= built
    (archive,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as content:
        assert wanted <= {name.partition("/")[2] for name in content.getnames()}
