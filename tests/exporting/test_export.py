"""`export`: what it refuses before any work, what it writes, and that nothing is left of what fails."""

import importlib
import json
import logging
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_resnet
from keras_resnet import create_model, export, fold_batchnorm
from keras_resnet.exporting import exporter, keras_file
from keras_resnet.exporting.exported import exported_model
from keras_resnet.exporting.verification import Difference, full_float32, verify
from keras_resnet.runtimes import Artifact, Metadata, open_artifact
from keras_resnet.runtimes.scores import softmax
from keras_resnet.view import View
from tests.exporting.artifacts import metadata_of
from tests.exporting.nets import TOLERANCE, families, in_float64, photos, relative, small_net
from tests.marks import few
from tests.photos import scene

PATHS = {"saved_model": "net", "keras": "net.keras", "onnx": "net.onnx", "litert": "net.tflite", "openvino": "net.xml"}


@pytest.fixture(scope="module")
def model():
    net = small_net("resnet20_cifar")
    net.class_names, net.view = tuple("abcdefg"), View((32, 32), 0.875, "bicubic")
    return net


@pytest.fixture
def messages(caplog):
    caplog.set_level(logging.INFO, "keras_resnet")
    return lambda: caplog.messages


@pytest.mark.parametrize("form", PATHS)
def test_artifact_opens_in_its_runtime_and_says_what_it_is(form, model, tmp_path, messages):
    path = export(model, tmp_path / PATHS[form], images=photos(5))
    assert path == tmp_path / PATHS[form]
    artifact = open_artifact(path)
    for count in (1, 3):
        assert relative(artifact(photos(count)), softmax(in_float64(model, photos(count)))) < 1e-5
    metadata = artifact.metadata
    assert (metadata.format, metadata.precision, metadata.name) == (form, "float32", "resnet20_cifar")
    assert (metadata.class_names, metadata.view, metadata.image_shape) == (model.class_names, model.view, (32, 32, 3))
    [message] = [message for message in messages() if message.startswith(str(path))]
    assert f"{form} in float32, " in message
    assert "of a probability on 5 images, the same class for 5" in message
    assert {file.name for file in tmp_path.iterdir()} == {path.name, *(["net.bin"] if form == "openvino" else [])}


@pytest.mark.parametrize("form", ["saved_model", "keras"])  # test_formats.py tests the others
@pytest.mark.parametrize(
    "name",
    few(families(), "resnetblur18"),
)
def test_every_variant_is_exported(name, form, tmp_path):
    keras.backend.clear_session()
    model, path = small_net(name), tmp_path / PATHS[form]
    module = importlib.import_module(exporter.FORMATS[form].module)
    module.write(fold_batchnorm(model), path, metadata_of(model, form), "float32")
    artifact = open_artifact(path)
    for count in (1, 3):
        assert relative(artifact(photos(count)), in_float64(model, photos(count))) < TOLERANCE


@pytest.mark.parametrize("form", few(PATHS, "saved_model"))
def test_artifact_of_the_same_format_is_overwritten_and_others_are_kept(form, model, tmp_path):
    path = tmp_path / PATHS[form]
    export(model, path)
    other = small_net("resnet20_cifar", widths=(8, 8, 8), shortcut="B")
    export(other, path)
    assert relative(open_artifact(path)(photos()), softmax(in_float64(other, photos()))) < 1e-5
    for blocked in ("text", "folder"):
        place = tmp_path / blocked / path.name
        place.parent.mkdir()
        if blocked == "text":
            place.write_text("my notes")
        else:
            place.mkdir()
            (place / "notes.txt").write_text("my notes")
        with pytest.raises(FileExistsError, match=f"exists and is not of the format {form}; choose another name"):
            export(model, place)
        assert "my notes" in [file.read_text() for file in place.parent.rglob("*") if file.is_file()]


@pytest.mark.parametrize(("form", "name"), [("keras", "net.keras"), ("saved_model", "net-1.5")])
def test_named_format_takes_its_suffix_or_one_that_no_format_has(form, name, model, tmp_path):
    assert open_artifact(export(model, tmp_path / name, format=form)).metadata.format == form


def test_file_with_the_name_of_the_weights_is_kept(model, tmp_path):
    (tmp_path / "net.bin").write_text("my notes")
    with pytest.raises(FileExistsError, match=r"net.bin exists and is not of the format openvino"):
        export(model, tmp_path / "net.xml")
    assert (tmp_path / "net.bin").read_text() == "my notes"


@pytest.mark.parametrize(
    ("path", "options", "error", "message"),
    [
        ("net.pb", {}, ValueError, "Unknown suffix of an exported model '.pb'"),
        ("net.onxx", {}, ValueError, "did you mean '.onnx'"),
        ("net", dict(format="onxx"), ValueError, "Unknown format 'onxx'; did you mean 'onnx'"),
        (
            "net.tflite",
            dict(format="onnx"),
            ValueError,
            "path of the format onnx must end in .onnx, not be .*net.tflite",
        ),
        ("net.onnx", dict(format="saved_model"), ValueError, "must not end in .onnx"),
        ("net.keras", dict(precision="int8"), ValueError, "Unknown precision of the format keras 'int8'"),
        ("net.onnx", dict(precision="int8"), ValueError, "int8 needs images for calibration: pass calibration="),
        ("net.onnx", dict(calibration=photos(20)), ValueError, "calibration is for precision='int8', not 'float32'"),
        ("net.onnx", dict(images="nowhere.jpg"), ValueError, "nowhere.jpg cannot be read"),
        ("net.onnx", dict(images=[]), ValueError, "no images to verify"),
        (5, {}, ValueError, "path=5 must be a path"),
    ],
)
def test_wrong_arguments_are_refused_before_work(path, options, error, message, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        export(model, path, **options)
    assert list(tmp_path.iterdir()) == []


def test_wrong_models_are_refused(model, tmp_path):
    with pytest.raises(TypeError, match=r"export takes a Keras model, a run directory, or the path of a .keras file"):
        export(5, tmp_path / "net.onnx")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export(tmp_path / "nowhere", tmp_path / "net.onnx")
    for name in ("net", "net.onnx"):
        export(model, tmp_path / name)
        with pytest.raises(ValueError, match=r"is an exported model; export the run or the .keras file"):
            export(tmp_path / name, tmp_path / "other.onnx")
    features = create_model("resnet20_cifar", include_top=False, depths=(1, 1, 1))
    with pytest.raises(ValueError, match="has no classifier"):
        export(features, tmp_path / "other.onnx")

    class Subclass(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"is not a functional model|does not take one batch|has no classifier"):
        export(Subclass(), tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_missing_package_names_the_extra(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r'tf2onnx is not installed; run: pip install "resnet-keras\[onnx\]"'):
        export(model, tmp_path / "net.onnx")


def test_broken_artifact_is_an_error_and_leaves_nothing(model, tmp_path, monkeypatch):
    before = export(model, tmp_path / "net.keras").read_bytes()
    broken = small_net("resnet20_cifar", classes=7)
    broken.set_weights([2 * weight for weight in broken.get_weights()])
    write = keras_file.write
    monkeypatch.setattr(keras_file, "write", lambda net, *rest: write(exported_model(broken), *rest))
    with pytest.raises(ValueError, match=r"differs from the model too much: largest difference .* Nothing was written"):
        export(model, tmp_path / "net.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["net.keras"]
    assert (tmp_path / "net.keras").read_bytes() == before


def test_error_of_a_converter_names_the_format(model, tmp_path, monkeypatch):
    def write(*arguments):
        pathlib.Path(arguments[1]).write_text("half")
        raise RuntimeError("Unsupported operation.\nmore")

    monkeypatch.setattr(keras_file, "write", write)
    with pytest.raises(ValueError, match=r"resnet20_cifar cannot be exported as keras \(Unsupported operation\)"):
        export(model, tmp_path / "net.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("precision", "relative", "agreeing", "large"),
    [
        ("float32", 9e-5, 3, False),
        ("float32", 2e-4, 10, True),
        ("int8", 0.3, 6, False),
        ("int8", 0.3, 4, True),
        ("int8", 0.01, 4, False),
        ("float16", 0.1, 5, True),
        ("float32", float("nan"), 0, True),
    ],
)
def test_what_is_a_large_difference(precision, relative, agreeing, large):
    assert Difference(relative / 10, relative, agreeing, 10).is_large(precision) == large


def test_tensorflow_computes_in_full_float32_until_the_comparison_ends():
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    assert enabled()
    with full_float32():
        assert not enabled()
    assert enabled()
    with pytest.raises(ValueError, match="differs"), full_float32():
        raise ValueError("differs")
    assert enabled()


class Recording(Artifact):
    """A model of two equally probable classes; it records whether TensorFlow rounds to TF32."""

    runtime = "recording"

    def _scores(self, images):
        self.rounds = tf.config.experimental.tensor_float_32_execution_enabled()
        return np.full((len(images), 2), 0.5)


def test_an_artifact_is_compared_in_full_float32():
    metadata = Metadata("net", "keras", "float32", (8, 8, 3), ("cat", "dog"))
    model, artifact = (Recording("net", metadata, (None, 8, 8, 3), (None, 2)) for _ in range(2))
    assert verify(model, artifact, photos(2)[:, :8, :8]).largest == 0
    assert (model.rounds, artifact.rounds) == (False, False)


def test_path_that_cannot_be_written_is_named(model, tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "net.keras"
    with pytest.raises(OSError, match=re.escape(f"{path} cannot be written (")):
        export(model, path)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_run_directory(model, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    model.save(run / "final.keras")
    (run / "labels.txt").write_text("".join(f"class {index}\n" for index in range(7)))
    (run / "result.json").write_text(json.dumps({"split": "test", "images": 10, "top1_correct": 9}))
    metadata = open_artifact(export(run, tmp_path / "net.keras")).metadata
    assert metadata.source == str(run)
    assert metadata.accuracy == {"split": "test", "images": 10, "top1_correct": 9}
    assert metadata.class_names[0] == "class 0"
    model.save(run / "best.keras")  # which result.json does not describe
    assert open_artifact(export(run, tmp_path / "best_net.keras")).metadata.accuracy == {}
    again = open_artifact(export(tmp_path / "net.keras", tmp_path / "again")).metadata
    assert (again.class_names, again.view) == (metadata.class_names, metadata.view)


def test_weights_by_their_id(tmp_path):
    metadata = open_artifact(export("keras_resnet/resnet20_cifar.cifar10", tmp_path / "net.keras")).metadata
    assert (metadata.source, metadata.accuracy) == ("keras_resnet/resnet20_cifar.cifar10", {})
    assert metadata.class_names[:2] == ("airplane", "automobile")


def test_logits_get_a_softmax_and_probabilities_do_not(tmp_path):
    for activation in (None, "softmax", "sigmoid"):
        net = create_model("resnet20_cifar", depths=(1, 1, 1), classifier_activation=activation)
        found = open_artifact(export(net, tmp_path / "net.keras"))(photos())
        expected = net(photos()).numpy()
        assert relative(found, softmax(expected) if activation is None else expected) < 1e-5
    net = create_model("resnet20_cifar", depths=(1, 1, 1))
    reshaped = keras.Model(net.input, layers.Reshape((10,))(net.output))  # the last layer tells nothing
    found = open_artifact(export(reshaped, tmp_path / "net.keras"))(photos())
    assert relative(found, net(photos())) < 1e-5


def test_mixed_precision_is_exported_in_float32(tmp_path, model):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_net("resnet20_cifar")
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    assert any(layer.compute_dtype == "bfloat16" for layer in mixed.layers)
    found = open_artifact(export(mixed, tmp_path / "net.keras"))(photos())
    assert relative(found, softmax(in_float64(model, photos()))) < 1e-5


def test_int8_is_verified_on_the_calibration_images(model, tmp_path, messages):
    export(model, tmp_path / "net.tflite", precision="int8", calibration=photos(20))
    assert open_artifact(tmp_path / "net.tflite").metadata.precision == "int8"
    assert any("litert in int8" in message and "on 16 images" in message for message in messages())


def test_accuracy_is_compared_on_data(model, tmp_path, messages):
    labels = np.arange(20) % 7
    data = keras_resnet.load_data((photos(20).astype("uint8"), labels), class_names=model.class_names)
    export(model, tmp_path / "net.keras", data=data, split="train")
    assert any("float32" in message and "train images" in message for message in messages())


def test_models_of_four_channels_are_compared_on_noise(tmp_path):
    """There are no photos of four channels."""
    net = create_model("resnet20_cifar", depths=(1,), widths=(4,), input_shape=(32, 32, 4), mean=127.5, std=127.5)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 4)).astype("float32")
    exported = open_artifact(export(net, tmp_path / "net.onnx"))
    np.testing.assert_allclose(exported(images), net.predict(images, verbose=0), atol=1e-5)


def test_model_of_any_size_is_compared_on_whole_images(tmp_path, messages):
    net = small_net("resnet20_cifar", input_shape=(None, None, 3))
    export(net, tmp_path / "net.keras", images=[scene(40, 52), scene(64, 33, seed=1)])
    assert any("of a probability on 2 images, the same class for 2" in message for message in messages())


def test_channels_first_models_take_channels_last_images(tmp_path):
    keras.config.set_image_data_format("channels_first")
    try:
        net = small_net("resnet18", input_shape=(3, 32, 32))
        artifact = open_artifact(export(net, tmp_path / "net"))
        expected = softmax(net(np.moveaxis(photos(), -1, 1)).numpy())
    finally:
        keras.config.set_image_data_format("channels_last")
    assert artifact.metadata.image_shape == (32, 32, 3)
    assert relative(artifact(photos()), expected) < 1e-5


WITHOUT_KERAS = """
import sys
sys.modules["keras"] = sys.modules["keras_resnet"] = sys.modules["tf_keras"] = None  # any import of them fails
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
images = tf.constant(np.load(sys.argv[2]))
np.save(sys.argv[3], model.signatures["serving_default"](images=images)["probabilities"])
encoded = tf.stack([tf.io.encode_png(tf.cast(image, tf.uint8)) for image in images])
answers = model.signatures["serve_bytes"](bytes=encoded)
print(answers["classes"].numpy()[0, 0].decode())
"""


@pytest.mark.slow
def test_saved_model_opens_without_keras(model, tmp_path):
    export(model, tmp_path / "net")
    np.save(tmp_path / "images.npy", photos())
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, *(str(tmp_path / name) for name in ("net", "images.npy", "found.npy"))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={variable: value for variable, value in os.environ.items() if variable != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    expected = softmax(in_float64(model, photos()))
    assert relative(np.load(tmp_path / "found.npy"), expected) < 1e-5
    assert done.stdout.strip() in model.class_names


def test_formats_and_precisions_have_the_same_names():
    assert list(exporter.FORMATS) == list(exporter.PRECISIONS)
