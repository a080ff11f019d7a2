"""Writes `.keras` files of folded models, which Keras opens without this package."""

import os
import zipfile

import keras
import numpy as np

from keras_resnet.runtimes.metadata import LABELS_FILE, METADATA_FILE, Metadata


def write(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: Metadata,
    precision: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as a `.keras` file, with its metadata and labels as further members of the archive.

    Args:
        model: folded, float32, with one input of images in 0 to 255 and one output of probabilities.
        path: of the file.
        metadata: to store in the file, as keras_resnet.json.
        precision: "float32".
        calibration: not used.

    Example:
        >>> from keras_resnet.exporting.keras_file import write
        >>> write(model, "net.keras", metadata, "float32")  # doctest: +SKIP
    """
    del precision, calibration
    model.save(os.fspath(path))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, metadata.to_json())
        archive.writestr(LABELS_FILE, "".join(f"{name}\n" for name in metadata.class_names))
