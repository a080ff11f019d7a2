"""OpenVINO files in OpenVINO."""

import pathlib
import threading
from typing import Any

import numpy as np
import openvino

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import METADATA_KEY, Metadata
from keras_resnet.runtimes.outputs import PROBABILITIES, the_input, the_probabilities
from keras_resnet.runtimes.scores import converted

# Without a hint, OpenVINO computes in bfloat16 where the processor can: right for what is not int8 in an int8 model.
HINTS = {"bfloat16": "bf16", "int8": None}


class OpenVinoArtifact(Artifact):
    """An OpenVINO model, an .xml file with its .bin file, on the CPU, in the precision of its metadata, else float32.

    Args:
        path: of the .xml file.
        threads: of the runtime; default: one for each core.

    Raises:
        ValueError: the model is not a classifier of images.
    """

    runtime = "openvino"

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        core = openvino.Core()
        model = core.read_model(path)
        metadata = Metadata.from_json(_text(model)) if model.has_rt_info(METADATA_KEY) else None
        images = the_input(model.inputs)
        scores = the_probabilities({_name(output): output for output in model.outputs})
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}  # each call is one batch, computed by all threads
        hint = HINTS.get(metadata.precision, "f32") if metadata else "f32"
        if hint:
            settings["INFERENCE_PRECISION_HINT"] = hint
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        self._lock = threading.Lock()  # the request holds the tensors of one call
        self._dtype = images.get_element_type().to_dtype()
        self._output = model.outputs.index(scores)
        super().__init__(path.stem, metadata, _shape(images), _shape(scores))

    def _scores(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            self._request.infer([converted(images, self._dtype)])
            return np.array(self._request.get_output_tensor(self._output).data, "float32")


def _text(model) -> str:
    return model.get_rt_info(METADATA_KEY).astype(str)


def _name(output) -> str:
    """One of the names of an output."""
    names = output.get_names()
    return PROBABILITIES if PROBABILITIES in names else min(names, default=output.node.friendly_name)


def _shape(port) -> list[int | None]:
    shape = port.get_partial_shape()
    return [None if side.is_dynamic else side.get_length() for side in shape]


open_file = OpenVinoArtifact
