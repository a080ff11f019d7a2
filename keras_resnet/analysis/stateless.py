"""A model as a function of its weights: in training mode, or at other weights, without changing the model."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.models.model import ends_in_sigmoid, ends_in_softmax, recursion_limit


class State(NamedTuple):
    """The values of a model's variables.

    Attributes:
        weights: of the trainable weights.
        others: of all other variables: the statistics of normalizations, seeds of dropout, frozen weights.
    """

    weights: list[tf.Tensor]
    others: list[tf.Tensor]


class Stateless:
    """Tensors of a model's graph as a function of images and of the values of the model's variables.

    In training mode, normalizations use the statistics of the batch; their moving statistics stay as they are.

    Args:
        model: without models inside it (see `keras_resnet.analysis.graph.flattened`).
        tensors: of its graph.

    Attributes:
        names: of the trainable weights, such as "stage1_block1_conv1/kernel".

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.stateless import Stateless
        >>> model = keras_resnet.ResNet20Cifar()
        >>> function = Stateless(model, model.outputs)
        >>> [probabilities] = function(np.zeros((2, 32, 32, 3)), function.state(), training=True)
        >>> probabilities.shape
        TensorShape([2, 10])
    """

    def __init__(self, model: keras.Model, tensors: Iterable[keras.KerasTensor]) -> None:
        with recursion_limit():
            self._network = keras.Model(model.inputs, list(tensors))
        self.names = [variable.path for variable in self._network.trainable_variables]

    def state(self) -> State:
        """The present values of the model's variables."""
        network = self._network
        return State(_values(network.trainable_variables), _values(network.non_trainable_variables))

    def __call__(self, images: Any, state: State, training: bool = False) -> list[tf.Tensor]:
        """The values of the tensors.

        Args:
            images: as the model takes them, (N, height, width, channels).
            state: values of the model's variables.
            training: whether in training mode.
        """
        return self._call(images, state, training)[0]

    def with_batch_statistics(self, images: Any) -> State:
        """The present state with the mean and variance of these images in each batch normalization.

        A new network, whose moving statistics are those of no image, can be used so. Frozen normalizations keep theirs.
        """
        momentum = {
            id(variable): layer.momentum
            for layer in self._network.layers
            if isinstance(layer, keras.layers.BatchNormalization) and _uses_batch(layer)
            for variable in (layer.moving_mean, layer.moving_variance)
        }
        variables, (weights, others) = self._network.non_trainable_variables, self.state()
        # From zero, a moving average becomes (1 - momentum) times the statistics of the batch.
        zeroed = [
            tf.zeros_like(value) if id(variable) in momentum else value
            for variable, value in zip(variables, others, strict=True)
        ]
        update = compiled(lambda images, state: self._call(images, state, training=True)[1])
        updated = update(np.asarray(images), State(weights, zeroed))
        return State(
            weights,
            [
                new / (1 - momentum[id(variable)]) if id(variable) in momentum else old
                for variable, new, old in zip(variables, updated, others, strict=True)
            ],
        )

    def _call(self, images: Any, state: State, training: bool) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        images = tf.cast(images, self._network.inputs[0].dtype)
        values, others = self._network.stateless_call(*state, images, training=training)
        return keras.tree.flatten(values), others  # Keras does not keep a list of one tensor


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as a TensorFlow graph, which is traced once for each kind of arguments.

    `tf.function` warns of frequent tracing if several models are measured in one process; this does not.

    Args:
        function: of arrays, of structures of tensors, and of other arguments, on each value of which the graph depends.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.analysis.stateless import compiled
        >>> int(compiled(lambda x: 2 * x)(np.array(3)))
        6
    """
    traced = tf.function(function, reduce_retracing=True)

    def call(*arguments: Any) -> Any:
        tensors = [tf.convert_to_tensor(given) if isinstance(given, np.ndarray) else given for given in arguments]
        return traced.get_concrete_function(*tensors)(*tensors)

    return call


def _uses_batch(layer: keras.layers.BatchNormalization) -> bool:
    """Whether the layer uses the statistics of the batch in training mode."""
    return layer.trainable and not getattr(layer, "frozen_statistics", False)


def _values(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def cross_entropy(model: keras.Model, scores: tf.Tensor, labels: Any) -> tf.Tensor:
    """The cross-entropy of each image, (N,): on the logits, so that it does not saturate.

    Of a model that ends in a sigmoid, it is the binary cross-entropy, averaged over the classes.

    Args:
        model: whose last layer tells whether it returns logits.
        scores: its outputs, (N, classes), as its last layer returned them.
        labels: class numbers (N,).

    Example:
        >>> import keras, numpy as np
        >>> from keras_resnet.analysis.stateless import cross_entropy
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Softmax()])
        >>> float(cross_entropy(model, model(np.array([[0.0, 1000.0]])), np.array([0]))[0])
        1000.0
    """
    # Keras finds the logits that softmax and sigmoid keep with their outputs.
    if ends_in_sigmoid(model):
        return keras.losses.binary_crossentropy(tf.one_hot(labels, scores.shape[-1]), scores)
    return keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits=not ends_in_softmax(model))
