"""Writes OpenVINO models: float32, bfloat16, or int8 by NNCF."""

import contextlib
import io
import logging
import os
from typing import Any

import keras
import numpy as np

from keras_resnet.exporting.calibration import required
from keras_resnet.exporting.tracing import traceable
from keras_resnet.runtimes.metadata import METADATA_KEY, Metadata
from keras_resnet.runtimes.outputs import INPUT, PROBABILITIES
from keras_resnet.runtimes.packages import import_package

OvModel = Any  # openvino.Model


def write(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: Metadata,
    precision: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as an OpenVINO .xml file, and the .bin file with its weights beside it.

    The arithmetic of "float32" and "bfloat16" is the runtime's choice: it must read the precision in the metadata,
    because OpenVINO computes in bfloat16 by default where the processor has it. For "bfloat16", the file's weights are
    float16, which halves its size. In int8, convolutions and the classifier have weights and inputs of 8 bits, with
    corrected biases; the softmax does not.

    Args:
        model: folded, float32, with one input of images in 0 to 255 and one output of probabilities.
        path: of the .xml file.
        metadata: to store in the file, under the key "keras_resnet" of its rt_info.
        precision: "float32", "bfloat16" or "int8".
        calibration: images (N, H, W, C), float32 in 0 to 255, for int8.

    Raises:
        ImportError: a package of the extra "openvino" is missing.
        ValueError: "int8" without calibration images.

    Example:
        >>> from keras_resnet.exporting.openvino import write
        >>> write(model, "net.xml", metadata, "float32")  # doctest: +SKIP
    """
    openvino = import_package("openvino", "openvino")
    converted = _convert(model)
    if precision == "int8":
        converted = _quantize(converted, required(calibration))
    converted.set_rt_info(metadata.to_json(), [METADATA_KEY])
    openvino.save_model(converted, os.fspath(path), compress_to_fp16=precision == "bfloat16")


def _convert(model: keras.Model) -> OvModel:
    openvino = import_package("openvino", "openvino")
    function = traceable(model)
    converted = openvino.convert_model(function.get_concrete_function(), share_weights=False)
    converted.input().tensor.set_names({INPUT})
    converted.output().tensor.set_names({PROBABILITIES})
    return converted


def _quantize(converted: OvModel, calibration: np.ndarray) -> OvModel:
    nncf = import_package("nncf", "openvino")
    nncf.set_log_level(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return nncf.quantize(
            converted,
            nncf.Dataset([image[None] for image in calibration]),
            preset=nncf.QuantizationPreset.MIXED,  # activations after a ReLU use the whole range
            fast_bias_correction=False,  # right on 9 more of CIFAR-10's test images in a ResNet-20
            subset_size=len(calibration),
        )
