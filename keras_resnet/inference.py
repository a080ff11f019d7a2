"""predict(): a run or a model, and images -> labels and probabilities."""

import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from keras_resnet.preprocessing import read_image, resize_and_center_crop
from keras_resnet.runs import Run

BATCH_SIZE = 32


def predict(model_or_run, images, top: int = 5, class_names: Sequence[str] | None = None) -> list:
    """The most probable classes of each image.

    Args:
        model_or_run: a run directory (its best.keras, or final.keras where there is no best), the path of
            a `.keras` file, or a Keras model that puts out probabilities.
        images: paths of image files, or arrays (H, W, C) in 0 to 255; or a single one of them. Their
            short side is resized to the model's and the centre is cropped.
        top: classes to name, the most probable first.
        class_names: names of the model's outputs; default: labels.txt beside the model, else numbers.

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
    model, known_names = (model_or_run, None) if isinstance(model_or_run, keras.Model) else _load(model_or_run)
    names = list(class_names or known_names or map(str, range(model.output_shape[-1])))
    if len(names) != model.output_shape[-1]:
        raise ValueError(f"{len(names)} class names do not fit a model of {model.output_shape[-1]} classes.")

    shape = model.input_shape[1:]
    results = [_prepare(image, shape) for image in ([images] if single else images)]
    readable = [index for index, result in enumerate(results) if not isinstance(result, ValueError)]
    batch_size = BATCH_SIZE if None not in shape else 1  # images of open size may differ
    for start in range(0, len(readable), batch_size):
        indices = readable[start : start + batch_size]
        probabilities = np.asarray(model(np.stack([results[index] for index in indices]), training=False))
        for index, row in zip(indices, probabilities, strict=True):
            results[index] = [(names[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:top]]
    return results


def load_model(run) -> keras.Model:
    """The model of a run directory (its best.keras, or final.keras where there is no best) or of a `.keras` file.

    Raises:
        FileNotFoundError: no such run or file.
        ValueError: the file is damaged.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> keras_resnet.load_model("net.keras").name
        'resnet20_cifar'
    """
    return _load(run)[0]


def _load(run):
    """(model, class names or None)."""
    path = pathlib.Path(run).expanduser()
    if path.is_dir():
        path = next((path / name for name in ("best.keras", "final.keras") if (path / name).is_file()), path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is neither a run directory with a best.keras or final.keras nor a model file.")
    directory = Run(path.parent)
    names = directory.class_names() if directory.file("labels.txt").is_file() else None
    try:
        return keras.saving.load_model(path, compile=False), names
    except Exception as error:  # Keras raises whatever its zip, JSON and HDF5 readers do
        raise ValueError(f"{path} cannot be loaded as a Keras model ({_first_line(error)}).") from error


def _prepare(image, shape):
    """The image as the model wants it, or the ValueError that says why it is not."""
    height, width, channels = shape
    try:
        if isinstance(image, (str, os.PathLike)):
            image = read_image(image, channels)
        else:
            image = np.asarray(image)
            if image.ndim != 3 or image.shape[-1] != channels or 0 in image.shape:
                raise ValueError(f"An image of shape {image.shape} is not (height, width, {channels}).")
        return image if height is None else resize_and_center_crop(image, (height, width))
    except ValueError as error:
        return error


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
