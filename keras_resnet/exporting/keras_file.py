"""Writes `.keras` files of folded models, which Keras opens without this package."""

import os

import keras
import numpy as np

from keras_resnet.runtimes.metadata import Metadata, append_to_zip


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
    append_to_zip(path, metadata)
