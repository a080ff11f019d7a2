"""TODO evaluation.prediction."""

import os
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.decoding import read_image
from keras_resnet.run_directory import load_saved_model
from keras_resnet.transforms.views import View, center_view

BATCH_SIZE = 32


def predict(
    model_or_run, images, top: int = 5, class_names: Sequence[str] | None = None, view: View | None = None
) -> list:
    """The most probable classes of each image.

    Args:
        model_or_run: a run directory (its best.keras, or final.keras where there is no best), the path of
            a `.keras` file, or a Keras model that puts out probabilities.
        images: paths of image files (see `decoding.read_image`: any common format, turned upright), or arrays
            (H, W, C) in 0 to 255; or a single one of them.
        top: classes to name, the most probable first.
        class_names: names of the model's outputs; default: labels.txt beside the model, else numbers.
        view: what the model shall see of an image; default: what it was tested on in its run, else the centre crop
            of the short side at the model's size, or the image as it is for a model of open size.

    Returns:
        For each image a list of (class name, probability), or the ValueError that says why the image
        could not be read.

    Raises:
        FileNotFoundError: no such run or model.
        ValueError: `top` below 1, or class names that do not fit the model.

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
    is_open = None in size  # images of open size may differ
    view = view or known_view or (None if is_open else View(tuple(size)))
    images = [images] if single else list(images)
    results = []
    batch_size = 1 if is_open else BATCH_SIZE
    for start in range(0, len(images), batch_size):
        prepared = [_prepare(image, channels, view) for image in images[start : start + batch_size]]
        results += _classify(model, prepared, names, top)
    return results


def _classify(model, images, names, top):
    """The most probable classes of images; a ValueError in place of an image stays one."""
    readable = [image for image in images if not isinstance(image, ValueError)]
    rows = iter(np.asarray(model(np.stack(readable), training=False)) if readable else ())
    return [
        image
        if isinstance(image, ValueError)
        else [(names[i], float(row[i])) for row in [next(rows)] for i in np.argsort(-row, kind="stable")[:top]]
        for image in images
    ]


def _prepare(image, channels, view):
    """The image as the model wants it, or the ValueError that says why it is not."""
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
