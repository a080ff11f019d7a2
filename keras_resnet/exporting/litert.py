"""Writes LiteRT (TensorFlow Lite) files: float32, float16, dynamic range, or int8."""

import os
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.exporting.calibration import required
from keras_resnet.exporting.tracing import traceable
from keras_resnet.runtimes.metadata import LABELS_FILE, METADATA_FILE, Metadata


def write(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: Metadata,
    precision: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as a LiteRT file, with its metadata and labels appended as a zip archive.

    "float16" stores weights in 16 bits; "dynamic" stores them in 8 bits and quantizes activations as it runs; both take
    and return float32. "int8" also quantizes activations, by the calibration images; it takes uint8 pixels and returns
    float32 probabilities.

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
    function = traceable(model)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], model)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        _quantize(converter, required(calibration))
    pathlib.Path(path).write_bytes(converter.convert())
    _append_metadata(path, metadata)


def _quantize(converter: Any, calibration: np.ndarray) -> None:
    converter.representative_dataset = lambda: ([image[None]] for image in _with_full_range(calibration))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8


def _with_full_range(images: np.ndarray) -> np.ndarray:
    """The images with a black and a white pixel, so that the input's scale is 1: its uint8 values are pixels."""
    images = images.copy()
    images[0, 0, 0], images[0, 0, -1] = 0, 255
    return images


def _append_metadata(path: str | os.PathLike, metadata: Metadata) -> None:
    labels = "".join(f"{name}\n" for name in metadata.class_names)
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in ((METADATA_FILE, metadata.to_json()), (LABELS_FILE, labels)):
            archive.writestr(zipfile.ZipInfo(name), text)  # without the time, so that equal models give equal files
