"""Rebuilds functional models: the same graph, with some operations replaced and nested models inlined."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_resnet.models.model import recursion_limit

Function = Callable[..., Any]  # of Keras tensors
NOT_FOR_INFERENCE = ("_regularizer", "_constraint")  # how the names of these settings of layers end


def rewritten(model: keras.Model, replacement: Callable[[keras.Operation, str], Function]) -> keras.Model:
    """A functional `keras.Model` that calls, in the place of each operation, what replaces it.

    Nested models are inlined. The batch size is left open, and float inputs become float32.

    Args:
        model: a functional or sequential model.
        replacement: takes a layer or operation of the model, and a name that no other one of the new model has; returns
            the function to call in its place. Called once for each layer, also for one that is used several times.

    Raises:
        ValueError: the model, or one inside it, is not functional.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.rewriting import rewritten
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.ReLU(name="act")])
        >>> rewritten(model, lambda layer, name: keras.layers.ELU(name=name)).get_layer("act").__class__.__name__
        'ELU'
    """
    graph = _Graph(replacement)
    graph.check(model)
    with recursion_limit():
        structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        inputs = keras.tree.map_structure(graph.input, structure)
        return keras.Model(inputs, graph.call(model, inputs), name=model.name)


class _Graph:
    """The new graph, as far as it is built."""

    def __init__(self, replacement: Callable[[keras.Operation, str], Function]) -> None:
        self.replacement = replacement
        self.functions: dict[keras.Operation, Function] = {}
        self.names: set[str] = set()

    def input(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        dtype = "float32" if "float" in tensor.dtype else tensor.dtype
        return keras.Input(tensor.shape[1:], dtype=dtype, name=self.unique(tensor.name))

    def call(self, operation: keras.Operation, *args, **kwargs) -> Any:
        """Calls what replaces an operation of the old graph."""
        kwargs.pop("training", None)  # a layer called with training=True does the same as the others in inference
        if isinstance(operation, keras.Sequential):
            (x,) = args
            for layer in operation.layers:
                x = self.call(layer, x)
            return x
        if isinstance(operation, keras.Model):
            self.check(operation)
            return operation._run_through_graph(args[0], lambda inner: _bound(self.call, inner))
        if operation not in self.functions:
            self.functions[operation] = self.replacement(operation, self.unique(operation.name))
        return self.functions[operation](*args, **kwargs)

    def unique(self, name: str) -> str:
        """The name, with a number if it is taken: layers of nested models may have the names of others."""
        number, found = 1, name
        while found in self.names:
            number, found = number + 1, f"{name}_{number}"
        self.names.add(found)
        return found

    @staticmethod
    def check(model: object) -> None:
        is_graph = isinstance(model, keras.Sequential) or hasattr(model, "_run_through_graph")
        if not (isinstance(model, keras.Model) and is_graph and model.inputs):
            name = getattr(model, "name", type(model).__name__)
            raise ValueError(
                f"{name} is not a functional model, so its graph cannot be read; build it by "
                "keras.Model(inputs, outputs)."
            )


def _bound(function: Function, first: Any) -> Function:
    return lambda *args, **kwargs: function(first, *args, **kwargs)


def copied(operation: keras.Operation, name: str, dtype: str) -> keras.Operation:
    """A layer or operation like another one, for inference, with the same weights.

    Args:
        operation: to copy.
        name: of the copy.
        dtype: of its computation and weights, whatever the precision of the other one.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.rewriting import copied
        >>> layer = keras.layers.Dense(2, dtype="mixed_bfloat16", name="a")
        >>> layer.build((None, 3))
        >>> copied(layer, "b", "float32").compute_dtype
        'float32'
    """
    try:
        config = configuration(operation, name, dtype)
    except NotImplementedError:  # an operation with arguments that Keras cannot save; it has no weights
        return operation
    if isinstance(operation, keras.Layer):
        return layer_like(operation, type(operation), config, values(operation))
    return type(operation).from_config(config)


def layer_like(
    original: keras.Layer, kind: type[keras.Layer], config: Mapping[str, Any], weights: Sequence[np.ndarray]
) -> keras.Layer:
    """A layer with this configuration and these weights, built for the inputs of another one.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.rewriting import layer_like
        >>> layer_like(keras.layers.ReLU(), keras.layers.LeakyReLU, {"negative_slope": 0.5}, []).negative_slope
        0.5
    """
    layer = kind.from_config(dict(config))
    if weights:
        layer.build_from_config(original.get_build_config())
        set_values(layer, weights)
    return layer


def set_values(layer: keras.Layer, weights: Sequence[np.ndarray]) -> None:
    """Sets the weights of a layer, and what it derives from them.

    Example:
        >>> import keras, numpy as np
        >>> from keras_resnet.exporting.rewriting import set_values
        >>> layer = keras.layers.Normalization()
        >>> layer.build((None, 1))
        >>> set_values(layer, [np.array([3.0]), np.array([4.0]), np.array(1)])
        >>> layer(np.array([[7.0]])).numpy().tolist()
        [[2.0]]
    """
    layer.set_weights(list(weights))
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()


def values(layer: keras.Layer) -> list[np.ndarray]:
    """The values of a layer's weights, in float64 if they are floats.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.rewriting import values
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 3))
        >>> [value.dtype.name for value in values(layer)]
        ['float64', 'float64']
    """
    arrays = [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
    return [array.astype("float64") if "float" in array.dtype.name else array for array in arrays]


def configuration(operation: keras.Operation, name: str, dtype: str) -> dict[str, Any]:
    """The configuration of a layer or operation for inference: without regularizers and constraints.

    Args:
        operation: whose configuration is taken.
        name: in place of its own.
        dtype: in place of every float dtype and policy.

    Example:
        >>> import keras
        >>> from keras_resnet.exporting.rewriting import configuration
        >>> layer = keras.layers.Dense(2, kernel_regularizer="l2", dtype="mixed_bfloat16")
        >>> config = configuration(layer, "head", "float32")
        >>> config["dtype"], config["name"], "kernel_regularizer" in config
        ('float32', 'head', False)
    """
    config = operation.get_config()
    return {**_for_inference(config, dtype), **({"name": name} if "name" in config else {})}


def _for_inference(config: Any, dtype: str) -> Any:
    if not isinstance(config, Mapping):
        return config
    kept = {key: value for key, value in config.items() if not str(key).endswith(NOT_FOR_INFERENCE)}
    return {
        key: dtype if key == "dtype" and _is_float(value) else _for_inference(value, dtype)
        for key, value in kept.items()
    }


def _is_float(dtype: Any) -> bool:
    """Whether a dtype, or the configuration of a policy, is of floats: "bfloat16", "mixed_float16", ..."""
    policy = dtype.get("config", {}).get("name") if isinstance(dtype, Mapping) else dtype
    return isinstance(policy, str) and "float" in policy and "int" not in policy
