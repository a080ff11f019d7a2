"""ONNX files in ONNX Runtime."""

import os
import pathlib

import numpy as np
import onnxruntime

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import METADATA_KEY, Metadata
from keras_resnet.runtimes.outputs import the_input, the_probabilities
from keras_resnet.runtimes.scores import converted

DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"} | {
    f"tensor({name})": name for name in ("uint8", "int8", "int32", "int64")
}
ERRORS_ONLY = 3  # level of ONNX Runtime's log


class OnnxArtifact(Artifact):
    """An ONNX file in ONNX Runtime, on the CPU.

    Args:
        path: of the file.
        threads: of the runtime; default: one for each core.

    Raises:
        ValueError: the model is not a classifier of images.
    """

    runtime = "onnx"

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        options.intra_op_num_threads = threads or 0
        self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        images = the_input(self._session.get_inputs())
        scores = the_probabilities({output.name: output for output in self._session.get_outputs()})
        if images.type not in DTYPES:
            raise ValueError(f"its input is of the type {images.type}, not numbers")
        self._input, self._dtype, self._output = images.name, DTYPES[images.type], scores.name
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        metadata = Metadata.from_json(text) if text else None
        super().__init__(path.stem, metadata, _shape(images), _shape(scores))

    def _scores(self, images: np.ndarray) -> np.ndarray:
        (scores,) = self._session.run([self._output], {self._input: converted(images, self._dtype)})
        return np.asarray(scores, "float32")


def _shape(tensor) -> list[int | None]:
    """A tensor's declared shape; ONNX names the variable sides."""
    return [side if isinstance(side, int) else None for side in tensor.shape]


open_file = OnnxArtifact
