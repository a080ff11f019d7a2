"""Models exported to a format, and opened in its runtime."""

import importlib
import pathlib

import keras
import numpy as np

from keras_resnet import fold_batchnorm
from keras_resnet.runtimes import Artifact, Metadata, open_artifact
from keras_resnet.view import View

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}


def metadata_of(model: keras.Model, form: str, precision: str = "float32") -> Metadata:
    """The metadata of an exported model, with every field."""
    height, width, channels = model.input_shape[1:]
    names = tuple(f"class {number}" for number in range(model.output_shape[1]))
    view = View((height or 64, width or 48), interpolation="bicubic")
    return Metadata(model.name, form, precision, (height, width, channels), names, view, "a run", "abc", {"images": 10})


def exported(
    model: keras.Model,
    folder: pathlib.Path,
    form: str,
    precision: str = "float32",
    calibration: np.ndarray | None = None,
) -> Artifact:
    """A model in a format, opened in its runtime."""
    path = folder / f"net{SUFFIXES[form]}"
    module = importlib.import_module(f"keras_resnet.exporting.{form}")
    module.write(fold_batchnorm(model), path, metadata_of(model, form, precision), precision, calibration)
    return open_artifact(path)
