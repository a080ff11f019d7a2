"""Every variant as a small net with weights that tell mistakes apart, and its export to a format."""

import importlib
import pathlib

import keras
import numpy as np

from keras_resnet import VARIANTS, create_model
from keras_resnet.exporting.fold import fold_batchnorm
from keras_resnet.runtimes import Artifact, Metadata, open_artifact
from keras_resnet.view import View

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}
CLASSES = 10
NORMALIZATIONS = (keras.layers.BatchNormalization, keras.layers.GroupNormalization)


def reduced(variant: str, **options) -> keras.Model:
    """A variant with one block per stage, for small images; logits; normalizations with random values."""
    row = VARIANTS[variant]
    sizes = dict(depths=(1,) * len(row["depths"]))
    if "input_shape" not in row:
        sizes |= dict(widths=(32, 64, 64, 96), input_shape=(64, 64, 3))
    if row.get("stem") == "fixed":
        sizes |= dict(stem_width=32)
    options = {**sizes, "classes": CLASSES, "classifier_activation": None, **options}
    keras.utils.set_random_seed(0)
    model = create_model(variant, **options)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, NORMALIZATIONS):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return model


def images_for(model: keras.Model, count: int) -> np.ndarray:
    """Random images of a model's size, or of 64 x 48 pixels, float32 in 0 to 255."""
    height, width, channels = model.input_shape[1:]
    return np.random.default_rng(count).uniform(0, 255, (count, height or 64, width or 48, channels)).astype("float32")


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


def difference(outputs: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest expected value."""
    return float(np.abs(outputs - expected).max() / np.abs(expected).max())
