"""Exported models in their runtimes: the outputs are Keras's; mistakes are one sentence."""

import concurrent.futures
import dataclasses
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import warnings

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from keras_resnet import choices, create_model
from keras_resnet.runtimes import RUNTIMES, open_artifact, runtime_of
from keras_resnet.runtimes.metadata import checked_class_names
from keras_resnet.view import View
from tests.photos import encode, scene
from tests.runtimes.exported import ADD_METADATA, FILES, METADATA, onnx_mean, small_net, write

EXTRAS = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "ai_edge_litert"}  # and their packages


def images(count, seed=0, sides=(16, 20)):
    return np.random.default_rng(seed).integers(0, 256, (count, *sides, 3), "uint8")


def softmax(scores):
    return tf.nn.softmax(np.asarray(scores, "float64")).numpy()


def test_names_are_those_to_choose_from():
    assert tuple(RUNTIMES) == choices.RUNTIMES == tuple(FILES)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_outputs_and_metadata_are_the_models(runtime, artifacts, net):
    artifact = open_artifact(artifacts[runtime], threads=None)
    assert (artifact.runtime, runtime_of(artifacts[runtime])) == (runtime, runtime)
    assert artifact.metadata == dataclasses.replace(METADATA, format=runtime)
    for count in (1, 3, 1, 5):
        batch = images(count, count)
        for given in (batch, batch.astype("float32")):
            probabilities = artifact(given)
            assert (probabilities.shape, probabilities.dtype) == ((count, 4), "float32")
            np.testing.assert_allclose(probabilities, net(batch), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_calls_from_several_threads_do_not_mix(runtime, artifacts, net):
    artifact = open_artifact(artifacts[runtime], runtime, threads=None)
    batches = [images(1 + index % 3, index) for index in range(40)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for batch, probabilities in zip(batches, pool.map(artifact, batches), strict=True):
            np.testing.assert_allclose(probabilities, net(batch), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_metadata_the_shapes_tell(runtime, tmp_path):
    model = small_net(activation=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # the exporters use each other's deprecated functions
        artifact = open_artifact(write(model, runtime, tmp_path))
    assert artifact.metadata.class_names == ("0", "1", "2", "3")
    assert artifact.metadata.image_shape == (16, 20, 3)
    np.testing.assert_allclose(artifact(images(3)), softmax(model(images(3))), rtol=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_images_of_any_size(runtime, tmp_path):
    model = small_net(sides=(None, None))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # the exporters use each other's deprecated functions
        artifact = open_artifact(write(model, runtime, tmp_path))
    assert artifact.metadata.image_shape == (None, None, 3)
    for sides in ((16, 20), (9, 33)):
        np.testing.assert_allclose(artifact(images(2, sides=sides)), model(images(2, sides=sides)), rtol=1e-4)


@pytest.mark.parametrize("runtime", EXTRAS)
def test_threads_are_the_runtimes(runtime, artifacts, net):
    np.testing.assert_allclose(open_artifact(artifacts[runtime], threads=1)(images(2)), net(images(2)), rtol=1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_openvino_computes_as_precisely_as_the_metadata_say(precision, net, tmp_path):
    path = write(net, "openvino", tmp_path, dataclasses.replace(METADATA, precision=precision))
    np.testing.assert_allclose(open_artifact(path)(images(3)), net(images(3)), atol=0.02)


# ---------------------------------------------------------------------------------------------
# Models of other programs


def test_fixed_batch_is_filled_up_and_channels_may_be_first(tmp_path):
    batch = images(5, sides=(4, 6))
    expected = softmax(batch.mean(axis=(1, 2)))
    last = open_artifact(onnx_mean(tmp_path / "last.onnx", [2, 4, 6, 3]))
    np.testing.assert_allclose(last(batch), expected, rtol=1e-4)
    first = open_artifact(onnx_mean(tmp_path / "first.onnx", ["batch", 3, 4, 6], axes=(2, 3)))
    assert first.metadata.image_shape == (4, 6, 3)
    np.testing.assert_allclose(first(batch), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["UINT8", "INT32", "FLOAT16", "DOUBLE"])
def test_images_are_converted_to_the_models_type(kind, tmp_path):
    path = onnx_mean(tmp_path / "net.onnx", ["batch", 4, 6, 3], kind=getattr(onnx.TensorProto, kind))
    batch = images(2, sides=(4, 6))
    for given in (batch, batch.astype("float32")):
        np.testing.assert_allclose(open_artifact(path)(given), softmax(batch.mean(axis=(1, 2))), rtol=1e-4)


def test_probabilities_stay_as_they_are(tmp_path):
    black = np.zeros((2, 4, 6, 3), "uint8")
    black[..., 0] = 1  # its channels have the means 1, 0 and 0
    artifact = open_artifact(onnx_mean(tmp_path / "net.onnx", ["batch", 4, 6, 3]))
    np.testing.assert_array_equal(artifact(black), [[1, 0, 0]] * 2)


def test_saved_model_takes_names_and_view_from_the_files_beside_it(tmp_path):
    path = write(small_net(), "saved_model", tmp_path)
    (path / "labels.txt").write_text("a\nb\nc\nd\n")
    (path / "view.json").write_text('{"size": [16, 20], "crop_fraction": 0.5, "interpolation": "bicubic"}')
    metadata = open_artifact(path / "saved_model.pb").metadata
    assert (metadata.class_names, metadata.view) == (tuple("abcd"), View((16, 20), 0.5, "bicubic"))
    (path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match="2 class names do not fit a model of 4 classes"):
        open_artifact(path)


def test_quantized_images_and_scores(local_data):
    """MLPerf Tiny's int8 model has a fixed batch of one, int8 images and int8 scores with a scale of 1/256."""
    tfds = pytest.importorskip("tensorflow_datasets")
    data = tfds.load("cifar10", data_dir=local_data / "tfds", split="test[:300]", batch_size=-1, download=False)
    artifact = open_artifact(local_data / "weights" / "mlperf_tiny" / "pretrainedResnet_quant.tflite")
    assert artifact.metadata.image_shape == (32, 32, 3)
    scores = artifact(data["image"].numpy())
    assert (scores * 256 == np.round(scores * 256)).all()  # no softmax
    assert (scores.argmax(axis=1) == data["label"].numpy()).mean() > 0.8


@pytest.mark.slow
def test_accuracy_of_the_quantized_model_is_the_published_one(local_data):
    tfds = pytest.importorskip("tensorflow_datasets")
    data = tfds.load("cifar10", data_dir=local_data / "tfds", split="test", batch_size=-1, download=False)
    artifact = open_artifact(local_data / "weights" / "mlperf_tiny" / "pretrainedResnet_quant.tflite")
    right = artifact(data["image"].numpy()).argmax(axis=1) == data["label"].numpy()
    assert right.sum() == pytest.approx(8697, abs=10)  # LiteRT's kernels round differently on other processors


# ---------------------------------------------------------------------------------------------
# Mistakes


def assert_one_sentence(caught):
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_damaged_files_are_named(runtime, artifacts, tmp_path):
    path = artifacts[runtime]
    copies = tmp_path / "cut", tmp_path / "noise"
    for damage, copy in zip((lambda content: content[: len(content) // 2], lambda _: b"noise"), copies, strict=True):
        copy.mkdir()
        file = path / "saved_model.pb" if runtime == "saved_model" else path
        damaged = copy / file.relative_to(path.parent)
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_bytes(damage(file.read_bytes()))
        with pytest.raises(ValueError, match=rf"{re.escape(str(copy / path.name))} cannot be opened in ") as caught:
            open_artifact(copy / path.name)
        assert_one_sentence(caught)


def test_missing_weights_of_openvino_are_named(artifacts, tmp_path):
    alone = tmp_path / "net.xml"
    alone.write_bytes(artifacts["openvino"].read_bytes())
    with pytest.raises(ValueError, match=r"net.xml cannot be opened in OpenVINO \(.*bin file cannot be found\)\.$"):
        open_artifact(alone)


def test_damaged_metadata_are_named(artifacts, tmp_path):
    path = shutil.copytree(artifacts["saved_model"], tmp_path / "net")
    for text in ("no JSON", "{}", "[]"):
        (path / "keras_resnet.json").write_text(text)
        with pytest.raises(ValueError, match=r"net cannot be opened in TensorFlow \(The metadata .* are damaged"):
            open_artifact(path)


def test_metadata_of_another_model_are_refused(net, tmp_path):
    path = write(net, "saved_model", tmp_path, dataclasses.replace(METADATA, class_names=("ant", "bee")))
    with pytest.raises(ValueError, match="has 4 outputs, but its metadata name 2 classes"):
        open_artifact(path)


def test_mistakes_are_one_clear_sentence(artifacts, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "net.pt").write_bytes(b"")
    tf.saved_model.save(tf.Module(), str(tmp_path / "no_signature"))
    two_inputs = onnx_mean(tmp_path / "two.onnx", [1, 4, 6, 3])
    model = onnx.load(two_inputs)
    model.graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))
    onnx.save(model, two_inputs)
    for path, options, error, message in (
        (tmp_path / "none.onnx", {}, FileNotFoundError, r"none\.onnx does not exist"),
        ("", {}, ValueError, "must be a path"),
        (5, {}, ValueError, "must be a path"),
        (tmp_path / "folder", {}, ValueError, r"folder is not an exported model \(\.keras for Keras, SavedModel for "),
        (tmp_path / "net.pt", {}, ValueError, r"net\.pt is not an exported model"),
        (artifacts["onnx"], dict(runtime="litert"), ValueError, r"net\.onnx is not .* \(\.tflite for LiteRT\)"),
        (artifacts["onnx"], dict(runtime="onxx"), ValueError, "Unknown runtime 'onxx'; did you mean 'onnx'"),
        (artifacts["onnx"], dict(threads=0), ValueError, "threads=0 must be a positive integer"),
        (artifacts["saved_model"], dict(threads=77), ValueError, "TensorFlow runs already"),
        (artifacts["keras"], dict(threads=77), ValueError, "TensorFlow runs already"),
        (tmp_path / "no_signature", {}, ValueError, "it has no signature serving_default"),
        (two_inputs, {}, ValueError, "it has 2 inputs, not one"),
        (onnx_mean(tmp_path / "text.onnx", [1, 4, 6, 3], kind=onnx.TensorProto.STRING), {}, ValueError, "not numbers"),
        (
            onnx_mean(tmp_path / "a.onnx", [1, 4, 3], axes=(1,)),
            {},
            ValueError,
            "shape .* not one of images",
        ),
        (onnx_mean(tmp_path / "b.onnx", [1, 4, 6, 5]), {}, ValueError, "shape .* not one of images"),
        (onnx_mean(tmp_path / "c.onnx", [1, 4, 6, 3], (1,)), {}, ValueError, r"output .* not \(batch, classes\)"),
        (
            onnx_mean(tmp_path / "d.onnx", [1, 4, 6, 3], outputs=2),
            {},
            ValueError,
            "it has 2 outputs, none of them",
        ),
    ):
        with pytest.raises(error, match=message) as caught:
            open_artifact(path, **options)
        assert_one_sentence(caught)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_images_that_do_not_fit_are_refused(runtime, artifacts):
    artifact = open_artifact(artifacts[runtime])
    for shape in ((16, 20, 3), (1, 16, 16, 3), (1, 16, 20, 1), (0, 16, 20, 3)):
        with pytest.raises(ValueError, match=r"net takes images of shape \(batch, 16, 20, 3\), not \("):
            artifact(np.zeros(shape, "uint8"))


def test_outputs_that_are_not_finite_are_refused(tmp_path):
    model = small_net(activation=None)
    model.layers[-1].bias.assign([np.nan] * 4)
    with pytest.raises(ValueError, match="The outputs of net are not finite"):
        open_artifact(write(model, "keras", tmp_path))(images(1))


def test_scores_of_another_number_of_classes_are_refused(tmp_path):
    path = onnx_mean(tmp_path / "net.onnx", ["batch", 4, 6, "channels"])  # only the images tell the number
    ADD_METADATA["onnx"](path, dataclasses.replace(METADATA, image_shape=(4, 6, 3)).to_json())
    with pytest.raises(ValueError, match=r"The outputs of net have the shape \(2, 3\), not \(2, 4\)"):
        open_artifact(path)(images(2, sides=(4, 6)))


@pytest.mark.parametrize(("runtime", "package"), EXTRAS.items())
def test_missing_package_is_named_with_its_extra(runtime, package, artifacts, monkeypatch):
    module = importlib.import_module(RUNTIMES[runtime].module)
    monkeypatch.delitem(sys.modules, module.__name__)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)  # as Python marks modules that cannot be imported
    with pytest.raises(ImportError, match=rf'pip install "resnet-keras\[{runtime}\]"') as caught:
        open_artifact(artifacts[runtime])
    assert_one_sentence(caught)


# ---------------------------------------------------------------------------------------------
# Without Keras and TensorFlow


@pytest.mark.slow
@pytest.mark.parametrize("runtime", EXTRAS)
def test_command_predicts_in_a_process_without_keras_and_tensorflow(runtime, artifacts, net, tmp_path):
    for package in ("keras", "tensorflow"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('it is hidden from this test')")
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode(scene(40, 50)))
    repository = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(repository)])}
    command = [sys.executable, "-m", "keras_resnet", "predict", str(artifacts[runtime]), str(photo), "--top=1"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(photo))}: (ant|bee|cat|dog) 0\.\d{{4}}\n", result.stdout)


def test_runs_of_keras_are_not_artifacts(tmp_path):
    assert runtime_of(tmp_path) is None
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "best.keras")
    assert runtime_of(tmp_path) is None
    with pytest.raises(ValueError, match="its input has the shape"):
        open_artifact(tmp_path / "best.keras")


def test_keras_files_keep_classes_and_view(tmp_path):
    model = create_model("resnet20_cifar", depths=(1,), widths=(4,), classes=2)
    model.class_names, model.view = ("cat", "dog"), View((32, 32), crop_fraction=0.5)
    model.save(tmp_path / "net.keras")
    metadata = open_artifact(tmp_path / "net.keras").metadata
    assert (metadata.class_names, metadata.view) == (model.class_names, model.view)


def test_saved_model_of_several_labels_answers_as_the_model(tmp_path):
    """Its rows do not sum to 1, but are no logits."""
    model = create_model("resnet20_cifar", depths=(1,), widths=(4,), classes=3, classifier_activation="sigmoid")
    model.save(tmp_path / "net")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    scores = open_artifact(tmp_path / "net")(images)
    np.testing.assert_allclose(scores, model.predict(images, verbose=0), atol=1e-6)
    assert abs(scores.sum(1) - 1).max() > 0.1


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\n"])
def test_class_names_have_one_line(name):
    with pytest.raises(ValueError, match="Class names must be of one line"):
        checked_class_names([name, "dog"], 2)
