"""load_weights(): a weight file or published weights -> a model, whole or not at all."""

import os
import pathlib
import warnings

from keras_resnet.preprocessing import set_normalization
from keras_resnet.weights.conversion import HEAD, NAMINGS, convert
from keras_resnet.weights.downloads import fetch_weights
from keras_resnet.weights.formats import READERS, read_tensors
from keras_resnet.weights.pretrained import PretrainedWeights, find_weights

LISTED = 5  # names that an error lists of each kind
STEM = ("stem_conv", "kernel")


def load_weights(model, source: str | os.PathLike | PretrainedWeights):
    """Loads weights into a model; changes nothing unless all of them fit.

    A file may be this package's, keras.applications', torchvision's, timm's, or one of the published CIFAR nets:
    which one is seen from the names in it. A classifier for another number of classes is left as it is, with a warning.
    Published weights are downloaded at their first use, and set the normalization of the model's input to theirs.

    Args:
        model: a model of this package.
        source: path of a `.keras`, `.weights.h5`, `.h5`, `.safetensors`, `.pth`, `.pt` or `.th` file; or the name of
            published weights of the variant that the model is named after: "imagenet" (its default),
            "timm/resnet50.a1_in1k", "torchvision/IMAGENET1K_V2", "keras" (`keras_resnet.list_weights` lists them).

    Returns:
        The model.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such name; or the file is damaged, or for another architecture: lists what is missing, left
            over or of the wrong shape.
        OSError: the weights cannot be downloaded; says from where, and where to put them by hand.
        ImportError: the package that reads the format is missing.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> model = keras_resnet.load_weights(keras_resnet.ResNet20Cifar(), "net.keras")
    """
    if is_published(source):
        source = find_weights(model.name, source)
    if not isinstance(source, PretrainedWeights):
        return _assign(model, _translate(model, source, NAMINGS), source)
    has_top = any(layer.name == HEAD for layer in model.layers)
    path = fetch_weights(source, include_top=has_top)
    translation = _translate(model, path, {source.naming: NAMINGS[source.naming]})
    if source.channel_order == "bgr":
        translation.values[STEM] = translation.values[STEM][:, :, ::-1]
    _assign(model, translation, source.id)
    set_normalization(model, source.mean, source.std)
    return model


def is_published(source) -> bool:
    """Whether a source of weights is a name rather than a file."""
    return isinstance(source, str) and not source.endswith(tuple(READERS)) and not pathlib.Path(source).is_file()


def _translate(model, path, namings):
    """The file's tensors as the model's, under the naming that fits best; raises ValueError where none fits."""
    tensors = read_tensors(path, model)
    name, translation = max(
        ((name, convert(model, tensors, naming)) for name, naming in namings.items()),
        key=lambda named: (-len(named[1].missing), -len(named[1].unexpected), -len(named[1].mismatched)),
    )
    problems = [
        _listed("missing", translation.missing),
        _listed("left over", translation.unexpected),
        _listed("of the wrong shape", translation.mismatched),
    ]
    if any(problems):
        raise ValueError(
            f"{path} does not fit {model.name} (read as of {name}): {'; '.join(filter(None, problems))}. "
            "The model is unchanged."
        )
    return translation


def _assign(model, translation, source):
    if translation.head_differs:
        warnings.warn(
            f"{source} has a classifier for another number of classes; all but {HEAD!r} of {model.name} was loaded.",
            stacklevel=3,
        )
    for layer in model.layers:
        if layer.name == HEAD and translation.head_differs:
            continue
        for variable in layer.weights:
            variable.assign(translation.values[layer.name, variable.name])
    return model


def _listed(what, names):
    if not names:
        return ""
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{len(names)} {what} ({', '.join(names[:LISTED])}{more})"
