"""The graph of a functional model: its tensors in order, and models of intermediate tensors."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_resnet.exporting.rewriting import rewritten
from keras_resnet.models.model import recursion_limit


class Call(NamedTuple):
    """One use of a layer or operation: its inputs and outputs are Keras tensors."""

    operation: keras.Operation
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]


def flattened(model: keras.Model) -> keras.Model:
    """The model without models inside it, such as a network in a `keras.Sequential`; it has the same layers.

    Raises:
        ValueError: the model, or one inside it, is not functional.

    Example:
        >>> import keras, keras_resnet
        >>> from keras_resnet.analysis.graph import flattened
        >>> base = keras_resnet.ResNet20Cifar(include_top=False, pooling="avg")
        >>> own = keras.Sequential([base, keras.layers.Dense(2)])
        >>> flattened(own).get_layer("stage1_block1_add").name
        'stage1_block1_add'
    """
    nested = any(isinstance(layer, keras.Model) for layer in model.layers)
    if nested or not hasattr(model, "_run_through_graph"):
        return rewritten(model, lambda layer, name: layer)
    return model


def calls(model: keras.Model) -> list[Call]:
    """The uses of layers and operations between the model's inputs and outputs, each after those it depends on.

    Example:
        >>> import keras
        >>> from keras_resnet.analysis.graph import calls
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.ReLU(name="act"), keras.layers.Dense(1)])
        >>> [call.operation.name for call in calls(model)][:1]
        ['act']
    """
    return calls_between(model.inputs, model.outputs)


def calls_between(starts: Sequence[keras.KerasTensor], ends: Sequence[keras.KerasTensor]) -> list[Call]:
    """As `calls`, between tensors of the graph."""
    given = {id(tensor) for tensor in starts}
    found: dict[int, Call] = {}
    waiting = [(_call_of(tensor), False) for tensor in ends if id(tensor) not in given]
    while waiting:  # without recursion: ResNet-1202 is deeper than Python's stack
        call, inputs_done = waiting.pop()
        key = id(call.outputs[0])
        if key in found:
            continue
        if inputs_done:
            found[key] = call
            continue
        waiting.append((call, True))
        waiting += [(_call_of(tensor), False) for tensor in call.inputs if id(tensor) not in given]
    return list(found.values())


def _call_of(tensor: keras.KerasTensor) -> Call:
    """The call that makes a tensor."""
    operation, index, _ = tensor._keras_history
    node = operation._inbound_nodes[index]
    return Call(operation, tuple(node.input_tensors), tuple(keras.tree.flatten(node.output_tensors)))


def values_of(model: keras.Model, tensors: Sequence[keras.KerasTensor]) -> Callable[..., list[tf.Tensor]]:
    """A function of a batch of images, and of `training`, that returns the values of tensors of the model's graph.

    Args:
        model: the model, without models inside it (see `flattened`).
        tensors: of its graph.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.graph import calls, values_of
        >>> model = keras_resnet.ResNet20Cifar()
        >>> last = calls(model)[-1]
        >>> [values] = values_of(model, last.inputs)(np.zeros((2, 32, 32, 3)), training=False)
        >>> values.shape
        TensorShape([2, 10])
    """
    with recursion_limit():
        probe = keras.Model(model.inputs, list(tensors))

    def compute(images: Any, training: bool = False) -> list[tf.Tensor]:
        values = probe(tf.convert_to_tensor(images, probe.inputs[0].dtype), training=training)
        return keras.tree.flatten(values)  # Keras does not keep a list of one tensor

    return compute


def convolutions(model: keras.Model) -> Iterator[Call]:
    """The convolutions of a model, in order."""
    return (call for call in calls(model) if isinstance(call.operation, keras.layers.Conv2D))
