"""What a model is fed and what it says: the normalization layer, and lists of class names.

`preprocess_input` and `decode_predictions` are for code that was written for `keras.applications`.
"""

import functools
import importlib.resources
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_resnet.choices import CLASS_LISTS, IMAGENET_LISTS
from keras_resnet.errors import check_name, shown
from keras_resnet.layers import channel_axis
from keras_resnet.rules import POSITIVE_INTEGER, check
from keras_resnet.runtimes.keras_model import COMPILED_CALL

# Mean and standard deviation of ImageNet's training images, RGB, in units of 0 to 255: 255 times
# (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of fb.resnet.torch and torchvision.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

NORMALIZATION_LAYER = "normalization"  # its name in a model
COMPILED_FUNCTIONS = ("train_function", "test_function", "predict_function", COMPILED_CALL)

Statistic = float | Sequence[float] | np.ndarray


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Returns `x` unchanged, because models of this package normalize their own input.

    Provided for code written for `keras.applications`. Pass RGB images in 0 to 255.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.preprocess_input([0, 255])
        [0, 255]
    """
    del data_format
    return x


def image_sides(model: keras.Model) -> tuple[int | None, int | None]:
    """(height, width) of the images that a model takes; None for a variable side.

    Raises:
        ValueError: the model does not take one batch of images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.preprocessing import image_sides
        >>> image_sides(keras_resnet.ResNet20Cifar())
        (32, 32)
    """
    shape = getattr(model, "input_shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 4):
        raise ValueError(f"{model.name} does not take one batch of images; its inputs have the shape {shape}.")
    return shape[1:3] if channel_axis() == -1 else shape[2:]


@functools.cache
def imagenet_classes(name: str = "imagenet-1k") -> tuple[tuple[str, str], ...]:
    """(WordNet ID, name) of the classes of ImageNet, or of one of its larger versions, in the order of the outputs.

    Args:
        name: "imagenet-1k": the 1,000 classes, with the names that Keras uses. "imagenet-21k": the 21,843 classes of
            Big Transfer's networks, which timm calls in21k. "imagenet-12k": the 11,821 of them of timm's in12k. Several
            classes of these two have the same name; their WordNet IDs differ.

    Raises:
        ValueError: there is no such list.

    Example:
        >>> from keras_resnet.preprocessing import imagenet_classes
        >>> imagenet_classes()[281]
        ('n02123045', 'tabby')
        >>> len(imagenet_classes("imagenet-21k"))
        21843
    """
    check_name("list of classes", name, IMAGENET_LISTS)
    lines = [line.split() for line in _lines(name)]
    if len(lines[0]) == 1:  # a part of ImageNet-21k, whose names stand there
        names = dict(imagenet_classes("imagenet-21k"))
        return tuple((wnid, names[wnid]) for (wnid,) in lines)
    return tuple((wnid, name) for wnid, name in lines)


def class_names(class_list: str) -> tuple[str, ...]:
    """The names of the classes of a list, in the order of the outputs.

    Args:
        class_list: "cifar10", or a list of ImageNet's classes, as for `imagenet_classes`.

    Raises:
        ValueError: there is no such list.

    Example:
        >>> from keras_resnet.preprocessing import class_names
        >>> class_names("cifar10")[:3]
        ('airplane', 'automobile', 'bird')
    """
    check_name("list of classes", class_list, CLASS_LISTS)
    if class_list in IMAGENET_LISTS:
        return tuple(name for _, name in imagenet_classes(class_list))
    return tuple(_lines(class_list))


def _lines(class_list: str) -> list[str]:
    """The lines of a list's file that are not comments."""
    file = importlib.resources.files("keras_resnet").joinpath("class_names", f"{class_list}.txt")
    return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def decode_predictions(preds: np.ndarray, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """The names of ImageNet's most probable classes, as in `keras.applications`, without a download.

    Args:
        preds: probabilities, (batch, 1000).
        top: number of classes to return.

    Returns:
        For each image a list of (WordNet ID, name, probability), the most probable class first.

    Raises:
        ValueError: `preds` does not have the shape (batch, 1000), or `top` is not a positive integer.

    Example:
        >>> import numpy as np, keras_resnet
        >>> keras_resnet.decode_predictions(np.eye(1000)[[281]], top=1)
        [[('n02123045', 'tabby', 1.0)]]
    """
    check("top", top, POSITIVE_INTEGER)
    preds, classes = np.asarray(preds), imagenet_classes()
    if preds.ndim != 2 or preds.shape[1] != len(classes):
        raise ValueError(f"decode_predictions takes probabilities of shape (batch, 1000), not {preds.shape}.")
    orders = np.argsort(-preds, axis=1, kind="stable")[:, :top]
    return [[(*classes[i], float(row[i])) for i in order] for row, order in zip(preds, orders, strict=True)]


def normalization(x: keras.KerasTensor, mean: Statistic, std: Statistic) -> keras.KerasTensor:
    """(x - mean) / std in float32, as one of Keras's own layers, which every exporter supports."""
    scale, offset = _scale_and_offset(mean, std, x.shape[1:])
    return layers.Rescaling(scale, offset, dtype="float32", name=NORMALIZATION_LAYER)(x)


def get_normalization(model: keras.Model) -> tuple[np.ndarray, np.ndarray] | None:
    """The (mean, std) of a model's normalization layer, as `set_normalization` takes them; None without the layer."""
    layer = _normalization_layer(model)
    return layer and mean_and_std(layer.scale, layer.offset)


def _normalization_layer(model: keras.Model) -> layers.Rescaling | None:
    """The layer that `normalization` added to a model. Keras names its own layer Normalization in the same way."""
    named = (layer for layer in model.layers if layer.name == NORMALIZATION_LAYER)
    return next((layer for layer in named if isinstance(layer, layers.Rescaling)), None)


def mean_and_std(scale: Any, offset: Any) -> tuple[np.ndarray, np.ndarray]:
    """The statistics, as `set_normalization` takes them, of the scale and offset of a normalization layer.

    Example:
        >>> from keras_resnet.preprocessing import mean_and_std
        >>> [statistic.tolist() for statistic in mean_and_std([0.5], [-3.0])]
        [[6.0], [2.0]]
    """
    std = 1 / np.asarray(scale, "float64")
    return _channels_last(-np.asarray(offset, "float64") * std), _channels_last(std)


def set_normalization(model: keras.Model, mean: Statistic, std: Statistic) -> None:
    """Changes the mean and std of a model's normalization layer, if it has one."""
    layer = _normalization_layer(model)
    if layer:
        layer.scale, layer.offset = _scale_and_offset(mean, std, layer.input.shape[1:])
        for function in COMPILED_FUNCTIONS:  # they contain the old values
            setattr(model, function, None)


def _scale_and_offset(mean: Statistic, std: Statistic, shape: Sequence[Any]) -> tuple[list, list]:
    """The arguments of keras.layers.Rescaling: x / std - mean / std."""
    means, stds = _statistic("mean", mean, shape), _statistic("std", std, shape)
    if not (stds > 0).all():
        raise ValueError("std must be above 0 everywhere.")
    return (1 / stds).tolist(), (-means / stds).tolist()


def _channels_last(statistic: np.ndarray) -> np.ndarray:
    """The reverse of `_statistic`: (channels,) or H x W x C from the layout of the input."""
    if statistic.shape[1:] == (1, 1):  # of a model with channels first
        return statistic[:, 0, 0]
    return statistic if channel_axis() == -1 or statistic.ndim == 1 else statistic.transpose(1, 2, 0)


def _statistic(name: str, statistic: Statistic, shape: Sequence[Any]) -> np.ndarray:
    """A mean or standard deviation (scalar, per channel, or H x W x C) in the layout of an input of that shape."""
    try:
        value = np.asarray(statistic, "float64")
    except (TypeError, ValueError, OverflowError):
        value = np.array(np.nan)
    if not np.isfinite(value).all():
        raise ValueError(f"{name}={shown(statistic)} must be finite numbers, in units of 0 to 255.")
    image_shape = tuple(shape) if channel_axis() == -1 else (*shape[1:], shape[0])
    channels = image_shape[-1]
    if value.shape not in ((), (channels,), image_shape):
        raise ValueError(
            f"{name} has the shape {value.shape}, which does not match images of shape {image_shape}; pass "
            f"a number, {channels} numbers (one per channel), or an image of that shape, in units of 0 to 255."
        )
    if value.ndim == 0:
        value = np.broadcast_to(value, (channels,))
    if channel_axis() == -1:
        return value
    return value.reshape(channels, 1, 1) if value.ndim == 1 else value.transpose(2, 0, 1)
