"""How the gradient of the loss flows back through the blocks of a network, and what the shortcuts hand on."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.analysis.blocks import find_blocks
from keras_resnet.analysis.graph import flattened
from keras_resnet.analysis.stateless import State, Stateless, compiled, cross_entropy
from keras_resnet.models.model import number_of_classes


class BlockGradient(NamedTuple):
    """The gradient of the loss at a block y = F(x) + x; in a plain block, all of the shortcut is zero.

    Attributes:
        block: its name.
        entry_norm: Euclidean norm of the gradient at x.
        output_norm: of the gradient at y, after the activation if one follows (v1).
        shortcut_norm: of the part of the gradient at x that came through this block's shortcut.
        branch_norm: of the part that came through F.
        shortcut_share: <shortcut's part, gradient> / <gradient, gradient>; that of the branch is the rest to 1.
        path_share: likewise the share, at x, of what came from the loss through shortcuts alone: through none of the
            branches of this block and of all blocks after it.
        remainder: norm of the gradient at x without both parts, relative to the gradient: 0 but for rounding errors if
            nothing else reads x.
    """

    block: str
    entry_norm: float
    output_norm: float
    shortcut_norm: float
    branch_norm: float
    shortcut_share: float
    path_share: float
    remainder: float


class WeightGradient(NamedTuple):
    """The gradient of the loss at a weight.

    Attributes:
        weight: its name, such as "stage1_block1_conv1/kernel".
        kind: "kernel" for weights of two dimensions and more, else "vector": gamma, beta and biases.
        gradient_norm: Euclidean norm of the gradient.
        weight_norm: of the weight itself.
    """

    weight: str
    kind: str
    gradient_norm: float
    weight_norm: float


class GradientFlow(NamedTuple):
    """The gradient of the mean loss of a batch.

    Attributes:
        loss: mean cross-entropy.
        blocks: the gradient at each block, in order.
        weights: the gradient at each trainable weight, in order.
    """

    loss: float
    blocks: tuple[BlockGradient, ...]
    weights: tuple[WeightGradient, ...]


class SumRule(NamedTuple):
    """The gradient at a block's x, and what it consists of; arrays of the shape of x.

    Attributes:
        block: name of the block.
        gradient: of the mean loss.
        shortcut: the part of it that came through this block's shortcut.
        branch: the part that came through F.
        path: the part that came from the loss through shortcuts alone.
    """

    block: str
    gradient: np.ndarray
    shortcut: np.ndarray
    branch: np.ndarray
    path: np.ndarray


def gradient_flow(model: keras.Model, images: Any, labels: Any, training: bool = True) -> GradientFlow:
    """The gradient of the mean loss at each block and each weight.

    Source: He et al. 2016, https://arxiv.org/abs/1603.05027, equation 5: the gradient at x is the gradient after the
    block plus the same gradient through the branch.

    Args:
        model: a classifier with blocks. It remains as it is.
        images: (N, height, width, channels), as the model takes them.
        labels: numbers of the model's classes, (N,).
        training: True: as in training, normalized by the statistics of the batch. False: by the moving statistics.

    Raises:
        ValueError: the model is not functional, or has no classifier or no blocks, or computes in float16.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.gradients import gradient_flow
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3))
        >>> flow = gradient_flow(keras_resnet.ResNet20Cifar(), images, np.arange(4))
        >>> len(flow.blocks), flow.weights[0].weight
        (9, 'stem_conv/kernel')
    """
    return GradientProbe(model)(images, labels, training)


def sum_rule(model: keras.Model, images: Any, labels: Any, training: bool = True) -> list[SumRule]:
    """The gradient at each block's x, split exactly into the parts of its shortcut and its branch.

    Arguments and errors are those of `gradient_flow`, which returns the norms of the same gradients.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.gradients import sum_rule
        >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3))
        >>> block = sum_rule(keras_resnet.ResNet20Cifar(), images, np.arange(4))[0]
        >>> bool(np.abs(block.shortcut + block.branch - block.gradient).max() < 1e-5 * np.abs(block.gradient).max())
        True
    """
    return GradientProbe(model).split(images, labels, training)


class GradientProbe:
    """Measures the gradients of a model again and again, as its weights change.

    Args:
        model: as for `gradient_flow`.

    Raises:
        ValueError: as `gradient_flow`.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.gradients import GradientProbe
        >>> model = keras_resnet.ResNet20Cifar()
        >>> probe, images = GradientProbe(model), np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3))
        >>> _ = model.get_layer("logits").kernel.assign(np.zeros((64, 10)))
        >>> round(probe(images, np.arange(4)).loss, 4)  # log(10)
        2.3026
    """

    def __init__(self, model: keras.Model) -> None:
        number_of_classes(model)
        self._model = flattened(model)
        _check_precision(self._model)
        self._blocks = find_blocks(self._model)
        tensors = [tensor for block in self._blocks for tensor in (block.entry, block.branch, block.sum, block.output)]
        self._network = Stateless(self._model, [*tensors, *self._model.outputs])
        self._split = compiled(self._gradients)
        self._measure = compiled(self._norms)

    def __call__(self, images: Any, labels: Any, training: bool = True) -> GradientFlow:
        """The norms and shares of the gradients (see `gradient_flow`)."""
        state, arguments = self._network.state(), (np.asarray(images), np.asarray(labels))
        loss, blocks, weights = (value.numpy() for value in self._measure(*arguments, state, training))
        names = zip(self._network.names, state.weights, strict=True)
        return GradientFlow(
            float(loss),
            tuple(
                BlockGradient(block.name, *numbers)
                for block, numbers in zip(self._blocks, blocks.tolist(), strict=True)
            ),
            tuple(
                WeightGradient(name, "kernel" if len(weight.shape) > 1 else "vector", *norms)
                for (name, weight), norms in zip(names, weights.tolist(), strict=True)
            ),
        )

    def split(self, images: Any, labels: Any, training: bool = True) -> list[SumRule]:
        """The gradients at each block's x themselves (see `sum_rule`)."""
        gradients = self._split(np.asarray(images), np.asarray(labels), self._network.state(), training)
        parts = zip(gradients.entries, gradients.shortcuts, gradients.branches, gradients.paths, strict=True)
        return [
            SumRule(block.name, *(part.numpy() for part in of_block))
            for block, of_block in zip(self._blocks, parts, strict=True)
        ]

    def _gradients(self, images: Any, labels: Any, state: State, training: bool) -> "_Gradients":
        *values, scores = self._network(images, state, training)
        entries, branches, sums, outputs = (values[part::4] for part in range(4))
        loss = tf.reduce_mean(cross_entropy(self._model, scores, labels))
        of_loss = iter(_gradients_of(loss, [*entries, *sums, *outputs, *state.weights]))
        at_entries, at_sums, at_outputs = ([next(of_loss) for _ in entries] for _ in range(3))
        of_blocks = list(zip(entries, branches, sums, at_sums, strict=True))
        return _Gradients(
            loss,
            at_entries,
            at_outputs,
            # With the branches as constants, gradients come through shortcuts alone.
            [
                _gradients_of(total, [entry], gradient, constants=[branch])[0]
                for entry, branch, total, gradient in of_blocks
            ],
            [_gradients_of(branch, [entry], gradient)[0] for entry, branch, _, gradient in of_blocks],
            _gradients_of(loss, entries, constants=branches),
            list(of_loss),
        )

    def _norms(self, images: Any, labels: Any, state: State, training: bool) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        gradients = self._gradients(images, labels, state, training)
        blocks = [
            [
                _norm(entry),
                _norm(output),
                _norm(shortcut),
                _norm(branch),
                _share(shortcut, entry),
                _share(path, entry),
                _norm(entry - shortcut - branch) / _norm(entry),
            ]
            for entry, output, shortcut, branch, path in gradients.of_blocks()
        ]
        weights = [
            [_norm(gradient), _norm(weight)] for gradient, weight in zip(gradients.weights, state.weights, strict=True)
        ]
        return gradients.loss, tf.convert_to_tensor(blocks), tf.convert_to_tensor(weights)


class _Gradients(NamedTuple):
    """Gradients as tensors: a list of one for each block, and one for each weight."""

    loss: tf.Tensor
    entries: list[tf.Tensor]
    outputs: list[tf.Tensor]
    shortcuts: list[tf.Tensor]
    branches: list[tf.Tensor]
    paths: list[tf.Tensor]
    weights: list[tf.Tensor]

    def of_blocks(self) -> Iterator[tuple[tf.Tensor, ...]]:
        return zip(self.entries, self.outputs, self.shortcuts, self.branches, self.paths, strict=True)


def _gradients_of(
    value: tf.Tensor,
    at: Sequence[tf.Tensor],
    gradient: tf.Tensor | None = None,
    constants: Sequence[tf.Tensor] | None = None,
) -> list[tf.Tensor]:
    """Gradients in a graph; unlike a tape, they follow only the ways from `at` to `value`."""
    return tf.gradients(value, list(at), gradient, stop_gradients=constants, unconnected_gradients="zero")


def _norm(tensor: tf.Tensor) -> tf.Tensor:
    return tf.norm(tf.cast(tensor, tf.float64))


def _share(part: tf.Tensor, whole: tf.Tensor) -> tf.Tensor:
    part, whole = tf.cast(part, tf.float64), tf.cast(whole, tf.float64)
    return tf.reduce_sum(part * whole) / tf.reduce_sum(whole**2)


def _check_precision(model: keras.Model) -> None:
    if any(getattr(layer, "compute_dtype", None) == "float16" for layer in model.layers):
        raise ValueError(
            f"{model.name} computes in float16, in which small gradients become zero; load it in float32 or bfloat16."
        )
