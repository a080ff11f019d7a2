"""The input and the output of a model that `Artifact` uses, among all that it has."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

INPUT, PROBABILITIES = "images", "probabilities"  # the names of an exported model's input and output
SIGNATURE = "serving_default"  # of a SavedModel or LiteRT file that has several

T = TypeVar("T")


def the_input(inputs: Sequence[T]) -> T:
    """The only input.

    Raises:
        ValueError: there are several.

    Example:
        >>> from keras_resnet.runtimes.outputs import the_input
        >>> the_input(["images"])
        'images'
    """
    if len(inputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs, not one")
    return inputs[0]


def the_probabilities(outputs: Mapping[str, T]) -> T:
    """The output with the name "probabilities", or the only one.

    Raises:
        ValueError: there are several outputs, and none has this name.

    Example:
        >>> from keras_resnet.runtimes.outputs import the_probabilities
        >>> the_probabilities({"classes": 1, "probabilities": 2}), the_probabilities({"logits": 3})
        (2, 3)
    """
    if PROBABILITIES in outputs:
        return outputs[PROBABILITIES]
    if len(outputs) != 1:
        raise ValueError(f"it has {len(outputs)} outputs, none of them called {PROBABILITIES}")
    return next(iter(outputs.values()))
