"""LiteRT files, also known as TensorFlow Lite, in LiteRT."""

import os
import pathlib
import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.cores import CORES
from keras_resnet.runtimes.metadata import metadata_in_zip
from keras_resnet.runtimes.outputs import the_input, the_probabilities
from keras_resnet.runtimes.scores import converted


class LiteRTArtifact(Artifact):
    """A .tflite file in LiteRT, with XNNPACK, also with quantized inputs and outputs.

    Args:
        path: of the file.
        threads: of the runtime; default: one for each core.

    Raises:
        ValueError: the model is not a classifier of images.
    """

    runtime = "litert"

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        self._interpreter = Interpreter(os.fspath(path), num_threads=threads or CORES)
        self._lock = threading.Lock()  # the interpreter holds the tensors of one call
        self._input = the_input(self._interpreter.get_input_details())
        self._output = the_probabilities(
            {details["name"]: details for details in self._interpreter.get_output_details()}
        )
        self._input_shape: tuple[int | None, ...] | None = None  # of the allocated tensors
        scale, _ = _quantization(self._output)
        input_shape, output_shape = map(_declared_shape, (self._input, self._output))
        super().__init__(path.stem, metadata_in_zip(path), input_shape, output_shape)
        if self._output["dtype"] != np.float32:  # each probability is rounded to a multiple of the scale
            self.sum_tolerance += scale / 2 * len(self.metadata.class_names)
        batch, *image = input_shape
        if None not in image:
            self._allocate((batch or 1, *image))  # a file that cannot run is refused now

    def _scores(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            self._allocate(images.shape)
            tensor = converted(images, self._input["dtype"], *_quantization(self._input))
            self._interpreter.set_tensor(self._input["index"], tensor)
            self._interpreter.invoke()
            scores = self._interpreter.get_tensor(self._output["index"]).astype("float32")
        scale, zero_point = _quantization(self._output)
        return (scores - np.float32(zero_point)) * np.float32(scale)

    def _allocate(self, shape: tuple[int | None, ...]) -> None:
        """Allocates the tensors for a batch of images."""
        if shape != self._input_shape:
            self._interpreter.resize_tensor_input(self._input["index"], shape)
            self._interpreter.allocate_tensors()
            self._input_shape = shape


def _quantization(details) -> tuple[float, int]:
    """(scale, zero point) of a tensor; (1, 0) if it is not quantized."""
    scale, zero_point = details["quantization"]
    return (scale, zero_point) if scale else (1.0, 0)


def _declared_shape(details) -> list[int | None]:
    signature = details["shape_signature"]
    return [None if side < 0 else int(side) for side in (signature if len(signature) else details["shape"])]


open_file = LiteRTArtifact
