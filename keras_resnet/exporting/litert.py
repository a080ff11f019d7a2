"""Writes LiteRT (TensorFlow Lite) files: float32, float16, dynamic range, or int8."""

import os
import pathlib
import tempfile
import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.exporting.calibration import required
from keras_resnet.exporting.tracing import traceable
from keras_resnet.runtimes.metadata import Metadata, append_to_zip
from keras_resnet.runtimes.outputs import SIGNATURE


def write(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: Metadata,
    precision: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as a LiteRT file, with its metadata and labels appended as a zip archive.

    "float16" stores weights in 16 bits; "dynamic" stores them in 8 bits and quantizes activations as it runs; "int8"
    also quantizes activations, by the calibration images, except for the softmax. All take and return float32; the
    first operation of an int8 file turns pixels into int8 without loss.

    The archive with keras_resnet.json and labels.txt is where TensorFlow Lite's own metadata library keeps associated
    files; the runtime ignores it.

    Args:
        model: folded, float32, with one input of images in 0 to 255 and one output of probabilities.
        path: of the file.
        metadata: to store in the file.
        precision: "float32", "float16", "dynamic" or "int8".
        calibration: images (N, H, W, C), float32 in 0 to 255, for int8.

    Raises:
        ValueError: "int8" without calibration images.

    Example:
        >>> from keras_resnet.exporting.litert import write
        >>> write(model, "net.tflite", metadata, "float32")  # doctest: +SKIP
    """
    with tempfile.TemporaryDirectory() as folder:
        converter = _converter(model, folder)
        content = _convert(converter, precision, calibration)
    pathlib.Path(path).write_bytes(content)
    append_to_zip(path, metadata)


def _converter(model: keras.Model, folder: str) -> Any:
    """A converter of the model, by a SavedModel in the folder, which gives the file its signature."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(SIGNATURE, traceable(model))
    archive.write_out(folder, verbose=False)
    return tf.lite.TFLiteConverter.from_saved_model(folder)


def _convert(converter: Any, precision: str, calibration: np.ndarray | None) -> bytes:
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        return _quantized(converter, required(calibration))
    return converter.convert()


def _quantized(converter: Any, calibration: np.ndarray) -> bytes:
    """Quantizes all but the softmax, whose int8 probabilities would be multiples of 1/256."""
    converter.representative_dataset = lambda: ([image[None]] for image in _with_full_range(calibration))
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=["SOFTMAX"])
    with warnings.catch_warnings():
        # The debugger opens the model in TensorFlow's interpreter, which announces its successor.
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated", UserWarning)
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
        )
    return debugger.get_nondebug_quantized_model()


def _with_full_range(images: np.ndarray) -> np.ndarray:
    """The images with a black and a white pixel, so that the input's scale is 1 and no pixel is rounded."""
    images = images.copy()
    images[0, 0, 0], images[0, 0, -1] = 0, 255
    return images
