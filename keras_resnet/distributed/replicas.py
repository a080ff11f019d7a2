"""A step over several replicas that equals the step of one device with the whole batch.

Each replica has a part of the batch, maybe an uneven or empty one. Its loss counts by its share of the batch, the
gradients are summed, and only then are they clipped, accumulated, and searched for overflows.
"""

import keras
import tensorflow as tf

from keras_resnet.distributed.keras_internals import HookedModel, gradients_summed, samples_counted

MEANS = {"sum_over_batch_size", "mean"}  # as Keras names the reduction of a loss


def sum_over_replicas(tensors):
    """The sums of a structure of tensors over all replicas, in a replica.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.distributed.replicas import sum_over_replicas
        >>> two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
        >>> two.run(lambda: sum_over_replicas(tf.ones(()))).values[0].numpy()
        np.float32(2.0)
    """
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)


class ReplicatedModel(HookedModel):
    """A `keras.Model` that trains, evaluates and predicts on several replicas as on one; see the module."""

    def train_step(self, data):
        if self.replicas == 1 or not self.trainable_variables:
            return super().train_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        part = BatchShard(x)
        statistics = self._moving_statistics()
        before = [tf.identity(statistic) for statistic in statistics]
        with tf.GradientTape() as tape:
            y_pred = self._predictions(part, training=True)
            loss = self._part_of_loss(part, y, y_pred, sample_weight, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        with gradients_summed(self.optimizer):
            self.optimizer.apply_gradients(zip(_sums(gradients), self.trainable_variables, strict=True))
        part.merge(statistics, before)
        self.loss_tracker.update_state(sum_over_replicas(loss), sample_weight=part.size)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data):
        if self.replicas == 1:
            return super().test_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        part = BatchShard(x)
        y_pred = self._predictions(part, training=False)
        loss = self._part_of_loss(part, y, y_pred, sample_weight, training=False)
        self.loss_tracker.update_state(sum_over_replicas(loss), sample_weight=part.size)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data):
        if self.replicas == 1:
            return super().predict_step(data)
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self._predictions(BatchShard(x), training=False)

    def _predictions(self, part, training):
        with samples_counted(self.normalizations(), part.size):
            y_pred = self(part.inputs(), training=training)
        return keras.tree.map_structure(lambda output: output[: part.size], y_pred)

    def _part_of_loss(self, part, y, y_pred, sample_weight, training):
        """What this replica adds to the loss of the whole batch: a scalar."""
        if part.known_empty:
            loss = self._loss_of_none(y_pred)
        else:
            loss = self.compute_loss(x=part.x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        # Keras divides each replica's mean, and the regularization, by the number of replicas; by their shares of the
        # batch they make the mean of the batch, and the regularization once.
        return tf.reduce_sum(loss) * tf.cast(self.replicas * self._share(part, sample_weight), loss.dtype)

    def _loss_of_none(self, y_pred):
        """The loss of a part of no sample, as Keras scales it; Keras's own is no scalar where it knows of none."""
        none = [tf.reduce_sum(tf.cast(output, "float32")) for output in keras.tree.flatten(y_pred)]  # 0, with gradients
        return tf.add_n([*none, *(tf.reduce_sum(loss) / self.replicas for loss in self.losses)])

    def _share(self, part, sample_weight):
        """The share of this replica in the loss; the shares of all are 1."""
        reductions = {getattr(loss, "reduction", "sum_over_batch_size") for loss in keras.tree.flatten(self.loss)}
        if reductions <= MEANS:
            return part.share
        if reductions == {"mean_with_sample_weight"} and not keras.tree.is_nested(sample_weight):
            if sample_weight is None:
                return part.share
            weight = tf.reduce_sum(tf.cast(sample_weight, "float32"))
            return share_of(weight, sum_over_replicas(weight))
        if reductions == {"sum"}:
            return 1 / self.replicas  # Keras divides no sum by the number of replicas
        raise ValueError(
            f"Losses of the reductions {sorted(map(str, reductions))} cannot be shared among {self.replicas} replicas; "
            "take sum_over_batch_size for all."
        )

    def _moving_statistics(self):
        """The variables that a step of the batch normalizations writes, each replica by its own part of the batch."""
        layers = [layer for layer in self.normalizations() if layer.trainable]
        return [variable for layer in layers for variable in layer.non_trainable_variables]


class BatchShard:
    """The part of a batch that one replica has.

    Args:
        x: the inputs of the model, a tensor or a structure of them, the samples along the first axis.
    """

    def __init__(self, x):
        self.x = x
        first = next(value for value in keras.tree.flatten(x) if value is not None)
        self.never_empty, self.known_empty = bool(first.shape[0]), first.shape[0] == 0
        self.size = tf.shape(first)[0]
        samples = tf.cast(self.size, "float32")
        self.batch_size = sum_over_replicas(samples)
        self.share = share_of(samples, self.batch_size)

    def inputs(self):
        """`x`, or one sample of zeros in the place of none: oneDNN gives convolutions of none a wrong shape, and the
        mean of none is NaN. What the model makes of it counts nowhere.
        """

        def filled(value):
            sample = tf.zeros(tf.concat([[1], tf.shape(value)[1:]], 0), value.dtype)
            return tf.cond(self.size > 0, lambda: value, lambda: sample)

        if self.never_empty:
            return self.x
        return keras.tree.map_structure(lambda value: None if value is None else filled(value), self.x)

    def merge(self, statistics, before):
        """Sets each moving statistic to the mean over the samples of all replicas; of none, as it was before."""
        sums = _sums([statistic * tf.cast(self.share, statistic.dtype) for statistic in statistics])
        for statistic, merged, old in zip(statistics, sums, before, strict=True):
            statistic.assign(tf.where(self.batch_size > 0, merged, old))


def share_of(amount, total):
    """This replica's share of a total over all replicas, 0 to 1; an equal one if the total is 0."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return tf.where(total > 0, tf.math.divide_no_nan(amount, total), 1 / replicas)


def _sums(tensors):
    """`sum_over_replicas` of a list in which None stays None."""
    given = [tensor for tensor in tensors if tensor is not None]
    sums = iter(sum_over_replicas(given) if given else [])
    return [None if tensor is None else next(sums) for tensor in tensors]
