"""ONNX, LiteRT and OpenVINO files compute what the model does, also in processes without Keras and this package."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import onnx
import openvino
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_resnet import fold_batchnorm
from tests.exporting.artifacts import SUFFIXES, exported, metadata_of
from tests.exporting.nets import TOLERANCE, families, in_float64, photos, relative, small_net
from tests.marks import exhaustive, few


@pytest.fixture(autouse=True)
def same_names_each_time():
    keras.backend.clear_session()


every_format = pytest.mark.parametrize("form", SUFFIXES)
one_format = pytest.mark.parametrize("form", few(SUFFIXES, "onnx"))  # the others only in `make test-all`


@every_format
@pytest.mark.parametrize(
    "variant",
    few(families(), "ecaresnet26t"),
)
def test_logits_are_those_of_the_model(variant, form, tmp_path):
    model = small_net(variant)
    artifact = exported(model, tmp_path, form)
    for count in (1, 3):
        assert relative(artifact(photos(count)), in_float64(model, photos(count))) < TOLERANCE


@one_format
@pytest.mark.parametrize(
    "options", [dict(groups=32, base_width=4), exhaustive(dict(anti_alias="blur", attention="se"))]
)
def test_images_of_any_size(options, form, tmp_path):
    model = small_net("resnet26", input_shape=(None, None, 3), **options)
    artifact = exported(model, tmp_path, form)
    for shape in ((1, 64, 64, 3), (2, 70, 93, 3)):
        images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
        assert relative(artifact(images), model.predict_on_batch(images)) < TOLERANCE


@one_format
def test_a_net_of_mixed_precision_computes_in_float32(form, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_net("resnext50_32x4d")
    finally:
        keras.config.set_dtype_policy("float32")
    twin = small_net("resnext50_32x4d")
    twin.set_weights(mixed.get_weights())
    images = photos(3)
    artifact = exported(mixed, tmp_path, form)
    assert relative(artifact(images), twin.predict_on_batch(images)) < TOLERANCE


@one_format
def test_pixels_may_be_uint8(form, tmp_path):
    model = small_net("resnet20_cifar")
    images = photos(2).astype("uint8")
    assert relative(exported(model, tmp_path, form)(images), model.predict_on_batch(images)) < TOLERANCE


@pytest.mark.parametrize(
    ("form", "precision", "tolerance"),
    [
        exhaustive("litert", "float16", 1e-2),
        exhaustive("litert", "dynamic", 5e-2),
        exhaustive("litert", "int8", 0.15),
        exhaustive("openvino", "bfloat16", 5e-2),
        exhaustive("openvino", "int8", 0.15),
        ("onnx", "int8", 0.15),
    ],
)
def test_fewer_bits_cost_some_accuracy(form, precision, tolerance, tmp_path):
    model = small_net("resnext50_32x4d")
    calibration, images = photos(32), photos(16)
    artifact = exported(model, tmp_path, form, precision, calibration)
    assert artifact.metadata.precision == precision
    differences = relative(artifact(images), model.predict_on_batch(images))
    assert 1e-5 < differences < tolerance


@pytest.mark.parametrize(
    ("form", "precision", "largest"),
    [
        ("litert", "float16", 0.6),
        ("litert", "dynamic", 0.35),
        ("litert", "int8", 0.35),
        ("openvino", "bfloat16", 0.6),
        ("openvino", "int8", 0.4),
        ("onnx", "int8", 0.35),
    ],
)
@pytest.mark.exhaustive
def test_fewer_bits_take_less_room(form, precision, largest, tmp_path):
    model = small_net("resnet18")

    def size(*precision_and_calibration):
        folder = tmp_path / "_".join(["files", *precision_and_calibration[:1]])
        folder.mkdir()
        exported(model, folder, form, *precision_and_calibration)
        return sum(file.stat().st_size for file in folder.iterdir())

    assert size(precision, photos(16)) < largest * size("float32")


@one_format
def test_int8_needs_calibration_images(form, tmp_path):
    with pytest.raises(ValueError, match=r"^int8 needs images for calibration: pass calibration="):
        exported(small_net("resnet8"), tmp_path, form, "int8")


READERS = {
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession("net.onnx")
assert [one.name for one in (*session.get_inputs(), *session.get_outputs())] == ["images", "probabilities"]
[outputs] = session.run(["probabilities"], {"images": images})
metadata = session.get_modelmeta().custom_metadata_map["keras_resnet"]
""",
    "openvino": """
import openvino
model = openvino.Core().read_model("net.xml")
compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
outputs = compiled({"images": images})["probabilities"]
metadata = model.get_rt_info("keras_resnet").astype(str)
""",
    "litert": """
import zipfile
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter("net.tflite")
runner = interpreter.get_signature_runner("serving_default")
outputs = runner(images=images)["probabilities"]
with zipfile.ZipFile("net.tflite") as archive:
    metadata = archive.read("keras_resnet.json").decode()
    assert archive.read("labels.txt").decode().splitlines() == json.loads(metadata)["class_names"]
""",
}


@one_format
def test_needs_neither_keras_nor_this_package(form, tmp_path):
    """The runtime alone, with batches of another size than those of the export."""
    model = small_net("resnext50_32x4d")
    exported(model, tmp_path, form)
    images = photos(3)
    np.save(tmp_path / "images.npy", images)
    code = f"""
import json, sys
for name in ("keras", "keras_resnet", "tensorflow"):
    sys.modules[name] = None
import numpy as np
images = np.load("images.npy")
{READERS[form]}
np.save("outputs.npy", outputs)
print(metadata)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == json.loads(metadata_of(model, form).to_json())
    assert relative(np.load(tmp_path / "outputs.npy"), model.predict_on_batch(images)) < TOLERANCE


@one_format
def test_metadata_come_back(form, tmp_path):
    model = small_net("resnet8")
    assert exported(model, tmp_path, form).metadata == metadata_of(model, form)


def test_onnx_has_one_transpose_and_no_function(tmp_path):
    """The images are NHWC, as the model takes them; convolutions are NCHW; nothing in between is transposed."""
    exported(small_net("resnext50_32x4d"), tmp_path, "onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    operations = [node.op_type for node in graph.node]
    assert operations.count("Transpose") == 1
    assert {node.domain for node in graph.node} == {""}
    groups = {attribute.i for node in graph.node for attribute in node.attribute if attribute.name == "group"}
    assert groups == {1, 32}


def test_onnx_int8_keeps_the_softmax_in_float(tmp_path):
    model = small_net("resnet8", classifier_activation="softmax")
    artifact = exported(model, tmp_path, "onnx", "int8", photos(16))
    graph = onnx.load(tmp_path / "net.onnx").graph
    assert [node.op_type for node in graph.node][-1] == "Softmax"
    weights = [tensor for tensor in graph.initializer if len(tensor.dims) == 4]
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.INT8}
    scales = [tensor for tensor in graph.initializer if tensor.name.endswith("_scale") and tensor.dims]
    assert scales, "no scales per channel"
    assert len(np.unique(artifact(photos(8)))) > 40  # not multiples of 1/256


def test_litert_int8_rounds_neither_pixels_nor_probabilities(tmp_path):
    model = small_net("resnet8", classifier_activation="softmax")
    artifact = exported(model, tmp_path, "litert", "int8", photos(16) / 2)  # no white pixel
    interpreter = Interpreter(str(tmp_path / "net.tflite"))
    [inputs], [outputs] = interpreter.get_input_details(), interpreter.get_output_details()
    assert (inputs["dtype"], outputs["dtype"]) == (np.float32, np.float32)
    scales = [details["quantization"] for details in interpreter.get_tensor_details()]
    assert (1.0, -128) in scales  # of the pixels as int8
    probabilities = artifact(photos(8))
    assert len(np.unique(probabilities)) > 40  # not multiples of 1/256
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.exhaustive
def test_litert_is_a_zip_archive_too(tmp_path):
    model = small_net("resnet8")
    exported(model, tmp_path, "litert")
    with zipfile.ZipFile(tmp_path / "net.tflite") as archive:
        assert archive.namelist() == ["keras_resnet.json", "labels.txt"]
        assert archive.testzip() is None


def test_openvino_float32_weights_have_32_bits(tmp_path):
    """`save_model` would compress them to float16 by default."""
    exported(small_net("resnet8"), tmp_path, "openvino")
    model = openvino.Core().read_model(tmp_path / "net.xml")
    kinds = {op.get_element_type().get_type_name() for op in model.get_ops() if op.get_type_name() == "Constant"}
    assert "f32" in kinds
    assert "f16" not in kinds


@pytest.mark.exhaustive
def test_nothing_is_reported_to_anyone(tmp_path):
    """OpenVINO and NNCF send events to Google Analytics by this package, if they can import it."""
    model = small_net("resnet8")
    fold_batchnorm(model).save(tmp_path / "net.keras")
    np.save(tmp_path / "images.npy", photos(12))
    code = """
import sys, keras, numpy as np
from keras_resnet.exporting import openvino
from keras_resnet.runtimes import Metadata
names = tuple(map(str, range(10)))
metadata = Metadata("net", "openvino", "int8", (32, 32, 3), names)
openvino.write(keras.saving.load_model("net.keras"), "net.xml", metadata, "int8", np.load("images.npy"))
assert "nncf" in sys.modules
print([name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module])
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "[]\n"


@pytest.mark.exhaustive
def test_a_missing_package_is_named_with_its_extra(tmp_path):
    fold_batchnorm(small_net("resnet8")).save(tmp_path / "net.keras")
    code = """
import importlib, sys
for name in ("onnx", "openvino"):
    sys.modules[name] = None
import keras
from keras_resnet.runtimes import Metadata
for name in ("onnx", "openvino"):
    metadata = Metadata("net", name, "float32", (32, 32, 3), tuple(map(str, range(10))))
    try:
        importlib.import_module(f"keras_resnet.exporting.{name}").write(
            keras.saving.load_model("net.keras"), "net", metadata, "float32"
        )
    except ImportError as error:
        print(error)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == [
        f'{name} is not installed; run: pip install "resnet-keras[{name}]"' for name in ("onnx", "openvino")
    ], ended.stderr
