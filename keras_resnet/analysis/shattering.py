"""Shattered gradients: how gradients lose their correlation between nearby inputs, and between nearby weights.

Source: Balduzzi et al. 2017, "The Shattered Gradients Problem", https://arxiv.org/abs/1702.08591.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.analysis.blocks import find_blocks
from keras_resnet.analysis.graph import flattened
from keras_resnet.analysis.stateless import State, Stateless, compiled, cross_entropy
from keras_resnet.models.model import number_of_classes

BATCH = 64  # images whose gradients are computed at a time


class LineGradients(NamedTuple):
    """Gradients with respect to the image, at points on a line from one image to another.

    Attributes:
        derivative: of the loss along the line, (points,): the gradient's component in the line's direction.
        correlation: mean cosine of the gradients at two points, by the number of steps between them, (points,).
    """

    derivative: np.ndarray
    correlation: np.ndarray


class Rounding(NamedTuple):
    """What rounding all weights to bfloat16 changes.

    Attributes:
        weights: names of the weights, in order.
        cosines: of the gradients at each weight before and after rounding, (weights,); NaN where a gradient is zero.
        is_kernel: whether a weight has two dimensions or more, (weights,).
        blocks: names of the blocks, in order.
        changes: norm of the change of each block's output, relative to the output, (blocks,).
    """

    weights: tuple[str, ...]
    cosines: np.ndarray
    is_kernel: np.ndarray
    blocks: tuple[str, ...]
    changes: np.ndarray

    @property
    def median(self) -> float:
        """The median cosine of the kernels."""
        return float(np.nanmedian(self.cosines[self.is_kernel]))


class LineProbe:
    """Measures gradients along lines between images.

    Args:
        model: a classifier. It remains as it is.
        images: (N, height, width, channels); batch normalizations use their statistics.

    Raises:
        ValueError: the model is not functional, has no classifier, or takes integers.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.shattering import LineProbe
        >>> images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3))
        >>> gradients = LineProbe(keras_resnet.ResNet20Cifar(), images)(images[0], images[1], label=3, points=5)
        >>> gradients.derivative.shape, round(float(gradients.correlation[0]), 6)
        ((5,), 1.0)
    """

    def __init__(self, model: keras.Model, images: Any) -> None:
        number_of_classes(model)
        self._model = flattened(model)
        if "float" not in self._model.inputs[0].dtype:
            raise ValueError(f"{model.name} takes integers, at which its loss has no gradient; give it a float input.")
        self._network = Stateless(self._model, self._model.outputs)
        self._state = self._network.with_batch_statistics(images)
        self._compute = compiled(self._gradients)

    def __call__(self, start: np.ndarray, end: np.ndarray, label: int, points: int) -> LineGradients:
        """The gradients of the loss at equidistant points.

        Args:
            start: the first image, (height, width, channels).
            end: the last one.
            label: number of the class that the loss is for.
            points: number of points, at least 2.
        """
        start, end = start.astype("float64"), end.astype("float64")
        positions = np.linspace(0, 1, points)[:, None, None, None]
        images = start + positions * (end - start)
        batches = [
            self._compute(images[first : first + BATCH], np.asarray(label), self._state).numpy()
            for first in range(0, points, BATCH)
        ]
        gradients = np.concatenate(batches).reshape(points, -1)
        return LineGradients(gradients @ (end - start).ravel(), correlation_by_distance(gradients))

    def _gradients(self, images: tf.Tensor, label: tf.Tensor, state: State) -> tf.Tensor:
        [scores] = self._network(images, state)
        labels = tf.fill(tf.shape(images)[:1], label)
        return tf.gradients(tf.reduce_sum(cross_entropy(self._model, scores, labels)), images)[0]


def correlation_by_distance(vectors: np.ndarray) -> np.ndarray:
    """The mean cosine of the vectors at two points of a line, by the number of steps between them.

    Args:
        vectors: one at each of N equidistant points, (N, D). Zero vectors are left out.

    Returns:
        (N,): 1 at first; NaN where no vectors are left.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.analysis.shattering import correlation_by_distance
        >>> correlation_by_distance(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])).tolist()
        [1.0, 0.0, 1.0]
    """
    vectors = vectors.astype("float64")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = vectors / np.where(norms > 0, norms, 1)
    cosines, pairs = directions @ directions.T, (norms > 0) & (norms > 0).T
    steps = range(len(vectors))
    count = np.array([np.trace(pairs, step) for step in steps])
    sums = np.array([np.trace(cosines, step) for step in steps])
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)


def white_noise(points: int, dimensions: int = 1, seed: int = 0) -> np.ndarray:
    """Independent normal numbers, (points, dimensions): gradients without any correlation.

    Example:
        >>> from keras_resnet.analysis.shattering import white_noise
        >>> white_noise(3).shape
        (3, 1)
    """
    return np.random.default_rng(seed).normal(size=(points, dimensions))


def brown_noise(points: int, dimensions: int = 1, seed: int = 0) -> np.ndarray:
    """A random walk from zero, (points, dimensions): the running sum of white noise.

    Example:
        >>> from keras_resnet.analysis.shattering import brown_noise, white_noise
        >>> bool((brown_noise(3)[2] == white_noise(3).sum(axis=0)).all())
        True
    """
    return white_noise(points, dimensions, seed).cumsum(axis=0)


def rounding(model: keras.Model, images: Any, labels: Any) -> Rounding:
    """Compares the gradients of the mean loss at the weights with those at the weights rounded to bfloat16.

    Both are computed in training mode on the same images, in the model's own precision.

    Args:
        model: a classifier with blocks. It remains as it is.
        images: (N, height, width, channels), as the model takes them.
        labels: numbers of the model's classes, (N,).

    Raises:
        ValueError: the model is not functional, or has no classifier or no blocks.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.shattering import rounding
        >>> images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3))
        >>> rounding(keras_resnet.ResNet20Cifar(), images, np.arange(8)).median > 0.5
        True
    """
    number_of_classes(model)
    flat = flattened(model)
    blocks = find_blocks(flat)
    network = Stateless(flat, [*(block.output for block in blocks), *flat.outputs])

    def compute(images: tf.Tensor, state: State) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        *outputs, scores = network(images, state, training=True)
        loss = tf.reduce_mean(cross_entropy(flat, scores, labels))
        return tf.gradients(loss, state.weights, unconnected_gradients="zero"), outputs

    state, images, measure = network.state(), np.asarray(images), compiled(compute)
    gradients, outputs = measure(images, state)
    of_rounded, rounded_outputs = measure(images, State([_rounded(weight) for weight in state.weights], state.others))
    return Rounding(
        tuple(network.names),
        np.array([_cosine(one.numpy(), other.numpy()) for one, other in zip(gradients, of_rounded, strict=True)]),
        np.array([len(weight.shape) > 1 for weight in state.weights]),
        tuple(block.name for block in blocks),
        np.array([_change(one.numpy(), other.numpy()) for one, other in zip(outputs, rounded_outputs, strict=True)]),
    )


def _rounded(weight: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.cast(weight, tf.bfloat16), weight.dtype)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype("float64").ravel(), other.astype("float64").ravel()
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / norms) if norms > 0 else float("nan")


def _change(before: np.ndarray, after: np.ndarray) -> float:
    before, after = before.astype("float64"), after.astype("float64")
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))
