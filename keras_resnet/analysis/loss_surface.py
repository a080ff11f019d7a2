"""The loss around the weights of a model, along filter-normalized random directions.

Source: Li, Xu, Taylor, Studer, Goldstein 2018, "Visualizing the Loss Landscape of Neural Nets",
https://arxiv.org/abs/1712.09913, section 4.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.analysis.samples import Sample
from keras_resnet.analysis.scores import Score, batches, score
from keras_resnet.progress import bar_shown
from keras_resnet.rules import ABOVE_ZERO, NUMBER, WHOLE, Rule, check

ODD = Rule(lambda value: value % 2 == 1 and value > 1, "must be odd and above 1, so that one point is the model itself")
NEIGHBORS = [(row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1)]


@dataclasses.dataclass(frozen=True)
class Surface:
    """Loss and error around the weights of a model.

    Attributes:
        steps: (S,), from -radius to radius; a step of 1 changes each filter by a vector of its own norm.
        loss: (S, S), mean cross entropy in nats: `loss[i, j]` at steps[i] times the first direction plus steps[j] times
            the second. Infinite where outputs are not finite.
        error: (S, S), likewise, images classified wrongly, percent.
    """

    steps: np.ndarray
    loss: np.ndarray
    error: np.ndarray

    @property
    def center(self) -> Score:
        """The score of the model itself."""
        middle = len(self.steps) // 2
        return Score(float(self.loss[middle, middle]), 1 - float(self.error[middle, middle]) / 100)

    def profile(self) -> tuple[np.ndarray, np.ndarray]:
        """Loss and error along the first direction, each (S,)."""
        middle = len(self.steps) // 2
        return self.loss[:, middle], self.error[:, middle]

    def minima(self) -> int:
        """Number of points of the grid, without its border, whose loss is below that of their eight neighbors."""
        size = len(self.steps) - 2
        inner = self.loss[1:-1, 1:-1]
        around = [self.loss[row : row + size, column : column + size] for row, column in NEIGHBORS]
        return int(np.all([inner < losses for losses in around], axis=0).sum())

    def share_below(self, loss: float) -> float:
        """The fraction of the grid's points whose loss is below a value."""
        return float((self.loss < loss).mean())


def filter_normalized(weights: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """A random direction in which each filter has the norm of the same filter of the weights.

    A filter is what computes one output channel: of a kernel, all values with the same last index. Vectors (biases, and
    the parameters and statistics of normalizations) get the direction zero.

    Args:
        weights: arrays of any shapes.
        random: the source of normal random numbers.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.analysis.loss_surface import filter_normalized
        >>> kernel = np.array([[3.0, 0.0], [4.0, 2.0]])  # two filters, with norms 5 and 2
        >>> direction, zero = filter_normalized([kernel, np.ones(2)], np.random.default_rng(0))
        >>> np.linalg.norm(direction, axis=0).round(6).tolist(), zero.tolist()
        ([5.0, 2.0], [0.0, 0.0])
    """
    return [_direction(array, random) if array.ndim > 1 else np.zeros_like(array) for array in weights]


def _direction(kernel: np.ndarray, random: np.random.Generator) -> np.ndarray:
    axes = tuple(range(kernel.ndim - 1))
    drawn = random.standard_normal(kernel.shape)
    norms = np.linalg.norm(kernel.astype("float64").reshape(-1, kernel.shape[-1]), axis=0)
    return (drawn * norms / np.sqrt((drawn**2).sum(axes))).astype(kernel.dtype)


def loss_surface(
    model: keras.Model,
    images: Sample,
    radius: float = 1.0,
    points: int = 15,
    seed: int = 0,
    verbose: int | str = 0,
) -> Surface:
    """The loss on a square grid around the weights, in two random directions.

    Normalizations use the moving statistics that the model has, at every point. The model stays as it is: the changed
    weights are only those of this computation.

    Args:
        model: one with outputs (batch, classes).
        images: with labels, usually of the training split.
        radius: from the center of the grid to its border.
        points: of each side; an odd number.
        seed: of the directions.
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.loss_surface import loss_surface
        >>> from keras_resnet.analysis.samples import Sample
        >>> model = keras_resnet.ResNet("basic", (1,), widths=(8,), stem="cifar", input_shape=(8, 8, 3), classes=2)
        >>> images = Sample(np.zeros((2, 8, 8, 3), "float32"), np.array([0, 1]))
        >>> loss_surface(model, images, points=3).loss.shape
        (3, 3)
    """
    check("radius", radius, NUMBER, ABOVE_ZERO)
    check("points", points, WHOLE, ODD)
    steps = np.linspace(-radius, radius, points)
    steps[points // 2] = 0  # exactly
    forward, parts = _perturbed(model, np.random.default_rng(seed)), list(batches(images))
    bar = keras.utils.Progbar(points**2 * len(images.images), verbose=bar_shown(verbose), unit_name="image")
    scores = []
    for step in np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2):
        outputs = np.concatenate([forward(tf.constant(step), batch) for batch in parts])
        scores.append(score(model, outputs, images.labels))
        bar.add(len(images.images))
    loss, error = np.array([(point.loss, point.error) for point in scores]).T.reshape(2, points, points)
    return Surface(steps, loss, error)


def _perturbed(model: keras.Model, random: np.random.Generator) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    """A function of the steps in two directions, (2,), and of a batch, that returns the outputs."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    kernels = [variable for variable in variables if variable.name.endswith("kernel")]
    weights = [keras.ops.convert_to_numpy(kernel) for kernel in kernels]
    first, second = (map(tf.constant, filter_normalized(weights, random)) for _ in range(2))
    directions = {id(kernel): pair for kernel, *pair in zip(kernels, first, second, strict=True)}

    def moved(variable: keras.Variable, step: tf.Tensor) -> Any:
        if id(variable) not in directions:
            return variable
        step = tf.cast(step, variable.dtype)
        along_first, along_second = directions[id(variable)]
        return variable.value + step[0] * along_first + step[1] * along_second

    @tf.function(autograph=False, reduce_retracing=True)
    def forward(step: tf.Tensor, batch: tf.Tensor) -> Any:
        values = [moved(variable, step) for variable in variables]
        count = len(model.trainable_variables)
        return model.stateless_call(values[:count], values[count:], batch, training=False)[0]

    return forward
