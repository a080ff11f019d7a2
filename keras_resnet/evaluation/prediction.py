"""Predicts the most probable classes of images."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import keras

from keras_resnet.choices import ON_ERROR
from keras_resnet.errors import check_name
from keras_resnet.evaluation.opening import open_model
from keras_resnet.progress import bar_shown
from keras_resnet.rules import POSITIVE_INTEGER, VERBOSE, check
from keras_resnet.runtimes import RUNTIMES, Artifact, Prediction, classify
from keras_resnet.view import View


def predict(
    model_or_run_or_artifact: keras.Model | Artifact | str | os.PathLike,
    images: Any,
    top: int = 5,
    class_names: Sequence[str] | None = None,
    view: View | None = None,
    *,
    runtime: str | None = None,
    on_error: str = "raise",
    verbose: int | str = "auto",
) -> list[Prediction]:
    """Predicts the most probable classes of each image.

    Threads read and decode the next images while the model has a batch, so memory does not grow with their number.

    Args:
        model_or_run_or_artifact: a run directory (its best.keras, else its final.keras); the path of a model: a
            `.keras`, .onnx or .tflite file, the .xml file of an OpenVINO model, or a SavedModel folder; an id from
            `list_weights()`; a Keras model; or an `Artifact`, an exported model that is open already. Outputs that are
            not probabilities are taken as logits.
        images: one image, or an iterable of images, in any of these forms: the path of an image file (any common
            format, rotated as its EXIF data says; see `runtimes.decoding.read_image`); a folder, for all images below
            it, in order of their paths; a pattern such as `"photos/*.jpg"`; an array (H, W) or (H, W, C), gray, RGB or
            RGBA, or a batch of them (N, H, W, C), in 0 to 255; a PIL image; or the bytes of an image file.
        top: number of classes to return, at most all.
        class_names: of the model's outputs; default: labels.txt beside the model, else the model's own, else numbers.
        view: how to resize and crop images; default: as for the test images of the run; else the model's own; else a
            center crop of the model's size; for a model of any size, the image as it is.
        runtime: that runs the model: "keras", "saved_model", "litert", "onnx" or "openvino"; default: the one of the
            file.
        on_error: what to do about an unreadable image: "raise" an error, "skip" the image with a warning in the log, or
            "return" an empty `Prediction` with the `error`.
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Returns:
        A `Prediction` for each image: a list of (class name, probability), the most probable class first.

    Raises:
        FileNotFoundError: no such run or model.
        ImportError: the runtime is not installed; the message says how to install it.
        TypeError: `model_or_run_or_artifact` is neither a model nor a path.
        ValueError: an image is unreadable (the message names it), there are no images, another argument is out of
            range, the class names do not fit the model, or the model is not a classifier of images.

    Example:
        >>> import numpy as np, keras_resnet
        >>> model = keras_resnet.ResNet20Cifar()
        >>> [best, second] = keras_resnet.predict(model, np.zeros((32, 32, 3)), top=2)[0]
    """
    check("top", top, POSITIVE_INTEGER)  # before the model is loaded
    check("verbose", verbose, VERBOSE)
    check_name("runtime", runtime, (None, *RUNTIMES))
    check_name("on_error", on_error, ON_ERROR)
    artifact = open_model(model_or_run_or_artifact, runtime)
    bar_on = sys.stdout if bar_shown(verbose) else None
    return list(classify(artifact, images, top, class_names, view, on_error=on_error, bar_on=bar_on))
