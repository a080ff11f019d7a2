"""Opens exported models in their runtimes."""

import importlib
import os
import pathlib

from keras_resnet.errors import check_name, first_line
from keras_resnet.rules import PATH, POSITIVE_INTEGER, check
from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import SAVED_MODEL_FILE
from keras_resnet.runtimes.packages import stop_telemetry
from keras_resnet.runtimes.table import RUNTIMES


def runtime_of(path: str | os.PathLike) -> str | None:
    """The name of the runtime of an artifact, by its suffix; None for a path that is not an artifact.

    Example:
        >>> from keras_resnet.runtimes import runtime_of
        >>> runtime_of("net.onnx"), runtime_of("some_run")
        ('onnx', None)
    """
    path = pathlib.Path(path).expanduser()
    if (path / SAVED_MODEL_FILE).is_file() or path.name == SAVED_MODEL_FILE:
        return "saved_model"
    return next((name for name, row in RUNTIMES.items() if row.suffix and row.suffix == path.suffix.lower()), None)


def open_artifact(path: str | os.PathLike, runtime: str | None = None, threads: int | None = None) -> Artifact:
    """Opens an exported model in its runtime.

    Args:
        path: an .onnx file, the .xml file of an OpenVINO model, a .tflite file, a SavedModel's folder, or a .keras
            file. A model that this package did not export must take one batch of RGB images in 0 to 255, and return
            one score for each class.
        runtime: "keras", "saved_model", "litert", "onnx" or "openvino"; default: the one of the artifact.
        threads: of the runtime; default: one for each core.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the runtime is not installed; the message says how to install it.
        ValueError: the file is damaged, does not fit the runtime, or is not a classifier of images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.runtimes import open_artifact
        >>> keras_resnet.ResNet20Cifar().save("net")
        >>> open_artifact("net").metadata.image_shape
        (32, 32, 3)
    """
    check("path", path, PATH)
    check_name("runtime", runtime, (None, *RUNTIMES))
    if threads is not None:
        check("threads", threads, POSITIVE_INTEGER)
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    known = runtime_of(path)
    if known is None or runtime not in (None, known):
        raise ValueError(f"{path} is not {_described(runtime)}.")
    if path.name == SAVED_MODEL_FILE:
        path = path.parent
    return _open(path, known, threads)


def _open(path: pathlib.Path, runtime: str, threads: int | None) -> Artifact:
    row = RUNTIMES[runtime]
    stop_telemetry()
    try:
        module = importlib.import_module(row.module)
    except ImportError as error:
        way_out = f': pip install "resnet-keras[{row.extra}]"' if row.extra else ""
        raise ImportError(
            f"{path} needs {row.title}, which cannot be imported ({first_line(error)}){way_out}"
        ) from error
    try:
        return module.open_file(path, threads)
    except Exception as error:  # the runtimes raise errors of many types
        raise ValueError(f"{path} cannot be opened in {row.title} ({first_line(error)}).") from error


def _described(runtime: str | None) -> str:
    """The artifacts of a runtime, or of all."""
    names = [runtime] if runtime else RUNTIMES
    kinds = [f"{RUNTIMES[name].suffix or 'SavedModel'} for {RUNTIMES[name].title}" for name in names]
    return f"an exported model ({', '.join(kinds)})"
