"""RUNTIMES: one row per runtime."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Runtime:
    """A runtime of exported models.

    Attributes:
        title: its name in messages.
        module: has `open_file(path, threads)`, which returns an `Artifact`. It imports the runtime.
        suffix: of its artifacts; empty for folders.
        extra: of this package, which installs the runtime; None if it comes with the package.
        needs_tensorflow: whether it imports TensorFlow.
    """

    title: str
    module: str
    suffix: str
    extra: str | None = None
    needs_tensorflow: bool = False


RUNTIMES = {
    "keras": Runtime("Keras", "keras_resnet.runtimes.keras_model", ".keras", needs_tensorflow=True),
    "saved_model": Runtime("TensorFlow", "keras_resnet.runtimes.saved_model", "", needs_tensorflow=True),
    "litert": Runtime("LiteRT", "keras_resnet.runtimes.litert", ".tflite", extra="litert"),
    "onnx": Runtime("ONNX Runtime", "keras_resnet.runtimes.onnx", ".onnx", extra="onnx"),
    "openvino": Runtime("OpenVINO", "keras_resnet.runtimes.openvino", ".xml", extra="openvino"),
}
