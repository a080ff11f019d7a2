"""Small models in every format, written by Keras and by the makers of the formats."""

import dataclasses
import pathlib
import zipfile

import keras
import numpy as np
import onnx

from keras_resnet.runtimes import Metadata
from keras_resnet.runtimes.metadata import METADATA_FILE, METADATA_KEY
from keras_resnet.view import View

FILES = {"keras": "net.keras", "saved_model": "net", "litert": "net.tflite", "onnx": "net.onnx", "openvino": "net.xml"}
METADATA = Metadata(
    "net",
    "some",
    "float32",
    (16, 20, 3),
    ("ant", "bee", "cat", "dog"),
    View((16, 20), 0.8),
    "a run",
    "abc",
    {"top1": 0.5},
)


def small_net(activation: str | None = "softmax", sides=(16, 20)) -> keras.Model:
    """Images in 0 to 255 -> four classes, with stock layers alone."""
    keras.utils.set_random_seed(0)
    images = keras.Input((*sides, 3))
    x = keras.layers.Rescaling(1 / 64, -2)(images)
    x = keras.layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Dense(4, activation=activation)(x), name="net")
    model(np.zeros((1, 16, 20, 3), "float32"))
    return model


def write(model: keras.Model, runtime: str, folder: pathlib.Path, metadata: Metadata | None = None) -> pathlib.Path:
    """Writes a model in the format of a runtime, with the metadata at their place."""
    path = folder / FILES[runtime]
    if runtime == "keras":
        model.save(path)
    else:
        model.export(str(path), format="tf_saved_model" if runtime == "saved_model" else runtime, verbose=False)
    if metadata:
        ADD_METADATA[runtime](path, dataclasses.replace(metadata, format=runtime).to_json())
    return path


def _to_archive(path, text):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, text)


def _to_folder(path, text):
    (path / METADATA_FILE).write_text(text)


def _to_onnx(path, text):
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)


def _to_openvino(path, text):
    import openvino

    model = openvino.Core().read_model(path)
    model.set_rt_info(text, METADATA_KEY)
    openvino.save_model(model, path.with_name("new.xml"), compress_to_fp16=False)
    del model  # it holds the file of the weights
    for suffix in (".xml", ".bin"):
        path.with_name(f"new{suffix}").replace(path.with_suffix(suffix))


ADD_METADATA = {
    "keras": _to_archive,
    "saved_model": _to_folder,
    "litert": _to_archive,
    "onnx": _to_onnx,
    "openvino": _to_openvino,
}


def onnx_mean(path: pathlib.Path, shape, axes=(1, 2), kind: int = onnx.TensorProto.FLOAT, outputs=1) -> pathlib.Path:
    """An ONNX file that returns the mean of each channel, from images of this shape."""
    helper = onnx.helper
    channels = [side for axis, side in enumerate(shape) if axis not in axes]
    names = [f"mean{index}" for index in range(outputs)]
    nodes = [helper.make_node("Cast", ["images"], ["floats"], to=onnx.TensorProto.FLOAT)]
    nodes += [helper.make_node("ReduceMean", ["floats"], [name], axes=list(axes), keepdims=0) for name in names]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, channels) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
