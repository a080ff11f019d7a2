"""`export`: models as files for other runtimes, each verified in its own runtime."""

import contextlib
import dataclasses
import importlib
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import keras
import numpy as np

from keras_resnet.choices import PRECISIONS
from keras_resnet.errors import check_name, first_line, shown
from keras_resnet.evaluation.opening import ModelArtifact, open_model
from keras_resnet.exporting.accuracy import compare_accuracy, data_and_split, outputs_of_classes
from keras_resnet.exporting.calibration import calibration_images, required
from keras_resnet.exporting.exported import exported_model
from keras_resnet.exporting.formats import FORMATS, check_free, format_of
from keras_resnet.exporting.stock import in_float32
from keras_resnet.exporting.verification import IMAGES, verification_images, verify
from keras_resnet.files import SCRATCH, replace, write_errors_explained
from keras_resnet.rules import PATH, check
from keras_resnet.run_directory import Run, environment, has_keras_model, model_file
from keras_resnet.runtimes import RUNTIMES, Metadata, open_artifact, runtime_of
from keras_resnet.runtimes.packages import import_package

if TYPE_CHECKING:
    from keras_resnet.data.loading import Data

RESULT_FILE = "result.json"  # of a run

logger = logging.getLogger(__name__)


def export(
    model_or_run: keras.Model | str | os.PathLike,
    path: str | os.PathLike,
    format: str | None = None,
    precision: str = "float32",
    *,
    calibration: Any = None,
    images: Any = None,
    data: "Data | str | os.PathLike | None" = None,
    split: str | None = None,
) -> pathlib.Path:
    """Exports a classifier for another runtime, and verifies it there.

    The model is folded (see `fold_batchnorm`) and returns probabilities, whatever it returned before. The artifact is
    opened in its own runtime and compared with the model on images; the log says by how much its probabilities differ.
    It carries its view, class names, source, accuracy and the commit of this package as `Metadata`. It is written
    completely or not at all.

    Args:
        model_or_run: a run directory (its best.keras, else its final.keras), a `.keras` file, an id from
            `list_weights()`, or a Keras model.
        path: of the artifact. An artifact of the same format is overwritten.
        format: default: by the suffix of the path.

            - "saved_model": a folder for TensorFlow and TensorFlow Serving; a path without a suffix.
            - "keras": a `.keras` file that opens with Keras alone.
            - "onnx": for ONNX Runtime and others.
            - "litert": a `.tflite` file for phones and small devices.
            - "openvino": an `.xml` and a `.bin` file, the fastest on Intel's and AMD's processors.
        precision: "float32"; "int8", which needs `calibration` (onnx, litert, openvino); "float16" or "dynamic"
            (litert); "bfloat16" (openvino).
        calibration: images that show the range of activations, best 500 training images: a run directory, whose
            training images are used, or images as in `predict`: a folder, arrays, ...
        images: to compare artifact and model on, as in `predict`; the first 16 are used. Default: those of the
            calibration, else generated photos.
        data: from `load_data`, or its first argument: the accuracy of model and artifact on them is logged.
        split: of the data: "test", "validation" or "train"; default: the first that exists.

    Returns:
        The path of the artifact.

    Raises:
        FileExistsError: there is something else at the path.
        FileNotFoundError: no such run, model, or folder of images.
        ImportError: a package is missing; the message names the extra that installs it.
        TypeError: `model_or_run` is neither a model nor a path.
        ValueError: an argument is wrong, the model is not a functional classifier of images, or the artifact differs
            from the model by more than its precision explains.

    Example:
        >>> import keras_resnet
        >>> net = keras_resnet.ResNet20Cifar(classes=2)
        >>> keras_resnet.export(net, "cats_and_dogs.keras")
        PosixPath('cats_and_dogs.keras')
    """
    path, form = _target(path, format, precision, calibration)
    if data is None and split is not None:
        raise ValueError(f"split={shown(split)} is a split of data, which is missing; pass data, too.")
    counted = None if data is None else data_and_split(data, split)
    model = _load(model_or_run)
    _import_packages(form, precision)
    metadata = _metadata(model_or_run, model.metadata, form, precision)
    if counted:  # checked before the export, which takes long
        outputs_of_classes(model.model, metadata, counted[0])
    ranges = None if calibration is None else calibration_images(calibration, metadata)
    seen = list(ranges[:IMAGES]) if images is None and ranges is not None else verification_images(images, metadata)
    net = exported_model(model.model)
    with _scratch_folder(path) as folder:
        scratch = folder / path.name
        with write_errors_explained(path):
            _write(net, scratch, metadata, ranges)
        artifact = open_artifact(scratch)
        difference = verify(ModelArtifact(in_float32(model.model), metadata), artifact, seen)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        logger.info("%s: %s in %s, %.1f MB; %s", path, form, precision, size / 1e6, difference)
        if counted:
            logger.info("%s", compare_accuracy(net, artifact, *counted))
        for file in sorted(folder.iterdir()):  # of OpenVINO's two, .bin comes before .xml
            replace(file, path.parent / file.name)
    return path


@contextlib.contextmanager
def _scratch_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A temporary folder beside a path, on the same disk."""
    with contextlib.ExitStack() as stack:
        with write_errors_explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH))
        yield pathlib.Path(folder)


def _target(path: str | os.PathLike, form: str | None, precision: str, calibration: Any) -> tuple[pathlib.Path, str]:
    """The path and format of the artifact, after all checks that need no model."""
    check("path", path, PATH)
    path = pathlib.Path(path).expanduser()
    form = format_of(path, form)
    check_name(f"precision of the format {form}", precision, PRECISIONS[form])
    if precision == "int8":
        required(calibration)
    elif calibration is not None:
        raise ValueError(f"calibration is for precision='int8', not {precision!r}.")
    check_free(path, form)
    return path, form


def _import_packages(form: str, precision: str) -> None:
    """Raises the error for a missing package before there is any work."""
    row = FORMATS[form]
    for package in row.packages + (row.int8_packages if precision == "int8" else ()):
        import_package(package, RUNTIMES[form].extra or "")


def _load(model_or_run: keras.Model | str | os.PathLike) -> ModelArtifact:
    """The model with its class names and view."""
    if not isinstance(model_or_run, (keras.Model, str, os.PathLike)):
        kind = type(model_or_run).__name__
        raise TypeError(f"export takes a Keras model, a run directory, or the path of a .keras file, not {kind}.")
    if not isinstance(model_or_run, keras.Model):
        check("model_or_run", model_or_run, PATH)
        if not has_keras_model(model_or_run) and runtime_of(model_or_run) not in (None, "keras"):
            raise ValueError(
                f"{model_or_run} is an exported model; export the run or the .keras file that it was made from."
            )
    return cast(ModelArtifact, open_model(model_or_run, runtime="keras"))


def _metadata(model_or_run: keras.Model | str | os.PathLike, known: Metadata, form: str, precision: str) -> Metadata:
    """What is known of the model, and where it comes from."""
    source: str | None = None
    accuracy: Mapping[str, Any] = {}
    if not isinstance(model_or_run, keras.Model):
        source = os.fspath(model_or_run)
        accuracy = _accuracy(pathlib.Path(model_or_run).expanduser())
    return dataclasses.replace(
        known,
        format=form,
        precision=precision,
        view=known.default_view,
        source=source,
        commit=environment()["commit"],
        accuracy=accuracy,
    )


def _accuracy(path: pathlib.Path) -> Mapping[str, Any]:
    """What a run measured of the weights in a file: of the last step's and of their averages, but not of best.keras."""
    if not path.exists():  # an id of weights
        return {}
    file = model_file(path)
    run = Run(file.parent)
    found = run.read_json(RESULT_FILE) if run.file(RESULT_FILE).is_file() else {}
    return {"final.keras": found, "ema.keras": found.get("ema", {})}.get(file.name, {})


def _write(net: keras.Model, path: pathlib.Path, metadata: Metadata, calibration: np.ndarray | None) -> None:
    module = importlib.import_module(FORMATS[metadata.format].module)
    try:
        module.write(net, path, metadata, metadata.precision, calibration)
    except (ImportError, MemoryError, OSError):
        raise
    except Exception as error:  # converters raise errors of any type
        raise ValueError(f"{metadata.name} cannot be exported as {metadata.format} ({first_line(error)}).") from error
