"""load_weights(): a file -> a model, whole or not at all."""

import os
import warnings

from keras_resnet.naming import HEAD, NAMINGS, translate
from keras_resnet.weight_files import read_tensors

LISTED = 5  # names that an error lists of each kind


def load_weights(model, source: str | os.PathLike):
    """Loads the weights of a file into a model; changes nothing unless all of them fit.

    The file may be this package's, keras.applications', torchvision's, timm's, or one of the published CIFAR nets:
    which one is seen from the names in it. A classifier for another number of classes is left as it is, with a warning.

    Args:
        model: a model of this package.
        source: path of a `.keras`, `.weights.h5`, `.h5`, `.safetensors`, `.pth`, `.pt` or `.th` file.

    Returns:
        The model.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or for another architecture; lists what is missing, left over or of the
            wrong shape.
        ImportError: the package that reads the format is missing.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.ResNet20Cifar().save("net.keras")
        >>> model = keras_resnet.load_weights(keras_resnet.ResNet20Cifar(), "net.keras")
    """
    tensors = read_tensors(source, model)
    name, translation = max(
        ((name, translate(model, tensors, naming)) for name, naming in NAMINGS.items()),
        key=lambda named: (-len(named[1].missing), -len(named[1].left_over), -len(named[1].misshapen)),
    )
    problems = [
        _listed("missing", translation.missing),
        _listed("left over", translation.left_over),
        _listed("of the wrong shape", translation.misshapen),
    ]
    if any(problems):
        raise ValueError(
            f"{source} does not fit {model.name} (read as of {name}): {'; '.join(filter(None, problems))}. "
            "The model is unchanged."
        )
    if translation.head_differs:
        warnings.warn(
            f"{source} has a classifier for another number of classes; all but {HEAD!r} of {model.name} was loaded.",
            stacklevel=2,
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
