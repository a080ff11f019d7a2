"""Writes ONNX files: float32, or int8 for ONNX Runtime."""

import os
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np

from keras_resnet.exporting.calibration import required
from keras_resnet.exporting.tracing import traceable
from keras_resnet.runtimes.metadata import METADATA_KEY, Metadata
from keras_resnet.runtimes.outputs import INPUT
from keras_resnet.runtimes.packages import import_package

OPSET = 15  # the one that tf2onnx prefers
BATCH_SIZE = 16  # of calibration images
LINEAR = ("Conv", "Gemm", "MatMul")  # operations with weights

ModelProto = Any  # of onnx


def write(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: Metadata,
    precision: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as an ONNX file with the input `images`, the output `probabilities` and its metadata.

    In int8, weights (signed, a scale per channel) and activations (unsigned) have 8 bits. The softmax after the
    classifier stays in float32.

    Args:
        model: folded, float32, with one input of images in 0 to 255 and one output of probabilities.
        path: of the file.
        metadata: to store in the file, under the key "keras_resnet".
        precision: "float32" or "int8".
        calibration: images (N, H, W, C), float32 in 0 to 255, for int8.

    Raises:
        ImportError: a package of the extra "onnx" is missing.
        ValueError: "int8" without calibration images.

    Example:
        >>> from keras_resnet.exporting.onnx import write
        >>> write(model, "net.onnx", metadata, "float32")  # doctest: +SKIP
    """
    onnx = import_package("onnx", "onnx")
    proto = _convert(model)
    if precision == "int8":
        proto = _quantize(proto, required(calibration))
    onnx.helper.set_model_props(proto, {METADATA_KEY: metadata.to_json()})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, os.fspath(path))


def _convert(model: keras.Model) -> ModelProto:
    tf2onnx = import_package("tf2onnx.convert", "onnx")
    function = traceable(model)
    proto, _ = tf2onnx.from_function(function, input_signature=function.input_signature, opset=OPSET)
    return proto


def _quantize(proto: ModelProto, calibration: np.ndarray) -> ModelProto:
    onnx = import_package("onnx", "onnx")
    quantization = import_package("onnxruntime.quantization", "onnx")
    shape_inference = import_package("onnxruntime.quantization.shape_inference", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        converted, prepared, quantized = (str(pathlib.Path(folder, f"{number}.onnx")) for number in range(3))
        onnx.save(proto, converted)
        shape_inference.quant_pre_process(converted, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            quantized,
            _Reader(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_after_classifier(onnx.load(prepared)),
        )
        return onnx.load(quantized)


def _after_classifier(proto: ModelProto) -> list[str]:
    """The names of the nodes after the last one with weights: 8 bits are too few for probabilities."""
    nodes = proto.graph.node
    last = max(number for number, node in enumerate(nodes) if node.op_type in LINEAR)
    return [node.name for node in list(nodes)[last + 1 :]]


class _Reader:
    """The images in batches, as ONNX Runtime reads them."""

    def __init__(self, calibration: np.ndarray):
        self.batches = iter(np.split(calibration, range(BATCH_SIZE, len(calibration), BATCH_SIZE)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch}
