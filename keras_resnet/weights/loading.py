"""`load_weights`: loads weights from a file or by name into a model, completely or not at all."""

import dataclasses
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any, TypeGuard

import keras
import numpy as np

from keras_resnet.errors import first_line, shown
from keras_resnet.preprocessing import Statistic, class_names, get_normalization, image_sides, set_normalization
from keras_resnet.rules import PATH, TEXT, Rule, check
from keras_resnet.view import View
from keras_resnet.weights.conversion import HEAD, NAMINGS, Conversion, Naming, convert
from keras_resnet.weights.downloads import fetch_weights
from keras_resnet.weights.formats import READERS, read_tensors
from keras_resnet.weights.hdf5 import read_config
from keras_resnet.weights.hub import fetch_from_hub, is_hub_address
from keras_resnet.weights.pretrained import PretrainedWeights, find_weights, names_of_weights

LISTED = 5  # names of each kind that an error lists
STEM = ("stem_conv", "kernel")

_warned: set[str] = set()  # ids of weights whose licence this process has mentioned


def load_weights(model: keras.Model, source: str | os.PathLike | PretrainedWeights) -> keras.Model:
    """Loads weights into a model; changes nothing unless all of them match.

    Names and shapes tell whether they match. Only a `.keras` file also tells the strides, which must be the model's.
    A file may come from this package, keras.applications, torchvision, timm, or one of the published CIFAR nets; the
    names in it tell which. If its classifier is for another number of classes, the model's is kept, with a warning.
    A `.keras` file of a model that has a `view` and `class_names` also sets these, the latter with its classifier.
    A file that contains the normalization of the input sets it. Weights by name are downloaded on first use, unless
    they come with this package. They also set the normalization, the model's `view`, and, with their classifier, its
    `class_names`. A licence that forbids commercial use is a warning, once.

    Args:
        model: a model of this package.
        source: path of a `.keras`, `.weights.h5`, `.h5`, `.safetensors`, `.pth`, `.pt` or `.th` file; the name of
            weights of the variant that the model is named after: "imagenet" or "cifar10" (its default for that data
            set), "timm/resnet50.a1_in1k", "torchvision/IMAGENET1K_V2", "keras" (see `keras_resnet.list_weights`); or
            "hf://owner/name[@revision][/file]", such a file on the Hugging Face Hub: without a revision, of the default
            branch; without a file, the repository's model.safetensors, or its only `.keras` or `.safetensors` file.

    Returns:
        The same model.

    Raises:
        TypeError: an argument has the wrong type.
        FileNotFoundError: the file, or the repository or its revision, does not exist.
        ValueError: the name is unknown, the address is malformed, the path is that of a folder, the file is damaged, or
            it is for another architecture; then the message lists missing, unexpected and mismatched tensors, or names
            a convolution with another stride. Or its mean image has another size than the model's images.
        OSError: the weights could not be downloaded; the message says from where, and where to put them by hand.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> model = keras_resnet.load_weights(keras_resnet.ResNet20Cifar(), "net.keras")
    """
    _check_types(model, source)
    if is_published(source):
        source = find_weights(model.name, source)
    if isinstance(source, PretrainedWeights):
        return _load_published(model, source)
    return _load_file(model, fetch_from_hub(source) if is_hub_address(source) else source, source)


def _load_file(model: keras.Model, path: str | os.PathLike, source: str | os.PathLike) -> keras.Model:
    """Loads the file at `path`, of which messages and the model's origin say that it is `source`."""
    conversion = _read(model, path, NAMINGS)
    path = pathlib.Path(path).expanduser()
    config = read_config(path, model) if path.suffix == ".keras" else {}
    _check_strides(model, config, source)
    view, names = _metadata(path, config)
    view = view and _fitting_view(model, view)
    if conversion.normalization:
        _set_normalization(model, *conversion.normalization, source)
    _assign(model, conversion, source)
    if view:
        model.view = view
    if names and _has_classifier(model, conversion, len(names)):
        model.class_names = names
    return model


def _load_published(model: keras.Model, weights: PretrainedWeights) -> keras.Model:
    view = _fitting_view(model, weights.view)
    path = fetch_weights(weights, include_top=_has_top(model))
    conversion = _read(model, path, {weights.naming: NAMINGS[weights.naming]})
    if weights.channel_order == "bgr":
        conversion.values[STEM] = conversion.values[STEM][:, :, ::-1]
    mean, std = conversion.normalization or (weights.mean, weights.std)
    if mean is not None and std is not None:
        _set_normalization(model, mean, std, weights.id)
    _assign(model, conversion, weights.id)
    model.view = view
    names = class_names(weights.class_names)
    model.class_names = names if _has_classifier(model, conversion, len(names)) else None
    _warn_of_licence(weights)
    return model


def _set_normalization(model: keras.Model, mean: Statistic, std: Statistic, source: object) -> None:
    """Sets the normalization; raises ValueError before any change if the mean is an image of another size."""
    size = np.shape(mean)[:-1]
    if size and get_normalization(model) and size != image_sides(model):
        raise ValueError(
            f"{source} has a mean image of {size[1]}x{size[0]} pixels, so {model.name} must take images of that size: "
            f"build it with input_shape=({size[0]}, {size[1]}, 3). The model is unchanged."
        )
    set_normalization(model, mean, std)


def _check_strides(model: keras.Model, config: Mapping[str, Any], source: object) -> None:
    """Checks what names and shapes of tensors do not tell: that the strides are where the file's model has them.

    A convolution without a stride fits any: with `output_stride`, stages dilate instead, with the same weights.

    Raises:
        ValueError: a convolution of the model has another stride or padding than that of the same name in the file.
    """
    theirs = {layer["config"]["name"]: layer["config"] for layer in config.get("layers", ())}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.strides != (1, 1) and layer.name in theirs:
            for setting, ours in (("strides", list(layer.strides)), ("padding", layer.padding)):
                other = theirs[layer.name].get(setting, ours)
                if other != ours:
                    raise ValueError(
                        f"{source} is for another architecture than {model.name}: its {layer.name} has "
                        f"{setting}={shown(other)}, not {shown(ours)}; build the model with the file's options. The "
                        "model is unchanged."
                    )


def _metadata(path: pathlib.Path, config: Mapping[str, Any]) -> tuple[View | None, tuple[str, ...]]:
    """The view and the class names in the configuration of a model; None and () for what it does not have."""
    view, names = config.get("view"), config.get("class_names")
    try:
        for name in names or ():
            check("class_names", name, TEXT)
        return View.from_json(view) if view else None, tuple(names or ())
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{path} has an invalid view or class_names ({first_line(error)}).") from error


def _has_top(model: keras.Model) -> bool:
    return any(layer.name == HEAD for layer in model.layers)


def _has_classifier(model: keras.Model, conversion: Conversion, classes: int) -> bool:
    """Whether the model has the classifier of a file, for this number of classes."""
    return _has_top(model) and not conversion.head_differs and model.output_shape[-1] == classes


def _warn_of_licence(weights: PretrainedWeights) -> None:
    """Says once in a process that the licence of these weights forbids commercial use."""
    if weights.commercial is False and weights.id not in _warned:
        _warned.add(weights.id)
        warnings.warn(f"The licence of {weights.id}, {weights.licence}, forbids commercial use.", stacklevel=4)


def _fitting_view(model: keras.Model, view: View) -> View:
    """A view, with the size of the model's images if that is fixed."""
    height, width = image_sides(model)
    return dataclasses.replace(view, size=(height or view.size[0], width or view.size[1]))


def _check_types(model: object, source: object) -> None:
    """Raises an error if `load_weights` was called with something else than a model and a source."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"load_weights takes a Keras model, not {type(model).__name__}.")
    if not isinstance(source, (str, os.PathLike, PretrainedWeights)):
        raise TypeError(f"Weights are a file's path, or the name of published weights, not {shown(source)}.")
    if not isinstance(source, PretrainedWeights):
        check("weights", source, Rule(PATH.holds, "must be a file's path, or the name of published weights"))


def is_published(source: object) -> TypeGuard[str]:
    """Whether a source of weights is a name of the table of weights, not a file or an address on a hub."""
    if not isinstance(source, str) or not PATH.holds(source) or is_hub_address(source):
        return False
    if source.endswith(tuple(READERS)) or source.startswith((".", "~", os.sep)):
        return False
    path = pathlib.Path(source)
    return not path.is_file() and (source in names_of_weights() or not path.is_dir())


def _read(model: keras.Model, path: str | os.PathLike, namings: Mapping[str, Naming]) -> Conversion:
    """Reads a file with the naming that matches best; raises ValueError if none matches."""
    tensors = read_tensors(path, model)
    conversions = {name: convert(model, tensors, naming) for name, naming in namings.items()}
    name, conversion = min(conversions.items(), key=lambda item: _counts(item[1]))
    if any(_counts(conversion)):
        problems = (
            _listed("missing", conversion.missing),
            _listed("unexpected", conversion.unexpected),
            _listed("mismatched", conversion.mismatched),
        )
        raise ValueError(
            f"{path} does not match {model.name} (read with the names of {name}): {'; '.join(filter(None, problems))}. "
            "The model is unchanged."
        )
    return conversion


def _counts(conversion: Conversion) -> tuple[int, int, int]:
    return len(conversion.missing), len(conversion.unexpected), len(conversion.mismatched)


def _assign(model: keras.Model, conversion: Conversion, source: object) -> keras.Model:
    if conversion.head_differs:
        warnings.warn(
            f"{source} has a classifier for another number of classes; loaded all layers of {model.name} but {HEAD!r}.",
            stacklevel=4,
        )
    for layer in model.layers:
        if layer.name == HEAD and conversion.head_differs:
            continue
        for variable in layer.weights:
            variable.assign(conversion.values[layer.name, variable.name])
    model.weights_source = str(source)  # for recipe.json of a run that starts from these weights
    return model


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{len(names)} {what} ({', '.join(names[:LISTED])}{more})"
