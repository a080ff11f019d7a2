"""Predicts the most probable classes of images."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.decoding import read_image
from keras_resnet.run_directory import load_saved_model
from keras_resnet.transforms.views import View, center_view

BATCH_SIZE = 32


Prediction = list[tuple[str, float]]


def predict(
    model_or_run: keras.Model | str | os.PathLike,
    images: Any,
    top: int = 5,
    class_names: Sequence[str] | None = None,
    view: View | None = None,
) -> list[Prediction | ValueError]:
    """Predicts the most probable classes of each image.

    Args:
        model_or_run: a run directory (its best.keras, else its final.keras), the path of a `.keras` file, or a Keras
            model with probabilities as outputs.
        images: one image or several: paths of image files (any common format, rotated as their EXIF data says; see
            `decoding.read_image`), or arrays (H, W, C) in 0 to 255.
        top: number of classes to return.
        class_names: of the model's outputs; default: labels.txt beside the model, else numbers.
        view: how to resize and crop images; default: as for the test images of the run; else a center crop of the
            model's size; for a model of any size, the image as it is.

    Returns:
        For each image a list of (class name, probability), most probable first; or a ValueError with the reason if the
        image is unreadable.

    Raises:
        FileNotFoundError: no such run or model.
        ValueError: `top` is below 1, or the class names do not fit the model.

    Example:
        >>> import numpy as np, keras_resnet
        >>> model = keras_resnet.ResNet20Cifar()
        >>> [best, second] = keras_resnet.predict(model, np.zeros((32, 32, 3)), top=2)[0]
    """
    if top < 1:
        raise ValueError(f"top={top} must be at least 1.")
    single = isinstance(images, (str, os.PathLike)) or getattr(images, "ndim", 4) == 3
    loaded = (model_or_run, None, None) if isinstance(model_or_run, keras.Model) else load_saved_model(model_or_run)
    model, known_names, known_view = loaded
    names = list(class_names or known_names or map(str, range(model.output_shape[-1])))
    if len(names) != model.output_shape[-1]:
        raise ValueError(f"{len(names)} class names do not fit a model of {model.output_shape[-1]} classes.")

    *size, channels = model.input_shape[1:]
    any_size = None in size
    view = view or known_view or (None if any_size else View(tuple(size)))
    images = [images] if single else list(images)
    results = []
    batch_size = 1 if any_size else BATCH_SIZE  # images of different sizes do not stack
    for start in range(0, len(images), batch_size):
        prepared = [_prepare(image, channels, view) for image in images[start : start + batch_size]]
        results += _classify(model, prepared, names, top)
    return results


def _classify(
    model: keras.Model, images: Sequence[np.ndarray | ValueError], names: Sequence[str], top: int
) -> list[Prediction | ValueError]:
    """The most probable classes of images; errors in place of images are passed on."""
    readable = [image for image in images if not isinstance(image, ValueError)]
    rows = iter(np.asarray(model(np.stack(readable), training=False)) if readable else ())
    return [image if isinstance(image, ValueError) else _most_probable(next(rows), names, top) for image in images]


def _most_probable(probabilities: np.ndarray, names: Sequence[str], top: int) -> Prediction:
    order = np.argsort(-probabilities, kind="stable")
    return [(names[index], float(probabilities[index])) for index in order[:top]]


def _prepare(image: Any, channels: int, view: View | None) -> np.ndarray | ValueError:
    """The image resized and cropped for the model, or a ValueError with the reason if it is unreadable."""
    try:
        if isinstance(image, (str, os.PathLike)):
            image = read_image(image, channels)
        else:
            image = np.asarray(image)
            if image.ndim != 3 or image.shape[-1] != channels or 0 in image.shape:
                raise ValueError(f"An image of shape {image.shape} is not (height, width, {channels}).")
            image = image if image.dtype == np.uint8 else image.astype("float32")
        return image if view is None else center_view(tf.constant(image), view)[0].numpy()
    except ValueError as error:
        return error
