"""A small artifact whose probabilities NumPy knows: the softmax of an image's mean color."""

import pathlib
import threading

import numpy as np
import onnx
from onnx import TensorProto, helper

from keras_resnet.runtimes import Artifact, Metadata
from keras_resnet.runtimes.metadata import METADATA_KEY
from keras_resnet.view import View

CLASSES = ("red", "green", "blue")
SCALE = 25.0  # of the mean color: a difference of 25 is one of 1 between logits


def probabilities(image: np.ndarray) -> np.ndarray:
    """What the artifact says of an image (height, width, channels), in float64."""
    logits = np.asarray(image, "float64").mean((0, 1)) / SCALE
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def write_net(
    path: pathlib.Path,
    sides: tuple[int | None, int | None] = (None, None),
    view: View | None = None,
    classes: tuple[str, ...] = CLASSES,
) -> pathlib.Path:
    """Writes the artifact as an ONNX file; images have a channel for each class."""
    image_shape = (*sides, len(classes))
    metadata = Metadata(path.stem, "onnx", "float32", image_shape, classes, view)
    inputs = helper.make_tensor_value_info("images", TensorProto.FLOAT, [None, *image_shape])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(classes)])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["colors"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["colors", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [1], [SCALE])
    graph = helper.make_graph(nodes, "net", [inputs], [output], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: metadata.to_json()})
    onnx.save(model, path)
    return path


class GatedArtifact(Artifact):
    """An artifact that computes while its gate is open, and records the sizes of its batches."""

    runtime = "onnx"

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.metadata = artifact.metadata
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[int] = []

    def _scores(self, images: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.entered.set()
        self.gate.wait()
        self.batches.append(len(images))
        return self.artifact(images)


def colored(color: tuple[int, int, int], height: int = 12, width: int = 12, seed: int = 0) -> np.ndarray:
    """An image of noise around a color, uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).integers(-20, 20, (height, width, 3))
    return np.clip(np.asarray(color) + noise, 0, 255).astype("uint8")
