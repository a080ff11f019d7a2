"""Matches the classes of a data set to the outputs of a model that may tell more classes apart."""

import functools
from collections.abc import Sequence

import keras
import numpy as np

from keras_resnet.choices import IMAGENET_LISTS
from keras_resnet.data.loading import Data
from keras_resnet.preprocessing import imagenet_classes

LISTED = 4  # classes that an error lists


def match_classes(model: keras.Model, data: Data) -> np.ndarray:
    """The output of the model that stands for each class of the data.

    Classes are matched by their names. If the model's are those of ImageNet, a class of the data may have either the
    WordNet ID or the name. Without a match, the outputs are taken to be in the order of the data's classes, if there
    are as many and no name is that of another output.

    Args:
        model: a model with outputs (batch, N); its `class_names`, if it has any, name them.
        data: from `keras_resnet.load_data`.

    Returns:
        Numbers of outputs, int (classes,).

    Raises:
        ValueError: the numbers of outputs and classes differ, and the model has no class names, or one name of the data
            is not one of them, or is that of several.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.evaluation.class_matching import match_classes
        >>> model = keras_resnet.ResNet20Cifar(classes=3)
        >>> model.class_names = "cat", "dog", "owl"
        >>> arrays = np.zeros((2, 32, 32, 3), "uint8"), np.arange(2)
        >>> match_classes(model, keras_resnet.load_data(arrays, class_names=("owl", "cat"))).tolist()
        [2, 0]
    """
    return match_names(model.name, getattr(model, "class_names", None), model.output_shape[1:], data)


def match_names(model: str, names: Sequence[str] | None, outputs: tuple[int | None, ...], data: Data) -> np.ndarray:
    """The same as `match_classes`, for an exported model.

    Args:
        model: its name, for messages.
        names: of its classes, or None.
        outputs: the shape of its outputs for one image.
        data: from `keras_resnet.load_data`.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.evaluation.class_matching import match_names
        >>> arrays = np.zeros((2, 32, 32, 3), "uint8"), np.arange(2)
        >>> data = keras_resnet.load_data(arrays, class_names=("owl", "cat"))
        >>> match_names("net", ("cat", "dog", "owl"), (3,), data).tolist()
        [2, 0]
    """
    classes, known = len(data.class_names), _outputs_by_name(names or ())
    if len(outputs) == 1 and all(len(known.get(name, ())) == 1 for name in data.class_names):
        return np.array([known[name][0] for name in data.class_names])
    in_order = all(output in known.get(name, [output]) for output, name in enumerate(data.class_names))
    if outputs == (classes,) and in_order:
        return np.arange(classes)
    if not names or classes > len(names):
        hint = "" if names else ", or set its class_names to match classes by name"
        raise ValueError(
            f"The model {model} has outputs of shape {outputs}, but {data.name} has {classes} classes; build it "
            f"with classes={classes}{hint}."
        )
    unknown = [name for name in data.class_names if name not in known]
    if unknown:
        raise ValueError(f"{data.name} has classes that the model {model} does not know: {_listed(unknown)}.")
    ambiguous = [name for name in data.class_names if len(known[name]) > 1]
    raise ValueError(
        f"The model {model} has several classes of the name {_listed(ambiguous)}; give {data.name} WordNet IDs as "
        "class names."
    )


def are_same_classes(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order; of ImageNet, also if one of them has WordNet IDs.

    Example:
        >>> from keras_resnet.evaluation.class_matching import are_same_classes
        >>> are_same_classes(["cat", "dog"], ["dog", "cat"])
        False
    """
    return tuple(others) in _columns(tuple(names))


def _outputs_by_name(names: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of the outputs that have a name, or of ImageNet's classes the WordNet ID."""
    outputs: dict[str, list[int]] = {}
    for column in _columns(tuple(names)):
        for output, name in enumerate(column):
            outputs.setdefault(name, []).append(output)
    return outputs


def _columns(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The names, and for a list of ImageNet's classes also their WordNet IDs, or the reverse."""
    return next((columns for columns in _imagenet_columns() if names in columns), [names])


@functools.cache
def _imagenet_columns() -> list[list[tuple[str, ...]]]:
    """The WordNet IDs and the names of each of ImageNet's lists. 35,000 pairs are too many to unzip each time."""
    return [list(zip(*imagenet_classes(class_list), strict=True)) for class_list in IMAGENET_LISTS]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:LISTED])) + (", ..." if len(names) > LISTED else "")
