"""Training steps on several replicas that match a step on one device with the whole batch.

Each replica gets a shard of the batch; shards may be uneven or empty. Losses are weighted by each shard's fraction of
the batch, and gradients are summed before they are clipped, accumulated and checked for overflow.

With `jit_compile=True`, XLA compiles what each replica computes alone: the predictions, the loss and the gradients. It
cannot compile communication between replicas.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.distributed.elementwise import ELEMENTWISE, elementwise_compiled
from keras_resnet.distributed.keras_internals import (
    HookedModel,
    call_compiled,
    first_samples,
    gradients_summed,
    moments_without_padding,
    normalizations,
)

MEAN_REDUCTIONS = {"sum_over_batch_size", "mean"}  # Keras's names


def sum_over_replicas(tensors: Any) -> Any:
    """Sums each tensor of a structure over all replicas. Call it in a replica.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.distributed.replicas import sum_over_replicas
        >>> two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
        >>> two.run(lambda: sum_over_replicas(tf.ones(()))).values[0].numpy()
        np.float32(2.0)
    """
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)


class LossOfInputs(keras.losses.Loss):
    """A loss whose targets in training depend on the inputs, too, such as on what another model says about them.

    Only a `ReplicatedModel` can be trained with it. In validation, the targets are the labels.
    """

    def targets(self, x: Any, y: Any) -> Any:
        """The targets of a batch, which replace its labels.

        Args:
            x: the inputs, at least one: more than labels only for a shard of a batch that is empty.
            y: the labels.
        """
        raise NotImplementedError


class ReplicatedModel(HookedModel):
    """A `keras.Model` that trains, evaluates and predicts on several replicas as on one device."""

    _compiles_elementwise = False

    @property
    def jit_compile(self) -> bool:
        """Whether XLA compiles steps; set it to "elementwise" to compile only elementwise operations of training."""
        return super().jit_compile

    @jit_compile.setter
    def jit_compile(self, value: bool | str) -> None:
        if isinstance(value, str) and value != ELEMENTWISE:  # Keras would compile everything
            raise ValueError(f"jit_compile={value!r} must be True, False, 'auto' or {ELEMENTWISE!r}.")
        self._compiles_elementwise = value == ELEMENTWISE
        keras.Model.jit_compile.fset(self, value and not self._compiles_elementwise)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        if training and isinstance(self.loss, LossOfInputs):
            y = self.loss.targets(x, y)
        return super().compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        if self.replicas == 1 or not self.trainable_variables:
            with self._compiled_part():
                return super().train_step(data)
        self._check_compilation()
        shard = BatchShard(*keras.utils.unpack_x_y_sample_weight(data))
        weight = self._loss_weight(shard)
        statistics = self._moving_statistics()
        before = [tf.identity(statistic) for statistic in statistics]
        y_pred, loss, gradients = self._call(self._forward_and_backward, shard, weight)
        with gradients_summed(self.optimizer):
            self.optimizer.apply_gradients(zip(_sums(gradients), self.trainable_variables, strict=True))
        shard.merge(statistics, before)
        return self._update_metrics(shard, y_pred, loss)

    def test_step(self, data: Any) -> dict[str, Any]:
        if self.replicas == 1:
            return super().test_step(data)
        shard = BatchShard(*keras.utils.unpack_x_y_sample_weight(data))
        y_pred, loss = self._call(self._forward, shard, self._loss_weight(shard))
        return self._update_metrics(shard, y_pred, loss)

    def predict_step(self, data: Any) -> Any:
        if self.replicas == 1:
            return super().predict_step(data)
        return self._predictions(Shard(*keras.utils.unpack_x_y_sample_weight(data)))  # Keras compiles this step

    def _call(self, function: Callable, *arguments: Any) -> Any:
        """Calls a function that does not communicate with other replicas; with `jit_compile`, as one XLA program."""
        function = functools.partial(function, *arguments)
        return call_compiled(function) if self.jit_compile and not tf.executing_eagerly() else function()

    def _check_compilation(self) -> None:
        compiles = self.jit_compile or self._compiles_elementwise
        if compiles and any(layer.synchronized for layer in self._updated_normalizations()):
            raise ValueError(
                "XLA cannot compile synchronized batch normalization for several devices; compile the model with "
                "jit_compile=False."
            )

    def _forward_and_backward(self, shard: "Shard", weight: tf.Tensor | float) -> tuple[Any, tf.Tensor, list]:
        """What `_forward` returns in training, and the gradients of the loss, which the optimizer may have scaled."""
        with self._compiled_part():
            with tf.GradientTape() as tape:
                y_pred, loss = self._forward(shard, weight, training=True)
                scaled_loss = self.optimizer.scale_loss(loss)
            return y_pred, loss, tape.gradient(scaled_loss, self.trainable_variables)

    def _compiled_part(self) -> contextlib.AbstractContextManager:
        """The context of what `jit_compile="elementwise"` compiles."""
        return elementwise_compiled() if self._compiles_elementwise else contextlib.nullcontext()

    def _forward(self, shard: "Shard", weight: tf.Tensor | float, training: bool = False) -> tuple[Any, tf.Tensor]:
        """The outputs for a shard, and its contribution to the loss of the whole batch, a scalar.

        Args:
            shard: of this replica.
            weight: from `_loss_weight`.
            training: whether to train.
        """
        y_pred = self._predictions(shard, training)
        if shard.known_empty:
            loss = self._empty_shard_loss(y_pred)
        else:
            loss = self.compute_loss(
                x=shard.padded(), y=shard.y, y_pred=y_pred, sample_weight=shard.sample_weight, training=training
            )
        return y_pred, tf.reduce_sum(loss) * tf.cast(weight, loss.dtype)

    def _predictions(self, shard: "Shard", training: bool = False) -> Any:
        with moments_without_padding(normalizations(self), shard.size):
            y_pred = self(shard.padded(), training=training)
        return keras.tree.map_structure(lambda output: first_samples(output, shard.size), y_pred)

    def _update_metrics(self, shard: "Shard", y_pred: Any, loss: tf.Tensor) -> dict[str, Any]:
        self.loss_tracker.update_state(sum_over_replicas(loss), sample_weight=shard.size)
        return self.compute_metrics(shard.x, shard.y, y_pred, sample_weight=shard.sample_weight)

    def _empty_shard_loss(self, y_pred: Any) -> tf.Tensor:
        """The loss of an empty shard, scaled as Keras does. Keras's own is not a scalar for a static size of 0."""
        zeros = [tf.reduce_sum(tf.cast(output, "float32")) for output in keras.tree.flatten(y_pred)]  # with gradients
        return tf.add_n([*zeros, *(tf.reduce_sum(loss) / self.replicas for loss in self.losses)])

    def _loss_weight(self, shard: "BatchShard") -> tf.Tensor | float:
        """The factor that makes this replica's loss its contribution to the loss of the whole batch.

        Keras divides each replica's mean loss, and the regularization losses, by the number of replicas
        (https://github.com/keras-team/keras/issues/19891). Weighted by fractions of the batch instead, the means add up
        to the mean over the batch, and the regularization losses still count once.
        """
        return self.replicas * self._loss_fraction(shard)

    def _loss_fraction(self, shard: "BatchShard") -> tf.Tensor | float:
        """The weight of this replica's mean loss; the weights of all replicas sum to 1."""
        sample_weight = shard.sample_weight
        reductions = {getattr(loss, "reduction", "sum_over_batch_size") for loss in keras.tree.flatten(self.loss)}
        if reductions <= MEAN_REDUCTIONS:
            return shard.fraction
        if reductions == {"mean_with_sample_weight"} and not keras.tree.is_nested(sample_weight):
            if sample_weight is None:
                return shard.fraction
            weight = tf.reduce_sum(tf.cast(sample_weight, "float32"))
            return fraction_of(weight, sum_over_replicas(weight))
        if reductions == {"sum"}:
            return 1 / self.replicas  # Keras does not divide sums by the number of replicas
        raise ValueError(
            f"Losses with the reductions {sorted(map(str, reductions))} cannot be split over {self.replicas} replicas; "
            "use sum_over_batch_size for all."
        )

    def _updated_normalizations(self) -> list[keras.layers.BatchNormalization]:
        """The layers that normalize by the moments of the batch in training, and update their moving statistics."""
        return [
            layer
            for layer in normalizations(self)
            if layer.trainable and not getattr(layer, "frozen_statistics", False)
        ]

    def _moving_statistics(self) -> list[keras.Variable]:
        """The moving means and variances that a step updates; each replica updates them with its own shard."""
        return [variable for layer in self._updated_normalizations() for variable in layer.non_trainable_variables]


class Shard:
    """One replica's shard of a batch.

    Args:
        x: the inputs of the model, a tensor or a structure of tensors with the samples along the first axis.
        y: the labels, or None.
        sample_weight: the weights of the samples, or None.

    Attributes:
        x: as given.
        y: as given.
        sample_weight: as given.
        never_empty: whether the static size is above 0.
        known_empty: whether the static size is 0.
    """

    def __init__(self, x: Any, y: Any, sample_weight: Any) -> None:
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self._first = next(value for value in keras.tree.flatten(x) if value is not None)
        self.never_empty, self.known_empty = bool(self._first.shape[0]), self._first.shape[0] == 0

    @property
    def size(self) -> tf.Tensor:
        """The number of samples in the shard, a scalar int32."""
        return tf.shape(self._first)[0]  # not stored: inside a compiled function, XLA then knows it as a constant

    def padded(self) -> Any:
        """Pads an empty shard with one zero sample; other shards stay as they are.

        oneDNN's convolutions give empty inputs a wrong shape, and their mean is NaN. The outputs for the padding are
        dropped.
        """

        def pad(value):
            missing = tf.cast(tf.equal(tf.shape(value)[0], 0), "int32")
            padded = tf.pad(value, [[0, missing], *[[0, 0]] * (value.shape.rank - 1)])
            return tf.ensure_shape(padded, [None, *value.shape[1:]])

        if self.never_empty:
            return self.x
        return keras.tree.map_structure(lambda value: None if value is None else pad(value), self.x)


class BatchShard(Shard):
    """A shard that knows its fraction of the batch: to make one, replicas communicate.

    Attributes:
        batch_size: the number of samples in the whole batch, a scalar float32.
        fraction: size / batch_size, a scalar float32.
    """

    def __init__(self, x: Any, y: Any, sample_weight: Any) -> None:
        super().__init__(x, y, sample_weight)
        samples = tf.cast(self.size, "float32")
        self.batch_size = sum_over_replicas(samples)
        self.fraction = fraction_of(samples, self.batch_size)

    def merge(self, statistics: list[keras.Variable], before: list[tf.Tensor]) -> None:
        """Sets each moving statistic to its mean over all replicas, weighted by their fractions of the batch.

        Args:
            statistics: variables, which each replica has updated with its own shard.
            before: their values before the update, to restore if the whole batch is empty.
        """
        sums = _sums([statistic * tf.cast(self.fraction, statistic.dtype) for statistic in statistics])
        for statistic, merged, old in zip(statistics, sums, before, strict=True):
            statistic.assign(tf.where(self.batch_size > 0, merged, old))


def fraction_of(amount: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """The fraction of a total over all replicas that `amount` is, 0 to 1; equal fractions if the total is 0."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.where(total > 0, tf.math.divide_no_nan(amount, total), 1 / replicas)


def _sums(tensors: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
    """`sum_over_replicas` of a list; None stays None."""
    given = [tensor for tensor in tensors if tensor is not None]
    sums = iter(sum_over_replicas(given) if given else [])
    return [None if tensor is None else next(sums) for tensor in tensors]
