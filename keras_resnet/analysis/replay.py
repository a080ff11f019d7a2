"""Parts of a model's graph, computed anew: from other values, or with other layers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_resnet.analysis.graph import Call, calls_between

Compute = Callable[..., Any]  # of a call, and of the arguments of its operation


def run(call: Call, *args: Any, **kwargs: Any) -> Any:
    """Calls the operation of a call, in inference."""
    kwargs.pop("training", None)  # a layer called with training=True does the same as the others
    return call.operation(*args, **kwargs)


def replay(
    starts: Sequence[keras.KerasTensor],
    ends: Sequence[keras.KerasTensor],
    values: Sequence[Any],
    compute: Compute = run,
) -> list[Any]:
    """The values of tensors of a graph, computed from given values of earlier ones.

    Args:
        starts: tensors whose values are given. All paths from the model's inputs to `ends` must pass them.
        ends: tensors to compute.
        values: of `starts`: arrays, tensors, or Keras tensors of another graph.
        compute: takes a call, and what its operation is called with; returns its outputs. Default: calls the operation.

    Raises:
        ValueError: a path to `ends` passes none of `starts`.

    Example:
        >>> import keras, numpy as np
        >>> from keras_resnet.analysis.replay import replay
        >>> x = keras.Input((2,))
        >>> y = keras.layers.ReLU()(x)
        >>> z = keras.layers.Rescaling(10)(y)
        >>> [values] = replay([y], [z], [np.array([[1.0, 2.0]])])
        >>> np.asarray(values).tolist()
        [[10.0, 20.0]]
    """
    known = dict(zip(map(id, starts), values, strict=True))
    for call in calls_between(starts, ends):
        if isinstance(call.operation, keras.layers.InputLayer):
            raise ValueError(f"A path from {call.operation.name} to {ends[0].name} passes by {starts[0].name}.")
        args, kwargs = _arguments(call).fill_in(known)
        outputs = keras.tree.flatten(compute(call, *args, **kwargs))
        known.update(zip(map(id, call.outputs), outputs, strict=True))
    return [known[id(tensor)] for tensor in ends]


def _arguments(call: Call) -> Any:
    """What the operation was called with when the graph was built; `fill_in` puts values in the place of tensors."""
    operation, index, _ = call.outputs[0]._keras_history
    return operation._inbound_nodes[index].arguments
